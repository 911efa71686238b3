/** Per agent and lane: which epoch sends now, and how often one that was left before has come back with something new. */
export interface TwinState {
  readonly current: string | undefined
  readonly left: readonly string[]
  readonly returns: readonly number[]
}

export const NO_TWINS: TwinState = { current: undefined, left: [], returns: [] }

const WINDOW_MS = 10 * 60_000
const LEFT_MAX = 8
/** A lost message at the seam of two epochs makes two returns, and a restart is rare; only two living journals go on. */
const RETURNS_MAX = 5

/**
 * Two live epochs of one agent that alternate: a card was copied and both boards send. A single agent sends its epochs one
 * after the other. `alarm` is true each time it is seen again.
 */
export const stepTwins = (
  before: TwinState,
  epoch: string,
  now: number,
): { readonly state: TwinState; readonly alarm: boolean } => {
  if (epoch === before.current) return { state: before, alarm: false }
  const cameBack = before.left.includes(epoch)
  const returns = before.returns.filter(at => now - at < WINDOW_MS)
  if (cameBack) returns.push(now)
  const left = before.left.filter(other => other !== epoch)
  if (before.current !== undefined) left.push(before.current)
  return {
    state: { current: epoch, left: left.slice(-LEFT_MAX), returns: returns.slice(-RETURNS_MAX) },
    alarm: cameBack && returns.length >= RETURNS_MAX,
  }
}
