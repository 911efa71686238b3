import type { Value } from './sources/source.ts'

export interface CounterState {
  /** The machine's own counter as last read; undefined before the first good value. */
  readonly total: number | undefined
}

export const START_COUNTING: CounterState = { total: undefined }

/** No machine makes more parts than this between two readings: a larger jump is a counter that was set, or a bad reading. */
const STEP_MAX = 10_000
/** A counter that comes to zero with fewer than this to go has run over; with more, somebody has reset it. */
const OVERRUN_MAX = 1_000

/**
 * Parts finished since the reading before. A counter that starts again (reset by hand, or another number typed in) counts
 * from there on; one that runs over counts on. `range` is how many numbers it has (65,536 for 16 bits).
 */
export const stepCounter = (
  before: CounterState,
  value: Value,
  range: number,
): {
  readonly state: CounterState
  readonly output: { readonly parts: number; readonly total: number } | undefined
} => {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    return { state: before, output: undefined }
  const state = { total: value }
  if (before.total === undefined || value === before.total) return { state, output: undefined }
  const overrun = value < before.total
  const parts = overrun ? value + range - before.total : value - before.total
  if (parts > (overrun ? OVERRUN_MAX : STEP_MAX)) return { state, output: undefined }
  return { state, output: { parts, total: value } }
}
