import { INTERVALS } from '@nakama/contract'

/**
 * Whether we hear anybody at all. Silence is measured on `clockMs`, which stands still while we are cut off: an agent is
 * silent only if it said nothing in time in which we listened.
 */
export interface Listening {
  readonly up: boolean
  /** Of the last change of `up`; at first, of the start. */
  readonly since: number
  /** Milliseconds in which we could have heard anybody, all in all. */
  readonly clockMs: number
  /** Nobody is called silent before this, on the same clock. */
  readonly graceEndsMs: number
  /** When `clockMs` was last reckoned. */
  readonly seenAt: number
}

/** `attend` is called each second. After a longer pause we were stopped, or somebody set the clock: we did not listen. */
const PAUSE_MAX_MS = 10_000
const GRACE_MS = INTERVALS.statusStaleMs

export const openListening = (now: number): Listening => ({
  up: false,
  since: now,
  clockMs: 0,
  graceEndsMs: 0,
  seenAt: now,
})

/** Time passed. Call it before anything else is done with an input. */
export const attend = (listening: Listening, now: number): Listening => {
  const { up, clockMs, seenAt } = listening
  if (!up || now === seenAt) return { ...listening, seenAt: now }
  const passedMs = now - seenAt
  if (passedMs < 0 || passedMs > PAUSE_MAX_MS) return { ...listening, seenAt: now, graceEndsMs: clockMs + GRACE_MS }
  return { ...listening, seenAt: now, clockMs: clockMs + passedMs }
}

/** The connection to the broker was lost or is there. Whoever was heard before the loss has 90 s to be heard again. */
export const withFeed = (listening: Listening, up: boolean, now: number): Listening => {
  if (listening.up === up) return listening
  const back = up && listening.clockMs > 0
  const graceEndsMs = back ? listening.clockMs + GRACE_MS : listening.graceEndsMs
  return { ...listening, up, since: now, graceEndsMs }
}
