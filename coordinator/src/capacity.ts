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

/** The range in pieces that end at whole multiples of `everyMs`: at UTC midnights, for `DAY_MS`. */
export const cut = ({ from, to }: TimeRange, everyMs: number): TimeRange[] => {
  const pieces: TimeRange[] = []
  for (let start = from; start < to; ) {
    const end = Math.min((Math.floor(start / everyMs) + 1) * everyMs, to)
    pieces.push({ from: start, to: end })
    start = end
  }
  return pieces
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
export const capacity = (machines: readonly GroupedMachine[], spent: Spent, range: TimeRange): GroupCapacity[] => {
  const timesOf = ({ shop, machine }: GroupedMachine): StateTimes => spent.get(machineKey(shop, machine)) ?? NO_TIME
  const sums = sumByKey(machines.map(machine => [machine.group, timesOf(machine)] as const))
  return [...Map.groupBy(machines, machine => machine.group)].map(([group, members]) => {
    const ms = sums.get(group) ?? NO_TIME
    const totalMs = members.length * (range.to - range.from)
    const knownMs = knownTime(ms)
    const hours = toHours({ ...ms, OFFLINE: Math.max(0, totalMs - knownMs) })
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
}

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

const knownTime = (times: StateTimes): number => STATE_CODES.filter(isKnown).reduce((sum, code) => sum + times[code], 0)

const toHours = (ms: StateTimes): StateTimes =>
  Object.fromEntries(STATE_CODES.map(code => [code, Math.round((ms[code] / HOUR_MS) * 1000) / 1000])) as StateTimes

const share = (part: number, whole: number): number | null =>
  whole <= 0 ? null : Math.round(Math.min(1, part / whole) * 10_000) / 10_000
