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
import { openHistory } from './history.ts'
import { createLive, type Live } from './live.ts'
import { indexRegister } from './register.ts'

const TICK_MS = 1_000
const BEAT_MS = 15_000
const VIEWERS_MAX = 200
/** After this long without the broker somebody must look. */
const FEED_LOST_MAX_MS = 60_000

/** Puts the coordinator together: statuses in, questions to the store, the API and the board out. */
export const startCoordinator = async (context: ServiceContext<CoordinatorConfig>): Promise<RunningService> => {
  const { config, configFile, log, metrics, now, random } = context
  const [problem] = coordinatorSense(config)
  if (problem !== undefined) {
    throw new NakamaError('CONFIG_INVALID', `${problem.path}: expected ${problem.expected}, got ${problem.got}`)
  }
  const register = indexRegister(readRegister(config, configFile))
  const password = readSecret(config.broker.password, configFile)
  const storeFile = fromConfigDir(configFile, config.store.file)
  const desired = await openDesiredFile(fromConfigDir(configFile, config.dataDir), log)
  const assets = loadBoardAssets()

  let feed: Feed | undefined
  const history = openHistory({
    open: () => openEmbeddedReader({ file: storeFile }),
    onOpen: states => {
      const lastKnown = states.map(
        ({ series, code, since, to }) => [`${series.shop}/${series.machine}`, code === 'OFFLINE' ? since : to] as const,
      )
      live.apply({ type: 'history', lastKnown: new Map(lastKnown) })
    },
    now,
    log,
  })
  const live = createLive({
    register,
    desired,
    observed: () => history.observed,
    publish: (shop, entry) => feed?.publish(shop, entry),
    now,
    log,
    metrics,
  })

  const dropped = metrics.counter('viewers_dropped', 'Boards that did not read what they were sent')
  const events = createEventHub({
    clientsMax: config.http.viewersMax ?? VIEWERS_MAX,
    snapshot: () => ({ now: rfc3339(now()), feed: live.feed(), machines: live.machines() }),
    onDropped: () => dropped.inc(),
  })
  metrics.gauge('viewers', 'Boards that are open', () => events.size)
  live.onChange = (machines, feedNow) => {
    const at = rfc3339(now())
    if (feedNow !== undefined) events.tell('feed', { now: at, feed: feedNow })
    if (machines.length > 0) events.tell('change', { now: at, machines })
  }

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
    listenHost: config.http.host,
    ...(config.http.hosts === undefined ? {} : { hosts: config.http.hosts }),
    ...(config.http.requestsPerMinuteMax === undefined
      ? {}
      : { requestsPerMinuteMax: config.http.requestsPerMinuteMax }),
  })
  try {
    await app.listen({ host: config.http.host, port: config.http.port })
  } catch (error) {
    await history.stop()
    throw error
  }
  feed = openFeed({
    broker: config.broker,
    password,
    register,
    desired,
    onInput: live.apply,
    random,
    log,
    metrics,
  })
  const tick = setInterval(() => live.apply({ type: 'tick' }), TICK_MS)
  const beat = setInterval(() => events.beat(rfc3339(now())), BEAT_MS)
  const { port } = app.server.address() as AddressInfo

  let stopping: Promise<void> | undefined
  return {
    addresses: {
      http: `http://${config.http.host.includes(':') ? `[${config.http.host}]` : config.http.host}:${port}`,
    },
    stop() {
      stopping ??= (async () => {
        clearInterval(tick)
        clearInterval(beat)
        events.stop()
        await Promise.all([feed.stop(), app.close(), history.stop()])
      })()
      return stopping
    },
  }
}

const healthOf = (live: Live, storeAvailable: boolean, viewers: number, now: number): Health => {
  const { feed, register } = live.presence
  const downMs = feed.up ? 0 : now - feed.since
  return {
    ok: downMs < FEED_LOST_MAX_MS,
    ready: feed.up && storeAvailable,
    details: {
      feedConnected: feed.up,
      feedLostMs: downMs,
      lastStatusAgeMs: feed.heardAt === null ? null : now - feed.heardAt,
      storeAvailable,
      shops: register.shops.length,
      machines: register.shops.reduce((sum, shop) => sum + shop.machines.length, 0),
      viewers,
    },
  }
}

const rfc3339 = (ms: number): string => new Date(ms).toISOString()
