import { GAP_REASONS, isId, KIND_CODES, LIMITS, STATE_CODES } from '@nakama/contract'
import type { StoreWrite } from '../store.ts'
import { HOUR_MS } from './schema.ts'

/** Nothing was read before there was a reader: an earlier time comes from a clock that was never set. */
export const TIME_MIN = Date.UTC(2020, 0, 1)
/** A clock may be ahead of ours by this much, not more. */
export const FUTURE_MAX_MS = 24 * HOUR_MS
const TIME_MAX = 8_640_000_000_000_000
/** Twice what one record of the contract may hold. */
const SAMPLE_VALUES_MAX = 2 * LIMITS.samplesMaxRows * LIMITS.samplesMaxSignals
const NAME_MAX_CHARS = 200

/**
 * Why this write can never be stored, in words (`from: expected …, got …`); undefined when it can.
 * Writes come over from another thread as JSON, so nothing is taken for granted here.
 *
 * @param now milliseconds since 1970 UTC.
 */
export const whyImpossible = (write: StoreWrite, now: number): string | undefined => {
  switch (write?.type) {
    case 'state':
      return (
        badSeries(write.series) ??
        badRange(write, now) ??
        badOneOf('code', write.code, STATE_CODES) ??
        badInteger('since', write.since, 0, write.from) ??
        badBoolean('provisional', write.provisional)
      )
    case 'rollup':
      return badSeries(write.series) ?? badTime('hour', write.hour, now) ?? badMinutes(write)
    case 'samples':
      return badSeries(write.series) ?? badSamples(write, now)
    case 'count':
      return (
        badSeries(write.series) ??
        badTime('at', write.at, now) ??
        badInteger('parts', write.parts, 0, Number.MAX_SAFE_INTEGER) ??
        badInteger('total', write.total, 0, Number.MAX_SAFE_INTEGER)
      )
    case 'gap':
      return (
        badId('shop', write.shop) ??
        badId('agent', write.agent) ??
        (write.machine === null ? undefined : badId('machine', write.machine)) ??
        badRange(write, now) ??
        badOneOf('what', write.what, ['all', 'events', 'samples']) ??
        badOneOf('why', write.why, GAP_REASONS)
      )
    case 'profile':
      return badSeries(write.series) ?? badTime('at', write.at, now) ?? badName(write.name)
    case 'taking':
      return (
        badId('shop', write.shop) ??
        badTime('at', write.at, now) ??
        badBoolean('value', write.value) ??
        (write.until === null ? undefined : badInteger('until', write.until, 0, TIME_MAX)) ??
        badInteger('rev', write.rev, 0, Number.MAX_SAFE_INTEGER)
      )
    default:
      return says('type', 'a kind of write', (write as { type?: unknown } | null)?.type)
  }
}

const says = (path: string, expected: string, got: unknown): string =>
  `${path}: expected ${expected}, got ${(JSON.stringify(got) ?? 'nothing').slice(0, 60)}`

const badInteger = (path: string, value: unknown, min: number, max: number): string | undefined =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
    ? undefined
    : says(path, `an integer from ${min} to ${max}`, value)

const badTime = (path: string, value: unknown, now: number): string | undefined => {
  if (!Number.isSafeInteger(value)) return says(path, 'milliseconds since 1970', value)
  if ((value as number) < TIME_MIN) return says(path, `a time from ${TIME_MIN} (2020) on`, value)
  // A clock of our own that was never set is no measure of the future.
  if (now >= TIME_MIN && (value as number) > now + FUTURE_MAX_MS)
    return says(path, `a time up to a day after now (${now})`, value)
  return undefined
}

const badRange = ({ from, to }: { readonly from: number; readonly to: number }, now: number): string | undefined =>
  badTime('from', from, now) ??
  badTime('to', to, now) ??
  (from <= to ? undefined : says('from', `a time up to to=${to}`, from))

const badBoolean = (path: string, value: unknown): string | undefined =>
  typeof value === 'boolean' ? undefined : says(path, 'true or false', value)

const badOneOf = (path: string, value: unknown, allowed: readonly string[]): string | undefined =>
  allowed.includes(value as string) ? undefined : says(path, `one of ${allowed.join(', ')}`, value)

const badId = (path: string, value: unknown): string | undefined =>
  typeof value === 'string' && isId(value) ? undefined : says(path, 'an id', value)

const badName = (value: unknown): string | undefined =>
  typeof value === 'string' && value.length <= NAME_MAX_CHARS
    ? undefined
    : says('name', `a text of at most ${NAME_MAX_CHARS} characters`, value)

const badSeries = (series: { shop?: unknown; machine?: unknown; kind?: unknown } | undefined): string | undefined =>
  badId('series.shop', series?.shop) ??
  badId('series.machine', series?.machine) ??
  badOneOf('series.kind', series?.kind, KIND_CODES)

const badMinutes = (write: Extract<StoreWrite, { type: 'rollup' }>): string | undefined => {
  if (write.hour % HOUR_MS !== 0) return says('hour', 'the start of an hour', write.hour)
  const sums = new Array<number>(60).fill(0)
  for (const [code, column] of Object.entries(write.minutes)) {
    const path = `minutes.${code}`
    const bad = badOneOf('minutes', code, STATE_CODES)
    if (bad !== undefined) return bad
    if (!Array.isArray(column) || column.length !== 60) return says(path, '60 numbers', column)
    for (let minute = 0; minute < 60; minute++) {
      const badMs = badInteger(`${path}.${minute}`, column[minute], 0, 60_000)
      if (badMs !== undefined) return badMs
      sums[minute] = (sums[minute] as number) + (column[minute] as number)
    }
  }
  const over = sums.findIndex(ms => ms > 60_000)
  return over < 0 ? undefined : says(`minutes.${over}`, 'at most 60000 ms over all states', sums[over])
}

const badSamples = (write: Extract<StoreWrite, { type: 'samples' }>, now: number): string | undefined => {
  const { at, signals } = write
  if (!Array.isArray(at)) return says('at', 'a list of times', at)
  for (let row = 0; row < at.length; row++) {
    const bad = badTime(`at.${row}`, at[row], now)
    if (bad !== undefined) return bad
    if (row > 0 && at[row] <= at[row - 1]) return says(`at.${row}`, `a time after ${at[row - 1]}`, at[row])
  }
  if (typeof signals !== 'object' || signals === null) return says('signals', 'columns by name', signals)
  const names = Object.keys(signals)
  if (names.length > LIMITS.samplesMaxSignals) {
    return says('signals', `at most ${LIMITS.samplesMaxSignals} signals`, names.length)
  }
  if (at.length * (names.length + 1) > SAMPLE_VALUES_MAX) {
    return says('at', `at most ${SAMPLE_VALUES_MAX} times and values`, at.length * (names.length + 1))
  }
  for (const name of names) {
    const column = signals[name] as unknown
    if (name.length > NAME_MAX_CHARS) return says('signals', `names of at most ${NAME_MAX_CHARS} characters`, name)
    if (!Array.isArray(column) || column.length !== at.length) {
      return says(
        `signals.${name}`,
        `${at.length} values, one per row`,
        (column as { length?: unknown } | null)?.length,
      )
    }
    for (const value of column) {
      if (value !== null && !Number.isFinite(value)) return says(`signals.${name}`, 'numbers or nulls', value)
    }
  }
  return undefined
}
