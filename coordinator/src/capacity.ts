import { isKnown, STATE_CODES, type StateCode } from '@nakama/contract'
import type { Rollup, TimeRange } from '@nakama/store'
import { machineKey } from './register.ts'

export interface GroupedMachine {
  readonly shop: string
  readonly machine: string
  /** A kind or an area. */
  readonly group: string
  readonly state: StateCode
  readonly free: boolean
}

export interface GroupCapacity {
  readonly group: string
  readonly machines: number
  readonly idleNow: number
  readonly takingNow: number
  readonly hours: StateTimes
  readonly idleHours: number
  readonly utilisation: number | null
  readonly observed: number | null
}

type StateTimes = { readonly [code in StateCode]: number }

/** Milliseconds per state of each machine, by `machineKey`. */
export type Spent = ReadonlyMap<string, StateTimes>

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

/** Whole UTC hours around a range, as far as they have passed: rollups know nothing finer. */
export const wholeHours = ({ from, to }: TimeRange, now: number): TimeRange => ({
  from: Math.floor(from / HOUR_MS) * HOUR_MS,
  to: Math.min(Math.ceil(to / HOUR_MS) * HOUR_MS, now),
})

/** The range cut at UTC midnights, so that no single question is about more than a day. */
export const daysOf = ({ from, to }: TimeRange): TimeRange[] => {
  const days: TimeRange[] = []
  for (let start = from; start < to; ) {
    const end = Math.min((Math.floor(start / DAY_MS) + 1) * DAY_MS, to)
    days.push({ from: start, to: end })
    start = end
  }
  return days
}

export const sumRollups = (rollups: readonly Rollup[]): Spent =>
  sumByKey(rollups.map(({ series, stateMs }) => [machineKey(series.shop, series.machine), stateMs] as const))

export const addSpent = (parts: readonly Spent[]): Spent => sumByKey(parts.flatMap(part => [...part]))

/**
 * Time per group, in order of the machines' first appearance.
 *
 * Time of which nothing is known is OFFLINE: OFFLINE = machines × length of the range − known time, so that a missing
 * rollup can never look like idleness.
 */
export const capacity = (machines: readonly GroupedMachine[], spent: Spent, range: TimeRange): GroupCapacity[] =>
  [...Map.groupBy(machines, machine => machine.group)].map(([group, members]) => {
    const totalMs = members.length * (range.to - range.from)
    const ms = members
      .map(({ shop, machine }) => spent.get(machineKey(shop, machine)) ?? NO_TIME)
      .reduce(addTimes, NO_TIME)
    const knownMs = knownTime(ms)
    const hours = mapTimes({ ...ms, OFFLINE: Math.max(0, totalMs - knownMs) }, toHours)
    return {
      group,
      machines: members.length,
      idleNow: members.filter(({ state }) => state === 'IDLE').length,
      takingNow: members.filter(({ free }) => free).length,
      hours,
      idleHours: hours.IDLE,
      utilisation: share(ms.RUNNING, knownMs),
      observed: share(knownMs, totalMs),
    }
  })

/** The known share of each machine's time in the range; a machine of which nothing is stored is not in it. */
export const observedByMachine = (spent: Spent, range: TimeRange): Map<string, number> =>
  new Map([...spent].map(([key, times]) => [key, share(knownTime(times), range.to - range.from) ?? 0]))

/** Adds up in place: a day of a whole ward is many rows. */
const sumByKey = (rows: readonly (readonly [string, StateTimes])[]): Map<string, StateTimes> => {
  const sums = new Map<string, { -readonly [code in StateCode]: number }>()
  for (const [key, times] of rows) {
    const sum = sums.get(key)
    if (sum === undefined) sums.set(key, { ...times })
    else for (const code of STATE_CODES) sum[code] += times[code]
  }
  return sums
}

const NO_TIME = Object.fromEntries(STATE_CODES.map(code => [code, 0])) as StateTimes

const addTimes = (a: StateTimes, b: StateTimes): StateTimes => mapTimes(a, (ms, code) => ms + b[code])

const mapTimes = (times: StateTimes, change: (value: number, code: StateCode) => number): StateTimes =>
  Object.fromEntries(STATE_CODES.map(code => [code, change(times[code], code)])) as StateTimes

const knownTime = (times: StateTimes): number => STATE_CODES.filter(isKnown).reduce((sum, code) => sum + times[code], 0)

const toHours = (ms: number): number => Math.round((ms / HOUR_MS) * 1000) / 1000

const share = (part: number, whole: number): number | null =>
  whole <= 0 ? null : Math.round(Math.min(1, part / whole) * 10_000) / 10_000
