import { isKnown, type StateCode } from '@nakama/contract'
import type { StateInterval, TimeRange } from '@nakama/store'

export interface Stretch extends TimeRange {
  readonly state: StateCode
  /** Not yet confirmed by the agent's own record: made by ingest, or drawn on from the live status. */
  readonly provisional: boolean
}

/** What is known now, from the live status. `until`: up to when it may be drawn on (now, or when our feed was lost). */
export interface LiveState {
  readonly state: StateCode
  readonly since: number | null
  readonly until: number
}

/**
 * A machine's day without holes: what the store has, after it the live status, and OFFLINE wherever nobody ever said
 * anything. Neighbours of the same state are one stretch. Nothing is said of the future: the last stretch ends at `to` or now.
 *
 * @param stored ascending, not overlapping, as `StoreReader.timeline` answers.
 */
export const fillTimeline = (
  stored: readonly StateInterval[],
  range: TimeRange,
  live: LiveState,
  now: number,
): Stretch[] => {
  const end = Math.min(range.to, now)
  const stretches: Stretch[] = []
  let known = range.from
  const add = (from: number, to: number, state: StateCode, provisional: boolean): void => {
    if (to <= from) return
    const last = stretches.at(-1)
    if (last !== undefined && last.state === state && last.provisional === provisional) {
      stretches[stretches.length - 1] = { ...last, to }
    } else stretches.push({ from, to, state, provisional })
  }
  const advance = (from: number, to: number, state: StateCode, provisional: boolean): void => {
    const start = Math.min(Math.max(from, known), end)
    add(known, start, 'OFFLINE', false)
    const stop = Math.min(Math.max(to, start), end)
    add(start, stop, state, provisional)
    known = Math.max(known, stop)
  }
  for (const interval of stored) advance(interval.from, interval.to, interval.code, interval.provisional)
  if (isKnown(live.state) && live.since !== null) advance(Math.max(live.since, known), live.until, live.state, true)
  add(known, end, 'OFFLINE', false)
  return stretches
}

/** The known share of a timeline, 0 to 1; null when it has no length. */
export const observedShare = (stretches: readonly Stretch[]): number | null => {
  const length = stretches.reduce((sum, { from, to }) => sum + to - from, 0)
  const known = stretches.reduce((sum, { from, to, state }) => sum + (isKnown(state) ? to - from : 0), 0)
  return length === 0 ? null : known / length
}
