import type { Answer, ReadRequest } from './protocol.ts'

/**
 * One side of a conversation over one connection: gives the octets of a question, takes octets as they come, knows which
 * of them are the answer. No I/O and no time in it. One question is outstanding at most.
 */
export interface Talk {
  /** The octets to send; from now on this answer is waited for. */
  ask(unit: number, request: ReadRequest): Uint8Array
  /** What the octets mean, however they were cut. Nothing follows a `disorder`: what is behind a bad frame is never read. */
  hear(octets: Uint8Array): Heard[]
  /** Nobody waits any longer. `cut`: a frame has begun and not ended, so that what follows would be taken for its rest. */
  giveUp(): 'clean' | 'cut'
  /** Forgets everything that came in, after a `disorder` too: the line was drained. */
  reset(): void
}

export type Heard =
  /** Of the unit that was asked, or instead of it: good, refused, or no answer to this question. */
  | { readonly type: 'answer'; readonly answer: Answer }
  /** A whole frame that answers another question: late, and thrown away. */
  | { readonly type: 'stray'; readonly why: string }
  /** What came is no frame, so nobody knows where the next one begins. */
  | { readonly type: 'disorder'; readonly why: string }

export interface Question {
  readonly unit: number
  readonly request: ReadRequest
}

/** A peer that says more than this beside the point is babbling. */
export const STRAYS_MAX = 32

export const join = (before: Uint8Array, more: Uint8Array): Uint8Array => {
  if (before.length === 0) return more
  const both = new Uint8Array(before.length + more.length)
  both.set(before)
  both.set(more, before.length)
  return both
}

export const NOTHING: Uint8Array = new Uint8Array(0)
