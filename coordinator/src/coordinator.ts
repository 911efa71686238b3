import type { AddressInfo } from 'node:net'
import { NakamaError } from '@nakama/contract'
import { fromConfigDir, type Health, type RunningService, readSecret, type ServiceContext } from '@nakama/service'
import { openEmbeddedReader } from '@nakama/store'
import { buildApp } from './api/app.ts'
import { createEventHub } from './api/events.ts'
import { loadBoardAssets } from './board/assets.ts'
import { type CoordinatorConfig, coordinatorSense, readRegister } from './config.ts'
import { openDesiredFile } from './desired-file.ts'
import { type Feed, openFeed } from './feed.ts'
import { lastKnownOf, openHistory } from './history.ts'
import { createLive, type Live } from './live.ts'
import { indexRegister } from './register.ts'

const TICK_MS = 1_000
const BEAT_MS = 15_000
const VIEWERS_MAX = 200
const REQUESTS_PER_MINUTE_MAX = 6_000
/** Sockets besides the boards' streams. */
const OTHER_CONNECTIONS_MAX = 256
/** After this long without the broker somebody must look. */
const FEED_LOST_MAX_MS = 60_000

/** Puts the coordinator together: statuses in, questions to the store, the API and the board out. */
export const startCoordinator = async (context: ServiceContext<CoordinatorConfig>): Promise<RunningService> => {
  const { config, configFile, log, metrics, now, random } = context
  const [problem] = coordinatorSense(config)
  if (problem !== undefined) {
    throw new NakamaError('CONFIG_INVALID', `${problem.path}: expected ${problem.expected}, got ${problem.got}`)
  }
  const { broker, http } = config
  const register = indexRegister(readRegister(config, configFile))
  const password = readSecret(broker.password, configFile)
  const storeFile = fromConfigDir(configFile, config.store.file)
  const desired = await openDesiredFile(fromConfigDir(configFile, config.dataDir), log)
  const assets = loadBoardAssets()
  const viewersMax = http.viewersMax ?? VIEWERS_MAX

  let feed: Feed | undefined
  const live = createLive({
    register,
    desired,
    publish: (shop, entry) => feed?.publish(shop, entry),
    onChange: (machines, feedNow) => {
      const at = rfc3339(now())
      if (feedNow !== undefined) events.tell('feed', { now: at, feed: feedNow })
      if (machines.length > 0) events.tell('change', { now: at, machines })
    },
    now,
    log,
    metrics,
  })
  const dropped = metrics.counter('viewers_dropped', 'Boards that did not read what they were sent')
  const events = createEventHub({
    clientsMax: viewersMax,
    snapshot: () => ({ now: rfc3339(now()), feed: live.feed(), machines: live.machines() }),
    onDropped: () => dropped.inc(),
  })
  metrics.gauge('viewers', 'Boards that are open', () => events.size)
  metrics.gauge('feed_connected', '1 while statuses can be heard', () => Number(live.feed().connected))
  metrics.gauge('store_available', '1 while the past can be read', () => Number(history.available))
  const history = openHistory({
    open: () => openEmbeddedReader({ file: storeFile }),
    onOpen: states => live.apply({ type: 'history', lastKnown: lastKnownOf(states) }),
    onObserved: shares => live.apply({ type: 'observed', shares }),
    now,
    log,
  })

  const app = await buildApp({
    register,
    live,
    history,
    events,
    assets,
    health: () => healthOf(live, history.available, events.size, now()),
    metrics,
    log,
    now,
    hosts: http.hosts ?? [],
    requestsPerMinuteMax: http.requestsPerMinuteMax ?? REQUESTS_PER_MINUTE_MAX,
    connectionsMax: viewersMax + OTHER_CONNECTIONS_MAX,
  })
  try {
    await app.listen({ host: http.host, port: http.port })
  } catch (error) {
    await history.stop()
    throw error
  }
  feed = openFeed({
    broker,
    password,
    register,
    desired,
    onInput: live.apply,
    random,
    log,
    metrics,
  })
  const { stop: stopFeed } = feed
  const tick = setInterval(() => live.apply({ type: 'tick' }), TICK_MS)
  const beat = setInterval(() => events.beat(rfc3339(now())), BEAT_MS)
  const { port } = app.server.address() as AddressInfo

  let stopping: Promise<unknown> | undefined
  return {
    addresses: { http: `http://${http.host.includes(':') ? `[${http.host}]` : http.host}:${port}` },
    async stop() {
      clearInterval(tick)
      clearInterval(beat)
      events.stop()
      stopping ??= Promise.all([stopFeed(), app.close(), history.stop()])
      await stopping
    },
  }
}

const healthOf = (live: Live, storeAvailable: boolean, viewers: number, now: number): Health => {
  const { connected, since, ingest } = live.feed()
  const lostMs = connected ? 0 : now - Date.parse(since)
  const machines = live.machines()
  return {
    ok: lostMs < FEED_LOST_MAX_MS,
    ready: connected && storeAvailable,
    details: {
      feedConnected: connected,
      feedLostMs: lostMs,
      lastStatusAgeMs: live.heardAt === null ? null : now - live.heardAt,
      ingestConnected: ingest.connected,
      storeAvailable,
      machines: machines.length,
      machinesOffline: machines.filter(({ state }) => state === 'OFFLINE').length,
      viewers,
    },
  }
}

const rfc3339 = (ms: number): string => new Date(ms).toISOString()
