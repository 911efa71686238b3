import type { StateCode } from '@nakama/contract'
import type { MinutesByState, StateInterval, TimeRange } from '@nakama/store'

export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000

export const minuteOf = (time: number): number => time - (time % MINUTE_MS)
export const hourOf = (time: number): number => time - (time % HOUR_MS)

/** Starts of the UTC hours that a range touches. */
export const hoursOf = ({ from, to }: TimeRange): number[] => {
  const hours: number[] = []
  for (let hour = hourOf(from); hour < to; hour += HOUR_MS) hours.push(hour)
  return hours
}

/**
 * Milliseconds per state and minute of one hour, from its intervals alone: recomputed, never incremented. A time of which
 * nothing is known counts nowhere.
 */
export const rollUp = (intervals: readonly StateInterval[], hour: number): MinutesByState => {
  const minutes: { [code in StateCode]?: number[] } = {}
  for (const { from, to, code } of intervals) {
    const end = Math.min(to, hour + HOUR_MS)
    for (let at = Math.max(from, hour); at < end; ) {
      const next = Math.min(end, minuteOf(at) + MINUTE_MS)
      minutes[code] ??= Array<number>(60).fill(0)
      minutes[code][(minuteOf(at) - hour) / MINUTE_MS]! += next - at
      at = next
    }
  }
  return minutes
}
