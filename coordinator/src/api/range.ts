import type { TimeRange } from '@nakama/store'
import { DAY_MS } from '../capacity.ts'
import { ApiError, type ApiErrorCode } from './errors.ts'

export const RANGE_MAX_MS = 31 * DAY_MS

/** The range that a query asks for: the last 24 h unless told, at most 31 days. Throws ApiError `COORDINATOR_QUERY_INVALID`. */
export const readRange = (query: { readonly from?: string; readonly to?: string }, now: number): TimeRange => {
  const to = query.to === undefined ? now : readTime('to', query.to)
  const from = query.from === undefined ? to - DAY_MS : readTime('from', query.from)
  const refuse = (expected: string): ApiError =>
    new ApiError('COORDINATOR_QUERY_INVALID', {
      path: 'from',
      expected,
      got: query.from ?? new Date(from).toISOString(),
    })
  if (from >= to) throw refuse(`a time before to=${new Date(to).toISOString()}`)
  if (from >= now) throw refuse('a time in the past')
  if (to - from > RANGE_MAX_MS) throw refuse(`at most 31 days before to=${new Date(to).toISOString()}`)
  return { from, to }
}

/** Milliseconds of an RFC 3339 time with its offset, at or after 1970. Throws ApiError with `code` that names `path`. */
export const readTime = (path: string, text: string, code: ApiErrorCode = 'COORDINATOR_QUERY_INVALID'): number => {
  const ms = parseTime(text)
  if (ms !== undefined) return ms
  const example = '2026-11-24T09:00:00Z or 2026-11-24T18:00:00+09:00 (in a URL, + is %2B)'
  throw new ApiError(code, { path, expected: `a time such as ${example}`, got: JSON.stringify(text.slice(0, 60)) })
}

const RFC3339 = /^(\d{4}-\d\d-(\d\d))T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/

const parseTime = (text: string): number | undefined => {
  const [, date, day] = RFC3339.exec(text) ?? []
  // Date takes the 31st of February for the 3rd of March.
  if (date === undefined || new Date(`${date}T00:00:00Z`).getUTCDate() !== Number(day)) return undefined
  const ms = Date.parse(text)
  return ms >= 0 ? ms : undefined
}
