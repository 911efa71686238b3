import type { TimeRange } from '@nakama/store'
import { HOUR_MS } from '../capacity.ts'
import { ApiError } from './errors.ts'

const DAY_MS = 24 * HOUR_MS
export const RANGE_MAX_MS = 31 * DAY_MS

/** The range that a query asks for: the last 24 h unless told, at most 31 days. Throws ApiError `COORDINATOR_RANGE_INVALID`. */
export const readRange = (query: { readonly from?: string; readonly to?: string }, now: number): TimeRange => {
  const to = query.to === undefined ? now : readTime('to', query.to)
  const from = query.from === undefined ? to - DAY_MS : readTime('from', query.from)
  if (from >= to) throw invalid('from', `a time before to=${new Date(to).toISOString()}`, query.from)
  if (from >= now) throw invalid('from', 'a time in the past', query.from)
  if (to - from > RANGE_MAX_MS)
    throw invalid('from', `at most 31 days before to=${new Date(to).toISOString()}`, query.from)
  return { from, to }
}

/** Milliseconds of an RFC 3339 time that has the right form; the 31st of February has the form too. */
export const readTime = (path: string, text: string): number => {
  const ms = Date.parse(text)
  if (Number.isNaN(ms) || ms < 0) throw invalid(path, 'a time such as 2026-11-24T09:00:00+09:00', text)
  return ms
}

const invalid = (path: string, expected: string, got: string | undefined): ApiError =>
  new ApiError('COORDINATOR_RANGE_INVALID', `${path}: expected ${expected}, got ${got ?? 'nothing'}`, {
    path,
    expected,
    got: got ?? 'nothing',
  })
