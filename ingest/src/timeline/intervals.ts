import { INTERVALS, STATE_CODES, type StateCode } from '@nakama/contract'
import type { StateInterval, TimeRange } from '@nakama/store'

/**
 * Between two things that an agent said of a machine its state holds, but only for so long: two missed heartbeats. A longer
 * silence means that something between them is missing, and stays unknown until it arrives.
 */
export const HOLD_MAX_MS = 2 * INTERVALS.stateHeartbeatMs

/** The agent itself says that the machine was in `code` throughout [from, to), since `since`. */
export interface Claim extends TimeRange {
  readonly code: StateCode
  readonly since: number
  /** A gap: it ends where it says, and what was said of the time behind it stays. */
  readonly isGap?: true
}

/**
 * What is known of a machine once the claims are, from what was known of a range before.
 *
 * The result is a function of the set of everything ever claimed, not of its order, grouping or repetition (but where a new
 * card begins must be told before anything later, as every agent does):
 * - where claims overlap, the one with the later `since` is right (back-dated IDLE corrects the heartbeats before it);
 * - of two with the same `since`, OFFLINE is: unknown is never idle;
 * - between two claims at most `HOLD_MAX_MS` apart the earlier one holds, but not beyond the `since` of the later one;
 * - whatever is claimed or held replaces what is provisional.
 *
 * @param known ascending, not overlapping; must reach `HOLD_MAX_MS` beyond the claims on both sides.
 */
export const learn = (known: readonly StateInterval[], claims: readonly Claim[]): StateInterval[] =>
  join(hold(claims.reduce(insert, join(known))))

/** The same with a span that is only presumed: it replaces what is there, so it must lie behind everything confirmed. */
export const presume = (known: readonly StateInterval[], span: Claim): StateInterval[] =>
  join(overlay(known, span, [span], true))

/** What must be written to turn `before` into `after`, which covers at least the same time. */
export const difference = (before: readonly StateInterval[], after: readonly StateInterval[]): StateInterval[] => {
  let next = 0
  return after.flatMap(interval => {
    while (next < before.length && before[next]!.to <= interval.from) next++
    let missing: TimeRange[] = [interval]
    for (let i = next; i < before.length && before[i]!.from < interval.to; i++) {
      if (sameState(before[i]!, interval)) missing = without(missing, before[i]!)
    }
    return missing.map(range => ({ ...interval, ...onlyRange(range) }))
  })
}

const insert = (list: readonly StateInterval[], claim: Claim): readonly StateInterval[] => {
  // An earlier state that was held past this claim is held no longer: from here on it is this one.
  const held = claim.isGap
    ? undefined
    : list.find(
        interval =>
          !interval.provisional && interval.from < claim.to && claim.to < interval.to && isStronger(claim, interval),
      )
  const to = held === undefined ? claim.to : Math.min(held.to, claim.to + HOLD_MAX_MS)
  let won: TimeRange[] = [{ from: claim.from, to }]
  for (const interval of list) {
    if (!interval.provisional && !isStronger(claim, interval)) won = without(won, interval)
  }
  return overlay(list, claim, won, false)
}

const hold = (list: readonly StateInterval[]): StateInterval[] => {
  let held = [...list]
  let last: StateInterval | undefined
  for (const interval of list) {
    if (interval.provisional) continue
    if (last !== undefined && last.to < interval.from && interval.from - last.to <= HOLD_MAX_MS) {
      held = overlay(held, last, [{ from: last.to, to: Math.min(interval.from, interval.since) }], false)
    }
    last = interval
  }
  return held
}

const isStronger = (a: Pick<Claim, 'since' | 'code'>, b: Pick<Claim, 'since' | 'code'>): boolean =>
  a.since > b.since || (a.since === b.since && rank(a.code) > rank(b.code))

/** OFFLINE is the last of the codes. */
const rank = (code: StateCode): number => STATE_CODES.indexOf(code)

const overlay = (
  list: readonly StateInterval[],
  { code, since }: Pick<Claim, 'code' | 'since'>,
  ranges: readonly TimeRange[],
  provisional: boolean,
): StateInterval[] => {
  let result = [...list]
  for (const range of ranges) {
    if (range.from >= range.to) continue
    const at = result.findIndex(interval => interval.to > range.from)
    const first = at === -1 ? result.length : at
    let end = first
    while (end < result.length && result[end]!.from < range.to) end++
    const cut = result
      .slice(first, end)
      .flatMap(interval => without([interval], range).map(rest => ({ ...interval, ...onlyRange(rest) })))
    const piece: StateInterval = { ...onlyRange(range), code, since, provisional }
    const before = cut.filter(rest => rest.to <= range.from)
    const after = cut.filter(rest => rest.from >= range.to)
    result = [...result.slice(0, first), ...before, piece, ...after, ...result.slice(end)]
  }
  return result
}

const join = (list: readonly StateInterval[]): StateInterval[] => {
  const joined: StateInterval[] = []
  for (const interval of list) {
    const last = joined.at(-1)
    if (last !== undefined && last.to === interval.from && sameState(last, interval)) {
      joined[joined.length - 1] = { ...last, to: interval.to }
    } else joined.push(interval)
  }
  return joined
}

const sameState = (a: StateInterval, b: StateInterval): boolean =>
  a.code === b.code && a.since === b.since && a.provisional === b.provisional

const without = (ranges: readonly TimeRange[], taken: TimeRange): TimeRange[] =>
  ranges.flatMap(range => {
    if (taken.to <= range.from || range.to <= taken.from) return [range]
    const rest: TimeRange[] = []
    if (range.from < taken.from) rest.push({ from: range.from, to: taken.from })
    if (taken.to < range.to) rest.push({ from: taken.to, to: range.to })
    return rest
  })

const onlyRange = ({ from, to }: TimeRange): TimeRange => ({ from, to })
