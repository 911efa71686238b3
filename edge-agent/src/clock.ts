/** Smaller differences are a clock being slewed, not set. */
const STEP_MIN_MS = 1_000

/**
 * Tells when the wall clock was set: a Pi starts in the past and jumps when it hears the time. Compares it with a clock
 * that only runs, at every look.
 *
 * @param monotonic milliseconds from any origin.
 * @param stepped called, before `now` returns the new time, with how far the clock jumped.
 */
export const watchClock = (
  wall: () => number,
  monotonic: () => number,
  stepped: (byMs: number) => void,
): { now(): number } => {
  let offset = wall() - monotonic()
  return {
    now() {
      const time = wall()
      const jump = time - monotonic() - offset
      offset += jump
      if (Math.abs(jump) >= STEP_MIN_MS) stepped(Math.round(jump))
      return time
    },
  }
}
