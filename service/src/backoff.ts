/**
 * Full jitter: anywhere between nothing and the exponential ceiling, so that five hundred agents that lost the same
 * broker do not come back as one.
 *
 * @param attempt 0 for the first retry.
 * @param random a number in [0, 1).
 */
export const backoffMs = (attempt: number, initialMs: number, maxMs: number, random: () => number): number =>
  Math.floor(random() * Math.min(maxMs, initialMs * 2 ** Math.min(attempt, 30)))
