import { INTERVALS } from '@nakama/contract'
import type { Listening } from './listening.ts'

/** Whether what the shops say is being stored, as ingest's own retained status tells. */
export interface IngestPresence {
  readonly connected: boolean
  /** Of the last change of `connected`; at first, of the start. */
  readonly since: number
  /** The one that is active. */
  readonly id: string | undefined
  /** On the listening clock: when its will came, or when we came back and had to ask ourselves. */
  readonly doubtMs: number | undefined
}

export type IngestInput =
  | { readonly type: 'presence'; readonly id: string; readonly online: boolean }
  /** The connection to the broker is there again; what it retains arrives now, unless it forgot. */
  | { readonly type: 'feed-up' }
  | { readonly type: 'tick' }

export const openIngestPresence = (now: number): IngestPresence => ({
  connected: false,
  since: now,
  id: undefined,
  doubtMs: undefined,
})

/** A short restart must not flicker on the board: cut off is 30 s without a word after the will, as with agents. */
export const stepIngest = (
  before: IngestPresence,
  input: IngestInput,
  { clockMs }: Listening,
  now: number,
): IngestPresence => {
  if (input.type === 'presence' && input.online) {
    return { connected: true, since: before.connected ? before.since : now, id: input.id, doubtMs: undefined }
  }
  if (!before.connected) return before
  if (input.type === 'tick') {
    const lost = before.doubtMs !== undefined && clockMs - before.doubtMs >= INTERVALS.willGraceMs
    return lost ? { ...before, connected: false, since: now, doubtMs: undefined } : before
  }
  // The last word of another ingest, long replaced, says nothing about the active one.
  if (input.type === 'presence' && input.id !== before.id) return before
  return { ...before, doubtMs: before.doubtMs ?? clockMs }
}
