import type { ReadFailure, Value } from '../source.ts'
import type { PlanLimits } from './plan.ts'
import type { ReadRequest } from './protocol.ts'
import type { Field } from './types.ts'

/** One machine on a bus. */
export interface Station {
  readonly id: string
  readonly unit: number
  readonly pollMs: number
  readonly timeoutMs: number
  readonly limits: PlanLimits
  readonly fields: readonly Field[]
}

/** What came of one request. */
export type ReadResult =
  | { readonly ok: true; readonly data: Uint8Array }
  /** `exception`: the code with which the unit refused. `line`: nobody was asked, as there is no connection. */
  | { readonly ok: false; readonly failure: ReadFailure; readonly exception?: number; readonly line?: boolean }

/** The next question of the bus. It must be settled before the next one is asked for. */
export interface Turn {
  readonly station: string
  readonly unit: number
  readonly request: ReadRequest
  readonly timeoutMs: number
  readonly askedAt: number
}

export type Outcome =
  | { readonly type: 'reading'; readonly station: string; readonly values: { readonly [signal: string]: Value } }
  | { readonly type: 'failure'; readonly station: string; readonly failure: ReadFailure }
  /** From now on it is polled this often. */
  | { readonly type: 'period'; readonly station: string; readonly periodMs: number }
