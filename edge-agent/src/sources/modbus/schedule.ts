import type { ReadFailure, Value } from '../source.ts'
import { decodeField } from './decode.ts'
import { type Demand, smoothed, stretches } from './duty.ts'
import { type Learning, learn, learnRetry, planPoll, startLearning } from './learning.ts'
import type { PlanLimits, PlannedRequest } from './plan.ts'
import { dataOctets, hasBits, type ReadRequest } from './protocol.ts'
import type { Field } from './types.ts'
import {
  afterAnswer,
  afterFailure,
  FAILS_FOR_GOOD,
  HEALTHY,
  type Pace,
  patienceMs,
  type UnitHealth,
} from './unit-health.ts'

/** One machine on a bus. */
export interface Station {
  readonly id: string
  readonly unit: number
  readonly pollMs: number
  readonly timeoutMs: number
  readonly limits: PlanLimits
  readonly fields: readonly Field[]
}

/** What came of one request. */
export type ReadResult =
  | { readonly ok: true; readonly data: Uint8Array }
  /** `exception`: the code with which the unit refused. `line`: nobody was asked, as there is no connection. */
  | { readonly ok: false; readonly failure: ReadFailure; readonly exception?: number; readonly line?: boolean }

/** The next question of the bus. It must be settled before the next one is asked for. */
export interface Turn {
  readonly station: string
  readonly unit: number
  readonly request: ReadRequest
  readonly timeoutMs: number
  readonly askedAt: number
}

export type Outcome =
  | { readonly type: 'reading'; readonly station: string; readonly values: { readonly [signal: string]: Value } }
  | { readonly type: 'failure'; readonly station: string; readonly failure: ReadFailure }
  /** From now on it is polled this often. */
  | { readonly type: 'period'; readonly station: string; readonly periodMs: number }

/** Who is asked what and when, on one bus. No I/O in it; `now` is monotonic milliseconds. */
export interface Schedule {
  /** The next question, or how long there is none. */
  next(now: number): { readonly outcomes: Outcome[]; readonly turn: Turn | undefined; readonly wakeAt: number }
  settle(turn: Turn, result: ReadResult, now: number): Outcome[]
}

export interface ScheduleOptions {
  readonly stations: readonly Station[]
  /** The bus may be busy for this part of the time, 0 to 1. */
  readonly dutyMax: number
  /** Silence between two exchanges. */
  readonly gapMs: number
  /** Answers have no number (RTU): after a failure, what comes might be late. */
  readonly unnumbered: boolean
  /** What an exchange takes on the line itself, on top of the unit's own time. */
  readonly lineMs: (request: ReadRequest) => number
  readonly random: () => number
  readonly pace: Pace
}

interface Entry {
  readonly station: Station
  dueAt: number
  stretch: number
  wireMs: number | undefined
  learning: Learning
  poll: Poll | undefined
  /** For each rate, the slot from which on its fields are due. */
  readonly dueSlots: Map<number, number>
}

/** One round of a machine's requests. Its values are of one time, so it is a reading when all of them came, or none. */
interface Poll {
  readonly slot: number
  readonly begunAt: number
  readonly due: readonly Field[]
  /** A question whose answer cannot be taken for that of any before; its own is not looked at. */
  probe: ReadRequest | undefined
  readonly queue: PlannedRequest[]
  retry: PlannedRequest | undefined
  readonly values: { [signal: string]: Value }
  readonly good: PlannedRequest[]
  readonly refused: PlannedRequest[]
  lastRefusal: ReadFailure | undefined
  wireMs: number
}

interface Unit {
  health: UnitHealth
  /** Larger is later: who was served last. */
  served: number
  /** Octets of data in the answers that it may still owe; empty: none. */
  owed: number[]
}

/** Illegal function, address, value, and device failure, which some say instead: it does not have what was asked for. */
const REFUSALS = [1, 2, 3, 4]
/** A unit that fails waits for the others, but not for ever. */
const YIELD_MAX_MS = 5_000
const OWED_MAX = 4
/** Beyond every count of turns. */
const LAST = 2 ** 50
/** A period that changed by less is not worth telling. */
const PERIOD_STEP = 0.1

export const createSchedule = (options: ScheduleOptions): Schedule => {
  const { stations, dutyMax, gapMs, unnumbered, lineMs, random, pace } = options
  const units = new Map<number, Unit>(stations.map(({ unit }) => [unit, { health: HEALTHY, served: 0, owed: [] }]))
  const unitOf = ({ station }: Entry): Unit => units.get(station.unit) as Unit
  let entries: ReadonlyMap<string, Entry> | undefined
  let startedAt = 0
  let freeAt = 0
  let turns = 0

  const start = (now: number): ReadonlyMap<string, Entry> => {
    startedAt = now
    return new Map(
      stations.map(station => [
        station.id,
        {
          ...{ station, dueAt: now, stretch: 1, wireMs: undefined, poll: undefined },
          learning: startLearning(now),
          dueSlots: new Map(station.fields.map(({ every }) => [every, 0])),
        },
      ]),
    )
  }

  /** Slots are counted from the start, so that no late answer shifts those that follow; missed ones are left out. */
  const beginPoll = (entry: Entry, now: number): Outcome[] => {
    const { station, dueSlots } = entry
    const periodMs = station.pollMs * entry.stretch
    const slot = Math.round((entry.dueAt - startedAt) / station.pollMs)
    entry.dueAt += periodMs * (Math.floor((now - entry.dueAt) / periodMs) + 1)
    if (entry.poll !== undefined) return []
    const { health, owed } = unitOf(entry)
    if (now < health.retryAt) return [failed(entry, health.last as ReadFailure)]
    const due = station.fields.filter(({ every }) => slot >= (dueSlots.get(every) as number))
    const { requests, retry } = planPoll(entry.learning, due, station.limits, now)
    if (requests.length === 0) return [failed(entry, NOTHING_LEFT)]
    entry.poll = {
      ...{ slot, begunAt: now, due, queue: requests, retry },
      ...{ values: {}, good: [], refused: [], lastRefusal: undefined, wireMs: 0 },
      probe: owed.length === 0 ? undefined : probeFor(requests, owed),
    }
    return []
  }

  const choose = (now: number): Entry | undefined => {
    const rank = (entry: Entry): number => {
      const yields = unitOf(entry).health.failures > 0 && now - (entry.poll as Poll).begunAt < YIELD_MAX_MS
      return (yields ? LAST : 0) + unitOf(entry).served
    }
    return [...(entries as ReadonlyMap<string, Entry>).values()]
      .filter(({ poll }) => poll !== undefined)
      .reduce<Entry | undefined>((best, one) => (best === undefined || rank(one) < rank(best) ? one : best), undefined)
  }

  const endPoll = (entry: Entry, poll: Poll, now: number): Outcome[] => {
    entry.poll = undefined
    entry.learning = learn(entry.learning, poll, entry.station.fields, entry.station.limits, now)
    const { refused } = entry.learning
    if (poll.good.length === 0) {
      const failure = poll.lastRefusal ?? NOTHING_LEFT
      const unit = unitOf(entry)
      unit.health = afterFailure(unit.health, failure, now, random, pace)
      return [failed(entry, failure)]
    }
    const changes = spread(entry, poll)
    const known = poll.refused.every(({ fields }) => fields.every(field => refused.includes(field)))
    if (!known) return [failed(entry, poll.lastRefusal as ReadFailure), ...changes]
    for (const every of entry.dueSlots.keys()) {
      if (poll.due.some(field => field.every === every))
        entry.dueSlots.set(every, poll.slot - (poll.slot % every) + every)
    }
    const values = Object.fromEntries(poll.due.map(({ name }) => [name, poll.values[name] ?? null]))
    return [{ type: 'reading', station: entry.station.id, values }, ...changes]
  }

  /** When a machine answers slower than the bus can bear, it is asked less often. */
  const spread = (entry: Entry, poll: Poll): Outcome[] => {
    entry.wireMs = smoothed(entry.wireMs, poll.wireMs)
    const all = [...(entries as ReadonlyMap<string, Entry>).values()]
    const demands = all.map((one): Demand => {
      const alive = unitOf(one).health.failures === 0
      return { wireMs: alive ? (one.wireMs ?? 0) : 0, pollMs: one.station.pollMs }
    })
    const next = stretches(demands, dutyMax)
    return all.flatMap((one, index): Outcome[] => {
      const stretch = next[index] as number
      const told = Math.abs(stretch - one.stretch) > PERIOD_STEP || (stretch === 1) !== (one.stretch === 1)
      if (!told) return []
      one.stretch = stretch
      return [{ type: 'period', station: one.station.id, periodMs: Math.round(one.station.pollMs * stretch) }]
    })
  }

  const giveUp = (
    entry: Entry,
    result: Extract<ReadResult, { ok: false }>,
    request: ReadRequest,
    now: number,
  ): Outcome[] => {
    entry.poll = undefined
    const unit = unitOf(entry)
    if (result.line !== true) {
      unit.health = afterFailure(unit.health, result.failure, now, random, pace)
      if (unnumbered && result.exception === undefined) unit.owed = [...unit.owed, dataOctets(request)].slice(-OWED_MAX)
    }
    return [failed(entry, result.failure)]
  }

  return {
    next(now) {
      entries ??= start(now)
      const all = [...entries.values()]
      const outcomes = all.flatMap(entry => (entry.dueAt <= now ? beginPoll(entry, now) : []))
      for (const entry of all) {
        const { health } = unitOf(entry)
        if (entry.poll === undefined || now >= health.retryAt) continue
        // Another machine behind the same unit has just found it dead.
        entry.poll = undefined
        outcomes.push(failed(entry, health.last as ReadFailure))
      }
      const entry = choose(now)
      const wakeAt = Math.min(...all.map(({ dueAt }) => dueAt))
      if (entry === undefined) return { outcomes, turn: undefined, wakeAt }
      if (now < freeAt) return { outcomes, turn: undefined, wakeAt: Math.min(wakeAt, freeAt) }
      const unit = unitOf(entry)
      unit.served = ++turns
      const { probe, queue, retry } = entry.poll as Poll
      const request = (probe ?? queue[0] ?? retry) as ReadRequest
      const dead = [...units.values()].filter(({ health }) => health.failures >= FAILS_FOR_GOOD).length
      const timeoutMs = patienceMs(unit.health, entry.station.timeoutMs, dead, pace) + lineMs(request)
      const { id, unit: number } = entry.station
      return { outcomes, turn: { station: id, unit: number, request, timeoutMs, askedAt: now }, wakeAt }
    },

    settle(turn, result, now) {
      freeAt = now + gapMs
      const entry = entries?.get(turn.station) as Entry
      const poll = entry.poll as Poll
      const unit = unitOf(entry)
      const refused = !result.ok && result.exception !== undefined && REFUSALS.includes(result.exception)
      if (!result.ok && !refused) return giveUp(entry, result, turn.request, now)
      poll.wireMs += now - turn.askedAt
      // It answers in turn: after the answer to this question no earlier one can come.
      unit.owed = []
      if (poll.probe !== undefined) {
        poll.probe = undefined
        return []
      }
      if (result.ok) unit.health = afterAnswer(unit.health, now - turn.askedAt)
      const request = poll.queue.shift()
      if (request === undefined) {
        poll.retry = undefined
        entry.learning = learnRetry(entry.learning, result.ok, now)
      } else if (result.ok) {
        poll.good.push(request)
        for (const field of request.fields) poll.values[field.name] = decodeField(field, request, result.data)
      } else {
        poll.refused.push(request)
        poll.lastRefusal = result.failure
      }
      return poll.queue.length > 0 || poll.retry !== undefined ? [] : endPoll(entry, poll, now)
    },
  }
}

const NOTHING_LEFT: ReadFailure = { kind: 'exception', message: 'it refuses everything that is due' }

const failed = ({ station }: Entry, failure: ReadFailure): Outcome => ({
  type: 'failure',
  station: station.id,
  failure,
})

/** A small question whose answer has another length than all that may still come and all that will be asked next. */
const probeFor = (requests: readonly PlannedRequest[], owed: readonly number[]): ReadRequest => {
  const { area, address } = requests[0] as PlannedRequest
  const taken = new Set([...owed, ...requests.map(dataOctets)])
  let count = 1
  while (taken.has(dataOctets({ area, address, count }))) count += hasBits(area) ? 8 : 1
  return { area, address: Math.min(address, 0x1_0000 - count), count }
}
