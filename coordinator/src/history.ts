import { isKnown, messageOf, NakamaError } from '@nakama/contract'
import type { Log } from '@nakama/service'
import type { CurrentState, StateInterval, StoreReader, TimeRange } from '@nakama/store'
import { addSpent, cut, DAY_MS, HOUR_MS, observedByMachine, type Spent, sumRollups, wholeHours } from './capacity.ts'
import { machineKey } from './register.ts'

/** The past, from the store. The store may come later than we do, or go away: then this says so and the present goes on. */
export interface History {
  /** False while the store cannot be opened. */
  readonly available: boolean
  /** @throws NakamaError `COORDINATOR_STORE_UNAVAILABLE` */
  timeline(shop: string, machine: string, range: TimeRange): Promise<StateInterval[]>
  /**
   * Time per state of all machines, over whole hours (see `wholeHours`). Up to a minute old; an hour, for days long past.
   * @throws NakamaError `COORDINATOR_STORE_UNAVAILABLE`, `COORDINATOR_OVERLOADED`
   */
  spent(range: TimeRange): Promise<Spent>
  stop(): Promise<void>
}

export interface HistoryOptions {
  readonly open: () => Promise<StoreReader>
  /** The store was opened, or replaced by another. */
  readonly onOpen: (states: readonly CurrentState[]) => void
  /** Each minute: the known share of the last 24 h, by `machineKey`. */
  readonly onObserved: (shares: ReadonlyMap<string, number>) => void
  readonly now: () => number
  readonly log: Log
  readonly retryMs?: number
  readonly renewMs?: number
}

const RENEW_MS = 60_000
const ANSWER_MAX_MS = 10_000
/** Questions over all machines that may wait for their turn. */
const WAITING_MAX = 16
const QUESTION_MS = 6 * HOUR_MS
/** A day of the whole plan's network is half a megabyte here. */
const CACHED_MAX = 64
const FRESH_MS = 60_000
/** History that arrives late by more than this is seen up to an hour later. */
const SETTLED_AFTER_MS = 2 * DAY_MS
const SETTLED_FRESH_MS = 3_600_000

/** Returns at once; opens the store in the background and tries on until it can. */
export const openHistory = (options: HistoryOptions): History => {
  const { now, log, retryMs = 2_000, renewMs = RENEW_MS } = options
  const cache = new Map<string, { at: number; spent: Promise<Spent> }>()
  let reader: StoreReader | undefined
  let known: string | undefined
  let stopped = false
  let warned = false
  let waiting = 0
  let lastTurn: Promise<unknown> = Promise.resolve()

  const ask = async <T>(question: (store: StoreReader) => Promise<T>): Promise<T> => {
    if (reader === undefined) throw unavailable('not there yet')
    try {
      return await within(ANSWER_MAX_MS, question(reader))
    } catch (error) {
      throw unavailable(messageOf(error), error)
    }
  }

  /** Hours of all machines are many rows: never more of them in memory than of one question. */
  const askInTurn = (range: TimeRange): Promise<Spent> => {
    const mine = lastTurn.then(async () => {
      const parts: Spent[] = []
      for (const part of cut(range, QUESTION_MS)) {
        parts.push(sumRollups(await ask(store => store.rollups({ ...part, resolution: 'hour' }))))
      }
      return addSpent(parts)
    })
    lastTurn = mine.catch(() => {})
    return mine
  }

  const spentOfDay = (range: TimeRange): Promise<Spent> => {
    const key = `${range.from}-${Math.ceil(range.to / HOUR_MS)}`
    const cached = cache.get(key)
    const freshMs = now() - range.to > SETTLED_AFTER_MS ? SETTLED_FRESH_MS : FRESH_MS
    if (cached !== undefined && now() - cached.at < freshMs) return cached.spent
    const entry = { at: now(), spent: askInTurn(range) }
    cache.delete(key)
    cache.set(key, entry)
    entry.spent.catch(() => cache.get(key) === entry && cache.delete(key))
    for (const oldest of cache.keys()) if (cache.size > CACHED_MAX) cache.delete(oldest)
    return entry.spent
  }

  const spentOf = async (range: TimeRange): Promise<Spent> => {
    const days: Spent[] = []
    for (const day of cut(range, DAY_MS)) days.push(await spentOfDay(day))
    return addSpent(days)
  }

  const spent = async (range: TimeRange): Promise<Spent> => {
    if (waiting >= WAITING_MAX) {
      throw new NakamaError('COORDINATOR_OVERLOADED', `${waiting} questions like this wait already; try again`)
    }
    waiting++
    try {
      return await spentOf(range)
    } finally {
      waiting--
    }
  }

  const letGo = async (): Promise<void> => {
    const mine = reader
    reader = undefined
    known = undefined
    cache.clear()
    await mine?.close().catch(error => log.warn({ err: error }, 'store not closed cleanly'))
  }

  const work = async (): Promise<void> => {
    try {
      reader ??= await options.open()
      if (stopped) return
      if (reader.id !== known) {
        // The reader goes over to a new store by itself; what we remember is of the old one.
        cache.clear()
        options.onOpen(await ask(store => store.currentStates()))
        known = reader.id
        log.info({ store: known }, 'store opened')
      }
      const range = wholeHours({ from: now() - DAY_MS, to: now() }, now())
      options.onObserved(observedByMachine(await spentOf(range), range))
      warned = false
    } catch (error) {
      if (!warned) log.warn({ err: error, code: 'COORDINATOR_STORE_UNAVAILABLE' }, 'store cannot be read; trying on')
      warned = true
      await letGo()
    }
  }

  let timer: NodeJS.Timeout | undefined
  let working: Promise<void>
  const workOn = (): void => {
    working = work().then(() => {
      if (!stopped) timer = setTimeout(workOn, reader === undefined ? retryMs : renewMs)
    })
  }
  workOn()

  return {
    get available() {
      return reader !== undefined
    },
    timeline: (shop, machine, range) => ask(store => store.timeline({ shop, machine, ...range })),
    spent,
    async stop() {
      stopped = true
      clearTimeout(timer)
      // Whatever still waits for an answer fails; what was just being opened is closed after it.
      await letGo()
      await working
      await letGo()
    },
  }
}

/** When anything was last known of each machine, by `machineKey`. */
export const lastKnownOf = (states: readonly CurrentState[]): Map<string, number> =>
  new Map(
    states.map(({ series, code, since, to }) => [machineKey(series.shop, series.machine), isKnown(code) ? to : since]),
  )

const within = async <T>(ms: number, work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

const unavailable = (why: string, cause?: unknown): NakamaError =>
  new NakamaError('COORDINATOR_STORE_UNAVAILABLE', `the store cannot be read: ${why}; what is shown of now is right`, {
    retryable: true,
    cause,
  })
