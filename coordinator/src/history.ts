import { messageOf, NakamaError } from '@nakama/contract'
import type { Log } from '@nakama/service'
import type { CurrentState, Rollup, StateInterval, StoreReader, TimeRange } from '@nakama/store'
import { HOUR_MS, observedByMachine, wholeHours } from './capacity.ts'

/** The past, from the store. The store may come later than we do, or go away: then this says so and the present goes on. */
export interface History {
  /** False until the store could be opened. */
  readonly available: boolean
  /** @throws NakamaError `COORDINATOR_STORE_UNAVAILABLE` */
  timeline(shop: string, machine: string, range: TimeRange): Promise<StateInterval[]>
  /** Hourly, of all machines, for whole hours; the same hours asked again within a minute cost nothing. Throws as above. */
  hours(range: TimeRange): Promise<readonly Rollup[]>
  /** Known share of the last 24 h by `shop/machine`, renewed each minute; empty while there is no store. */
  readonly observed: ReadonlyMap<string, number>
  stop(): Promise<void>
}

export interface HistoryOptions {
  readonly open: () => StoreReader | Promise<StoreReader>
  /** Called once, when the store was opened. */
  readonly onOpen: (states: readonly CurrentState[]) => void
  readonly now: () => number
  readonly log: Log
  readonly retryMs?: number
}

const CACHE_MS = 60_000
const CACHE_ENTRIES = 8
const DAY_MS = 24 * HOUR_MS

/** Returns at once; opens the store in the background and tries on until it can. */
export const openHistory = (options: HistoryOptions): History => {
  const { now, log, retryMs = 2_000 } = options
  const cache = new Map<string, { at: number; rollups: Promise<readonly Rollup[]> }>()
  let reader: StoreReader | undefined
  let observed: ReadonlyMap<string, number> = new Map()
  let stopped = false
  let warned = false
  let timer: NodeJS.Timeout | undefined

  const ask = async <T>(question: (store: StoreReader) => Promise<T>): Promise<T> => {
    if (reader === undefined) throw unavailable('not there yet')
    try {
      return await question(reader)
    } catch (error) {
      throw unavailable(messageOf(error), error)
    }
  }

  const hours = (range: TimeRange): Promise<readonly Rollup[]> => {
    const key = `${range.from}-${Math.ceil(range.to / HOUR_MS)}`
    const cached = cache.get(key)
    if (cached !== undefined && now() - cached.at < CACHE_MS) return cached.rollups
    const rollups = ask(store => store.rollups({ ...range, resolution: 'hour' }))
    cache.delete(key)
    cache.set(key, { at: now(), rollups })
    rollups.catch(() => cache.delete(key))
    for (const oldest of cache.keys()) if (cache.size > CACHE_ENTRIES) cache.delete(oldest)
    return rollups
  }

  const renew = async (): Promise<void> => {
    const range = wholeHours({ from: now() - DAY_MS, to: now() }, now())
    observed = observedByMachine(await hours(range), range)
  }

  const open = async (): Promise<void> => {
    const opened = await options.open()
    if (stopped) return opened.close()
    reader = opened
    log.info({ store: opened.id }, 'store opened')
    options.onOpen(await opened.currentStates())
  }

  const work = async (): Promise<void> => {
    try {
      if (reader === undefined) await open()
      if (reader !== undefined) await renew()
      warned = false
    } catch (error) {
      if (!warned) log.warn({ err: error, code: 'COORDINATOR_STORE_UNAVAILABLE' }, 'store cannot be read; trying on')
      warned = true
    }
    if (!stopped) timer = setTimeout(work, reader === undefined ? retryMs : CACHE_MS)
  }

  const working = work()
  return {
    get available() {
      return reader !== undefined
    },
    get observed() {
      return observed
    },
    timeline: (shop, machine, range) => ask(store => store.timeline({ shop, machine, ...range })),
    hours,
    async stop() {
      stopped = true
      clearTimeout(timer)
      await working.catch(() => {})
      await reader?.close()
    },
  }
}

const unavailable = (why: string, cause?: unknown): NakamaError =>
  new NakamaError(
    'COORDINATOR_STORE_UNAVAILABLE',
    `the store cannot be read: ${why}; what is shown of now is not affected`,
    {
      retryable: true,
      cause,
    },
  )
