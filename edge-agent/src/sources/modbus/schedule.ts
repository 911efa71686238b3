import type { ReadFailure } from '../source.ts'
import { type Demand, smoothed, stretches } from './duty.ts'
import { type Learning, learn, learnRetry, planPoll, startLearning } from './learning.ts'
import { isAnswer, isOver, type Poll, questionOf, shapeOf, startPoll, takeAnswer, valuesOf } from './poll.ts'
import type { ReadRequest } from './protocol.ts'
import type { Outcome, ReadResult, Station, Turn } from './station.ts'
import {
  afterAnswer,
  afterFailure,
  FAILS_FOR_GOOD,
  HEALTHY,
  type Pace,
  patienceMs,
  type UnitHealth,
} from './unit-health.ts'

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
  /** Larger is later: who was served last. */
  served: number
  /** For each rate, the slot from which on its fields are due. */
  readonly dueSlots: Map<number, number>
}

interface Unit {
  health: UnitHealth
  served: number
  /** Shapes of the answers that it may still owe; empty: none. */
  owed: string[]
}

/** A unit that fails waits for the others, but not for ever. */
const YIELD_MAX_MS = 5_000
const OWED_MAX = 4
/** A period that changed by less is not worth telling. */
const PERIOD_STEP = 0.1

export const createSchedule = (options: ScheduleOptions): Schedule => {
  const { stations, dutyMax, gapMs, unnumbered, lineMs, random } = options
  const units = new Map<number, Unit>(stations.map(({ unit }) => [unit, { health: HEALTHY, served: 0, owed: [] }]))
  // A unit that is alone on its bus costs nobody else a timeout: it is looked for as often as a connection.
  const pace = units.size > 1 ? options.pace : { ...options.pace, pauseMaxMs: options.pace.reconnectMaxMs }
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
          ...{ station, dueAt: now, stretch: 1, wireMs: undefined, poll: undefined, served: 0 },
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
    entry.poll = startPoll(due, { requests, retry }, owed, station.limits, { slot, begunAt: now })
    return []
  }

  /** Whoever was served least recently: first by unit, then by machine. Those that fail wait for those that answer. */
  const choose = (now: number): Entry | undefined => {
    const yields = (entry: Entry): boolean =>
      unitOf(entry).health.failures > 0 && now - (entry.poll as Poll).begunAt < YIELD_MAX_MS
    return [...(entries as ReadonlyMap<string, Entry>).values()]
      .filter(({ poll }) => poll !== undefined)
      .toSorted(
        (a, b) => Number(yields(a)) - Number(yields(b)) || unitOf(a).served - unitOf(b).served || a.served - b.served,
      )[0]
  }

  const endPoll = (entry: Entry, poll: Poll, now: number): Outcome[] => {
    entry.poll = undefined
    entry.learning = learn(entry.learning, poll, entry.station.fields, entry.station.limits, now)
    const { refused } = entry.learning
    if (poll.good.length === 0) {
      const failure = poll.refusal ?? NOTHING_LEFT
      const unit = unitOf(entry)
      unit.health = afterFailure(unit.health, failure, now, random, pace)
      return [failed(entry, failure)]
    }
    const changes = spread(entry, poll)
    const known = poll.refused.every(({ fields }) => fields.every(field => refused.includes(field)))
    if (!known) return [failed(entry, poll.refusal as ReadFailure), ...changes]
    for (const every of entry.dueSlots.keys()) {
      if (poll.due.some(field => field.every === every))
        entry.dueSlots.set(every, poll.slot - (poll.slot % every) + every)
    }
    return [{ type: 'reading', station: entry.station.id, values: valuesOf(poll) }, ...changes]
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
      if (unnumbered && result.exception === undefined) unit.owed = [...unit.owed, shapeOf(request)].slice(-OWED_MAX)
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
      turns++
      unit.served = turns
      entry.served = turns
      const request = questionOf(entry.poll as Poll)
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
      if (!result.ok && !isAnswer(result)) return giveUp(entry, result, turn.request, now)
      const tookMs = now - turn.askedAt
      poll.wireMs += tookMs
      // It answers in turn: after the answer to this question no earlier one can come.
      unit.owed = []
      const was = takeAnswer(poll, result)
      if (result.ok && was !== 'probe') unit.health = afterAnswer(unit.health, tookMs)
      if (was === 'retry') entry.learning = learnRetry(entry.learning, result.ok, now)
      return isOver(poll) ? endPoll(entry, poll, now) : []
    },
  }
}

const NOTHING_LEFT: ReadFailure = { kind: 'exception', message: 'it refuses everything that is due' }

const failed = ({ station }: Entry, failure: ReadFailure): Outcome => ({
  type: 'failure',
  station: station.id,
  failure,
})
