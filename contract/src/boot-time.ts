/**
 * Times of a Pi whose clock nobody has set yet: milliseconds since it was switched on, counted from this moment. Nothing
 * was read before 2020 and no Pi runs for ten years, so that every single time says by itself which of the two it is.
 */
export const BOOT_TIME_ZERO = Date.UTC(2000, 0, 1)
const BOOT_TIME_END = Date.UTC(2010, 0, 1)

export const isBootTime = (time: number): boolean => time >= BOOT_TIME_ZERO && time < BOOT_TIME_END

/**
 * Nakama was made after this moment. A clock that shows an earlier time is wrong, whoever vouches for it: a Pi begins
 * in 1970 or 2000, and a clock chip without a battery where it left off.
 */
export const REAL_TIME_BEGIN = Date.UTC(2025, 0, 1)

/** From boot times to real ones it is at least this far, since no boot takes ten years. Anything less was never true. */
export const SHIFT_MIN_MS = REAL_TIME_BEGIN - BOOT_TIME_END

const TIMES = ['at', 'since', 'from', 'to', 'until'] as const

/** The same record with every boot time moved; itself when it has none. The record need not be a good one. */
export const moveBootTimes = (record: unknown, byMs: number): unknown => {
  if (typeof record !== 'object' || record === null) return record
  const fields = record as { readonly [name: string]: unknown }
  const moved = TIMES.filter(name => hasBootTime(fields[name])).map(name => [name, move(fields[name], byMs)])
  return moved.length === 0 ? record : { ...fields, ...Object.fromEntries(moved) }
}

export const hasBootTimes = (record: unknown): boolean =>
  typeof record === 'object' &&
  record !== null &&
  TIMES.some(name => hasBootTime((record as { readonly [name: string]: unknown })[name]))

const isBoot = (value: unknown): value is number => typeof value === 'number' && isBootTime(value)

const hasBootTime = (value: unknown): boolean => (Array.isArray(value) ? value.some(isBoot) : isBoot(value))

const move = (value: unknown, byMs: number): unknown => {
  if (Array.isArray(value)) return value.map(each => move(each, byMs))
  return isBoot(value) ? value + byMs : value
}
