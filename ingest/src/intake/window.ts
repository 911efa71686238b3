import { LIMITS } from '@nakama/contract'

export interface WindowLimits {
  readonly firstBytes: number
  readonly maxBytes: number
  readonly totalBytes: number
}

export const WINDOW_LIMITS: WindowLimits = {
  firstBytes: LIMITS.windowFirstBytes,
  maxBytes: LIMITS.windowMaxBytes,
  totalBytes: LIMITS.windowTotalBytes,
}

/**
 * Bytes that an agent may have in flight from its next ack on: doubled at each ack, back to the first when the store
 * cannot keep up, and never more than its share of the total.
 *
 * @param formerBytes granted by the ack before; undefined for the first.
 * @param agents that send now.
 */
export const grantWindow = (
  { firstBytes, maxBytes, totalBytes }: WindowLimits,
  formerBytes: number | undefined,
  agents: number,
  pressed: boolean,
): number => {
  const shareBytes = Math.floor(totalBytes / Math.max(1, agents))
  const wishedBytes = formerBytes === undefined || pressed ? firstBytes : formerBytes * 2
  return Math.min(wishedBytes, maxBytes, shareBytes)
}
