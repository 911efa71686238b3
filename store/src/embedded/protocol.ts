import type { Outcome } from './core.ts'
import type { ErrorParts } from './errors.ts'
import type { Notice } from './upkeep.ts'

/** What a worker is started with. */
export type WorkerSettings =
  | {
      readonly role: 'writer'
      readonly file: string
      readonly maxBytes: number
      readonly rawRetentionDays: number
      readonly busyTimeoutMs: number
    }
  | { readonly role: 'reader'; readonly file: string }

export interface Request {
  readonly id: number
  readonly method: string
  readonly args: unknown
}

/** A worker says `opened` once, or `failed` and ends; then one reply per request, in order. `store`: the store's id now. */
export type Reply =
  | { readonly type: 'opened'; readonly store: string }
  | { readonly type: 'failed'; readonly error: ErrorParts }
  | { readonly type: 'answer'; readonly id: number; readonly store: string; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: ErrorParts }

/** Writes travel as JSON text, which costs both threads less than a structured clone of many small objects. */
export interface WriteArgs {
  readonly json: string
  /** Milliseconds since 1970 UTC, by the clock of the process. */
  readonly now: number
}

export interface WriteAnswer {
  readonly outcome: Outcome
  readonly notices: readonly Notice[]
}
