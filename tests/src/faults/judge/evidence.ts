import type { ServedLine, TruthLine } from '@nakama/simulators'
import type { Gap, Rollup, StateInterval } from '@nakama/store'
import type { Waits } from '../../expected-states.ts'
import type { Damage, Step, Trouble } from '../ledger.ts'
import type { Span } from './spans.ts'

/** What was done in a run, and by which rules it is judged. Times are milliseconds since 1970 UTC. */
export interface RunFacts {
  /** From the first reading to the moment up to which everything must have arrived. */
  readonly span: Span
  readonly pollMs: number
  readonly waits: Waits
  /** From a kill until the process was ready again. */
  readonly outages: readonly Trouble[]
  readonly frozen: readonly Trouble[]
  /** Agents whose journal was damaged while they were down. */
  readonly corrupted: readonly Damage[]
  /** Agents whose disk was full. */
  readonly full: readonly Damage[]
  /** Agents whose clock was off: what was read then is stored by that clock. */
  readonly stepped: readonly Step[]
}

/** One machine: what it truly did and gave, and what the store has of it. */
export interface MachineEvidence {
  readonly shop: string
  readonly machine: string
  /** Name of the process that reads it. */
  readonly agent: string
  /** `each`: a tick is served when it is read. `stream`: ticks are pushed, and about one per poll is taken. */
  readonly reading: 'each' | 'stream'
  readonly truth: readonly TruthLine[]
  readonly served: readonly ServedLine[]
  /** Stored readings that have a tick, ascending by time: also those of the longest step before the span and after it. */
  readonly stored: readonly ServedLine[]
  /** Times of all stored readings, ascending. */
  readonly storedAt: readonly number[]
  readonly gaps: readonly Gap[]
  readonly timeline: readonly StateInterval[]
  /** Of each minute. */
  readonly rollups: readonly Rollup[]
}

/** The name of the process of the machines. */
export const SIMULATORS = 'simulators'

/** The longest step of a clock that is tried. */
export const STEP_MAX_MS = 120_000

/** A reading is in the journal at most this long after it was taken. */
export const PROMISED_AFTER_MS = 1_000

/** An answer is on its way, or a reading of several requests is half done. */
export const IN_FLIGHT_MS = 150
