/** Real and simulated time of one process. All in milliseconds, since 1970 UTC. */
export interface Clock {
  /** Real time, by a clock that is never set while the process lives. */
  now(): number
  /** Simulated time, whole milliseconds. */
  sim(): number
  toWall(simAt: number): number
  /** How much simulated time passes in so much real time. */
  toSimMs(realMs: number): number
  /** The machines' tick: 32 bits, one more every 100 ms of real time. */
  tick(): number
}

export interface ClockOptions {
  /** Simulated time at `startAt`. */
  readonly start: number
  readonly startAt: number
  readonly speed: number
  /** Real time now. */
  readonly now: number
  /** Milliseconds since any fixed moment. */
  readonly monotonic: () => number
}

const TICK_MS = 100

/**
 * Ticks are numbered by the real time at which the process started and counted monotonically from there: they ascend
 * within a process whatever happens to the system's clock, and over a restart as long as that clock is not set back.
 */
export const createClock = ({ start, startAt, speed, now, monotonic }: ClockOptions): Clock => {
  const origin = now - monotonic()
  const real = (): number => origin + monotonic()
  return {
    now: () => Math.floor(real()),
    sim: () => Math.floor(start + (real() - startAt) * speed),
    toWall: simAt => Math.round(startAt + (simAt - start) / speed),
    toSimMs: realMs => Math.ceil(realMs * speed),
    tick: () => Math.floor(real() / TICK_MS) % 2 ** 32,
  }
}
