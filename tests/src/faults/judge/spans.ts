/** Half-open, [from, to), milliseconds since 1970 UTC. */
export interface Span {
  readonly from: number
  readonly to: number
}

export const widened = ({ from, to }: Span, beforeMs: number, afterMs = beforeMs): Span => ({
  from: from - beforeMs,
  to: to + afterMs,
})

export const moved = <T extends Span>(span: T, byMs: number): T => ({
  ...span,
  from: span.from + byMs,
  to: span.to + byMs,
})

/** From the beginning of the first to the end of the last, with what lies between. */
export const hull = (a: Span, b: Span): Span => ({ from: Math.min(a.from, b.from), to: Math.max(a.to, b.to) })

export const covers = (spans: readonly Span[], at: number): boolean =>
  spans.some(({ from, to }) => from <= at && at < to)

export const contains = (outer: Span, inner: Span): boolean => outer.from <= inner.from && inner.to <= outer.to

/** What of `span` no other one covers, ascending. */
export const without = (span: Span, others: readonly Span[]): Span[] => {
  const left: Span[] = []
  let { from } = span
  for (const other of others.toSorted((a, b) => a.from - b.from)) {
    if (other.from > from) left.push({ from, to: Math.min(other.from, span.to) })
    from = Math.max(from, other.to)
    if (from >= span.to) break
  }
  if (from < span.to) left.push({ from, to: span.to })
  return left.filter(({ from, to }) => from < to)
}

export const clipped = (spans: readonly Span[], { from, to }: Span): Span[] =>
  spans
    .map(span => ({ from: Math.max(span.from, from), to: Math.min(span.to, to) }))
    .filter(span => span.from < span.to)

export const MINUTE_MS = 60_000

/** Starts of the minutes that any of these touches. */
export const minutesOf = (spans: readonly Span[]): Set<number> => {
  const minutes = new Set<number>()
  for (const { from, to } of spans) {
    for (let at = Math.floor(from / MINUTE_MS) * MINUTE_MS; at < to; at += MINUTE_MS) minutes.add(at)
  }
  return minutes
}
