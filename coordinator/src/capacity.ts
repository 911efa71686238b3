import { isKnown, STATE_CODES, type StateCode } from '@nakama/contract'
import type { Rollup, TimeRange } from '@nakama/store'

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
  readonly hours: { readonly [code in StateCode]: number }
  readonly idleHours: number
  readonly utilisation: number | null
  readonly observed: number | null
}

export const HOUR_MS = 3_600_000

/** Whole UTC hours around a range, as far as they have passed: rollups know nothing finer. */
export const wholeHours = ({ from, to }: TimeRange, now: number): TimeRange => ({
  from: Math.floor(from / HOUR_MS) * HOUR_MS,
  to: Math.min(Math.ceil(to / HOUR_MS) * HOUR_MS, now),
})

/**
 * Time per group from hourly rollups, in order of the machines' first appearance.
 *
 * Time of which no rollup knows anything is OFFLINE: OFFLINE = machines × length of the range − known time, so that a missing
 * rollup can never look like idleness.
 */
export const capacity = (
  machines: readonly GroupedMachine[],
  rollups: readonly Rollup[],
  range: TimeRange,
): GroupCapacity[] => {
  const spent = new Map<string, Map<StateCode, number>>()
  for (const { series, stateMs } of rollups) {
    const key = `${series.shop}/${series.machine}`
    const sums = spent.get(key) ?? new Map<StateCode, number>()
    for (const code of STATE_CODES) sums.set(code, (sums.get(code) ?? 0) + stateMs[code])
    spent.set(key, sums)
  }
  const groups = Map.groupBy(machines, machine => machine.group)
  return [...groups].map(([group, members]) => ({ group, ...sum(members, spent, range) }))
}

/** The known share of each machine's time in the range, by `shop/machine`; a machine without a rollup is not in it. */
export const observedByMachine = (rollups: readonly Rollup[], range: TimeRange): Map<string, number> => {
  const known = new Map<string, number>()
  for (const { series, stateMs } of rollups) {
    const key = `${series.shop}/${series.machine}`
    const ms = STATE_CODES.filter(isKnown).reduce((sum, code) => sum + stateMs[code], 0)
    known.set(key, (known.get(key) ?? 0) + ms)
  }
  const length = range.to - range.from
  return new Map([...known].map(([key, ms]) => [key, share(ms, length) ?? 0]))
}

const sum = (
  members: readonly GroupedMachine[],
  spent: ReadonlyMap<string, ReadonlyMap<StateCode, number>>,
  range: TimeRange,
): Omit<GroupCapacity, 'group'> => {
  const totalMs = members.length * (range.to - range.from)
  const ms = Object.fromEntries(STATE_CODES.map(code => [code, 0])) as { [code in StateCode]: number }
  for (const { shop, machine } of members) {
    for (const [code, length] of spent.get(`${shop}/${machine}`) ?? []) ms[code] += length
  }
  const knownMs = STATE_CODES.filter(isKnown).reduce((total, code) => total + ms[code], 0)
  ms.OFFLINE = Math.max(0, totalMs - knownMs)
  const hours = Object.fromEntries(STATE_CODES.map(code => [code, toHours(ms[code])])) as GroupCapacity['hours']
  return {
    machines: members.length,
    idleNow: members.filter(({ state }) => state === 'IDLE').length,
    takingNow: members.filter(({ free }) => free).length,
    hours,
    idleHours: hours.IDLE,
    utilisation: share(ms.RUNNING, knownMs),
    observed: share(knownMs, totalMs),
  }
}

const toHours = (ms: number): number => Math.round((ms / HOUR_MS) * 1000) / 1000

const share = (part: number, whole: number): number | null =>
  whole <= 0 ? null : Math.round(Math.min(1, part / whole) * 10_000) / 10_000
