import { join } from 'node:path'
import { agentTopic, EVERY_INGEST_FILTER, everyAgentFilter, INTERVALS, NakamaError, parseTopic } from '@nakama/contract'
import {
  fromConfigDir,
  openMqttLink,
  type RunningService,
  readSecret,
  type ServiceContext,
  startHealthServer,
} from '@nakama/service'
import { openEmbeddedStore } from '@nakama/store'
import { openDeadLetters } from './commit/dead-letters.ts'
import { DEFAULT_LIMITS, type IngestConfig } from './config.ts'
import { ingestHealth } from './health.ts'
import { createPresence } from './live/presence.ts'
import { startPipeline } from './pipeline.ts'

const TICK_MS = 1_000
/** A server that does not know the date would throw away everybody's records as being of the future. */
const CLOCK_FLOOR = Date.UTC(2025, 0, 1)

/**
 * The whole of ingest: broker → batches in their turn → store → acks. It starts without a broker, but not without its store.
 *
 * @throws NakamaError when the store or the dead-letter file cannot be used, a secret is missing, or the clock is not set
 * (`INGEST_CLOCK`).
 */
export const startIngest = async (context: ServiceContext<IngestConfig>): Promise<RunningService> => {
  const { config, configFile, log, now, random } = context
  if (now() < CLOCK_FLOOR) {
    throw new NakamaError('INGEST_CLOCK', `clock: expected a date after 2025, got ${new Date(now()).toISOString()}`)
  }
  const limits = { ...DEFAULT_LIMITS, ...config.limits }
  const { url, username } = config.broker
  const password = readSecret(config.broker.password, configFile)
  const dataDir = fromConfigDir(configFile, config.dataDir)
  const letters = await openDeadLetters(join(dataDir, 'dead-letters.ndjson'), limits.deadLettersMaxBytes)
  const { type: _, file, ...bounds } = config.store
  // What comes together is written together already.
  const store = await openEmbeddedStore({
    file: fromConfigDir(configFile, file),
    ...bounds,
    commitDelayMs: 0,
    now,
    log,
  })
  const pipeline = await startPipeline({
    ...{ store, letters, limits, now, random, log, metrics: context.metrics },
    activeSince: () => presence.activeSince,
    publishAck: (to, ack) =>
      void link.publish({ topic: agentTopic(to, 'ack'), payload: JSON.stringify(ack), qos: 0, retain: false }),
  })
  const presence = createPresence({
    ...{ id: config.id, storeId: store.id, now, log },
    publish: message => void link.publish(message),
  })
  const link = openMqttLink({
    ...{ url, username, clientId: username, password, random, log },
    keepAliveS: INTERVALS.keepAliveS,
    subscriptions: [everyAgentFilter('records'), everyAgentFilter('status'), EVERY_INGEST_FILTER],
    will: presence.goodbye,
    onUp: presence.up,
    onDown: presence.down,
    onMessage(topic, payload, retained) {
      const about = parseTopic(topic)
      if (about?.type === 'ingest') presence.heard(payload)
      else if (about?.leaf === 'status') pipeline.status(about, payload, retained)
      else if (about?.leaf === 'records') pipeline.records(about, payload)
    },
  })

  const ticker = setInterval(pipeline.tick, TICK_MS)
  const health = await startHealthServer(
    config.http,
    () =>
      ingestHealth(
        { connected: link.connected, active: presence.activeSince !== undefined, store: store.id, ...pipeline.facts() },
        now(),
      ),
    context.metrics,
  )

  const stop = async (): Promise<void> => {
    clearInterval(ticker)
    await pipeline.stop()
    presence.down()
    await link.stop(presence.goodbye())
    await health.stop()
    await letters.close()
    await store.close()
  }
  let stopping: Promise<void> | undefined
  return {
    addresses: { http: health.url },
    stop: () => {
      stopping ??= stop()
      return stopping
    },
  }
}
