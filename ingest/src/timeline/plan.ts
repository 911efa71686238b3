import type { Series, StateInterval, StoreWrite, TimeRange } from '@nakama/store'
import { type Claim, difference, HOLD_MAX_MS, learn, presume } from './intervals.ts'
import { HOUR_MS, hourOf, hoursOf, rollUp } from './rollup.ts'

/** What is to be learnt of one machine. */
export interface Lesson {
  readonly series: Series
  readonly claims: readonly Claim[]
  /** From a live status or from silence; what of it lies before anything confirmed is left out. */
  readonly presumed?: Claim | undefined
}

/** The end of what the agent confirmed of a machine: from `since` to `to` it was in `code`. */
export interface Tail {
  readonly code: StateInterval['code']
  readonly since: number
  readonly to: number
}

export interface Plan {
  /** State intervals, then the rollup of every hour that was touched. */
  readonly writes: StoreWrite[]
  readonly tail: Tail | undefined
}

/**
 * The range that must be read from the store before `planLesson`: whole hours, with room on both sides for a held state.
 * Undefined when there is nothing to learn.
 */
export const rangeToRead = ({ claims, presumed }: Lesson): TimeRange | undefined => {
  const spans = presumed === undefined ? claims : [...claims, presumed]
  if (spans.length === 0) return undefined
  let from = Number.POSITIVE_INFINITY
  let to = 0
  for (const span of spans) {
    from = Math.min(from, span.from)
    to = Math.max(to, span.to)
  }
  const { from: first, to: last } = withMargin({ from, to })
  return { from: hourOf(first), to: hourOf(last - 1) + HOUR_MS }
}

/**
 * Turns what is to be learnt into what must be written. Rollups are of every hour that a claim touches, changed or not: a
 * former write of the same claims may have been cut off between the intervals and the rollups.
 *
 * @param known what the store has of `rangeToRead`.
 * @param tail of the machine before, when it is known.
 */
export const planLesson = (
  { series, claims, presumed }: Lesson,
  known: readonly StateInterval[],
  tail: Tail | undefined,
): Plan => {
  let after = learn(known, claims)
  const newTail = later(
    tail,
    after.findLast(interval => !interval.provisional),
  )
  const span = presumed === undefined ? undefined : behind(presumed, newTail)
  if (span !== undefined) after = presume(after, span)
  const changes = difference(known, after)
  const hours = new Set<number>()
  for (const span of [...claims.map(withMargin), ...changes]) for (const hour of hoursOf(span)) hours.add(hour)
  return {
    tail: newTail,
    writes: [
      ...changes.map(change => ({ type: 'state', series, ...change }) as const),
      ...[...hours]
        .sort((a, b) => a - b)
        .map(hour => ({ hour, minutes: rollUp(after, hour) }))
        // An hour of which nothing was ever said has no rollup.
        .filter(({ minutes }) => Object.keys(minutes).length > 0)
        .map(rollup => ({ type: 'rollup', series, ...rollup }) as const),
    ],
  }
}

// One more than the longest hold, so that an interval that ends exactly so far away is seen.
const withMargin = ({ from, to }: TimeRange): TimeRange => ({
  from: Math.max(0, from - HOLD_MAX_MS - 1),
  to: to + HOLD_MAX_MS + 1,
})

const later = (tail: Tail | undefined, interval: StateInterval | undefined): Tail | undefined => {
  if (interval === undefined || (tail !== undefined && tail.to > interval.to)) return tail
  return { code: interval.code, since: interval.since, to: interval.to }
}

/** Only of a machine that its agent has spoken of: before that, nothing would ever replace what was presumed. */
const behind = (span: Claim, tail: Tail | undefined): Claim | undefined => {
  if (tail === undefined) return undefined
  const from = Math.max(span.from, tail.to)
  if (from >= span.to) return undefined
  return { ...span, from, since: Math.min(span.since, from) }
}
