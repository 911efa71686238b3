/** What one machine would take of its bus: milliseconds on the wire for a poll, and how often that is wanted. */
export interface Demand {
  readonly wireMs: number
  readonly pollMs: number
}

const RISE = 0.3
const FALL = 0.1

/** The time of a poll on the wire, smoothed: one slow poll is chance; being fast again is believed slowly. */
export const smoothed = (beforeMs: number | undefined, tookMs: number): number =>
  beforeMs === undefined ? tookMs : beforeMs + (tookMs - beforeMs) * (tookMs > beforeMs ? RISE : FALL)

/**
 * How many times its period each machine must wait so that the bus is busy for no more than `dutyMax` of the time (0 to 1).
 * Whoever wants less than an even share gets it; the others share evenly what is left, so a slow machine slows itself.
 */
export const stretches = (demands: readonly Demand[], dutyMax: number): number[] => {
  const wanted = demands.map(({ wireMs, pollMs }) => wireMs / pollMs)
  const byWant = wanted.map((_, index) => index).toSorted((a, b) => (wanted[a] as number) - (wanted[b] as number))
  const result = wanted.map(() => 1)
  let left = dutyMax
  for (const [rank, index] of byWant.entries()) {
    const want = wanted[index] as number
    const given = Math.min(want, left / (byWant.length - rank))
    if (given < want) result[index] = want / given
    left -= given
  }
  return result
}
