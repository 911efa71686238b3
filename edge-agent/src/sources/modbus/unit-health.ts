import type { ReadFailure } from '../source.ts'

/** How one unit on a bus is doing. */
export interface UnitHealth {
  /** Failed polls since the last good answer. */
  readonly failures: number
  /** Not to be asked before. */
  readonly retryAt: number
  readonly last: ReadFailure | undefined
  /** The slowest of its good answers, forgotten little by little. */
  readonly slowestMs: number
}

export const HEALTHY: UnitHealth = { failures: 0, retryAt: 0, last: undefined, slowestMs: 0 }

const FORGET = 0.9
/** So much of a bus's time may go to units that do not answer; the others keep their cadence within 10 %. */
const LOST_MAX = 0.08
const MEAN_PAUSE = 0.75
/** No device that works is so slow that it needs longer than this many times its slowest answer so far. */
const SLOW_TIMES = 3
const PROBE_MIN_MS = 100
/** A slow unit that was never heard must be heard some day. */
const FULL_PATIENCE_EVERY = 8

/** How patient a bus is with what does not answer. */
export interface Pace {
  /** Of a unit, after its second failure in a row; then doubled up to the longest. */
  readonly pauseFirstMs: number
  readonly pauseMaxMs: number
  /** Of a connection that never gave an answer. */
  readonly reconnectFirstMs: number
  readonly reconnectMaxMs: number
  /** Of a bus whose polling failed by a fault of our own. */
  readonly restartMs: number
}

/** Both longest pauses one after the other, and a machine is still read within 30 s of coming back. */
export const PACE: Pace = {
  pauseFirstMs: 1_000,
  pauseMaxMs: 20_000,
  reconnectFirstMs: 500,
  reconnectMaxMs: 5_000,
  restartMs: 5_000,
}

export const afterAnswer = (health: UnitHealth, tookMs: number): UnitHealth => ({
  ...{ failures: 0, retryAt: 0, last: undefined },
  slowestMs: Math.max(tookMs, health.slowestMs * FORGET),
})

/**
 * A single failure is noise, and the next poll tries again; after that pauses double. Half of each is chance, so that units
 * that died together do not come together for ever.
 *
 * @param random a number in [0, 1).
 */
export const afterFailure = (
  health: UnitHealth,
  failure: ReadFailure,
  now: number,
  random: () => number,
  { pauseFirstMs, pauseMaxMs }: Pace = PACE,
): UnitHealth => {
  const failures = health.failures + 1
  const ceiling = Math.min(pauseMaxMs, pauseFirstMs * 2 ** Math.min(failures - 2, 10))
  const pauseMs = failures < 2 ? 0 : ceiling * (0.5 + random() / 2)
  return { ...health, failures, retryAt: now + pauseMs, last: failure }
}

/** A unit that fails for good shares what the bus can spare with the others that do. */
export const FAILS_FOR_GOOD = 4

/**
 * How long to wait for an answer. A unit that is long dead gets less, so that several of them do not take the time of the
 * living; never less than it would need by what it has shown.
 *
 * @param dead how many units of this bus fail for good.
 */
export const patienceMs = (
  health: UnitHealth,
  timeoutMs: number,
  dead: number,
  { pauseMaxMs }: Pace = PACE,
): number => {
  if (health.failures < FAILS_FOR_GOOD || health.failures % FULL_PATIENCE_EVERY === 0) return timeoutMs
  const share = (LOST_MAX * MEAN_PAUSE * pauseMaxMs) / Math.max(1, dead)
  return Math.min(timeoutMs, Math.max(PROBE_MIN_MS, share, SLOW_TIMES * health.slowestMs))
}
