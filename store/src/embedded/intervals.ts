/** An interval as it is kept: codes and kinds as numbers, `provisional` as 0 or 1. Half-open, [start, stop), never empty. */
export interface Row {
  readonly start: number
  readonly stop: number
  readonly code: number
  readonly since: number
  readonly provisional: number
  readonly kind: number
}

/**
 * What is known after `next` has replaced whatever was known of its span.
 *
 * `rows` are ascending and do not overlap; neither do the answer's, and of two that touch at least one property differs.
 * Hence the same knowledge always takes the same form, whatever order it came in.
 */
export const replaceSpan = (rows: readonly Row[], next: Row): Row[] => {
  const before: Row[] = []
  const after: Row[] = []
  for (const row of rows) {
    if (row.start < next.start) before.push(row.stop > next.start ? { ...row, stop: next.start } : row)
    if (row.stop > next.stop) after.push(row.start < next.stop ? { ...row, start: next.stop } : row)
  }
  return mergeTouching([...before, next, ...after])
}

/** Makes one row of neighbours that touch and say the same. */
export const mergeTouching = (rows: readonly Row[]): Row[] => {
  const merged: Row[] = []
  for (const row of rows) {
    const last = merged.at(-1)
    if (last !== undefined && last.stop === row.start && saysTheSame(last, row)) {
      merged[merged.length - 1] = { ...last, stop: row.stop }
    } else merged.push(row)
  }
  return merged
}

const saysTheSame = (a: Row, b: Row): boolean =>
  a.code === b.code && a.since === b.since && a.provisional === b.provisional && a.kind === b.kind
