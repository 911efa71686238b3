import type { GapRecord } from '@nakama/contract'

/** Whether readings of one machine are missing. */
export interface OutageState {
  /** Of the newest reading; undefined before the first of an epoch, whose gap is told by the machine's first words. */
  readonly readAt: number | undefined
  /** A try to read has failed since. */
  readonly hasFailed: boolean
}

export const NO_READING_YET: OutageState = { readAt: undefined, hasFailed: false }

export type OutageInput =
  /** See `Reading`. */
  | { readonly type: 'reading'; readonly isLossy: boolean; readonly quietMs: number }
  | { readonly type: 'failure' }
  | { readonly type: 'clock-stepped'; readonly byMs: number }

export type OutageGap = Pick<GapRecord, 'from' | 'to' | 'what' | 'why'>

/** Polls that fall out without a failure, as when the whole process stood still. */
const POLLS_MAX = 3
/** The same where the machine speaks by itself. */
const QUIETS_MAX = 2

/**
 * From readings and failures to the gaps between readings: one that ends a failure, however short, or that comes more than
 * three polls after the one before (or two of the pauses that the source has promised not to exceed), or before which the source threw values away. Samples are missing from the last reading to the
 * first new one. What the state was meanwhile is not this step's to say: the tracker bridges it, or says OFFLINE.
 */
export const stepOutage = (
  before: OutageState,
  input: OutageInput,
  pollMs: number,
  now: number,
): { readonly state: OutageState; readonly gap: OutageGap | undefined } => {
  const { readAt, hasFailed } = before
  if (input.type === 'failure') return { state: { readAt, hasFailed: readAt !== undefined }, gap: undefined }
  if (input.type === 'clock-stepped') {
    return {
      state: { readAt: readAt === undefined ? undefined : Math.max(0, readAt + input.byMs), hasFailed },
      gap: undefined,
    }
  }
  const state = { readAt: now, hasFailed: false }
  if (readAt === undefined || readAt >= now) return { state, gap: undefined }
  const isOutage = hasFailed || now - readAt > Math.max(POLLS_MAX * pollMs, QUIETS_MAX * input.quietMs)
  if (!isOutage && !input.isLossy) return { state, gap: undefined }
  return { state, gap: { from: readAt, to: now, what: 'samples', why: isOutage ? 'source-outage' : 'source-overflow' } }
}
