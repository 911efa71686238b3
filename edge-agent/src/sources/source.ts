import type { Log, Metrics } from '@nakama/service'

/** One value of one signal. Null: there is no good one; a signal that was not due is absent. Strings serve rules only and never leave the agent. */
export type Value = number | boolean | string | null

export type Values = { readonly [signal: string]: Value }

/** What was read from one machine at one time. */
export interface Reading {
  /** Milliseconds since 1970 UTC, by the agent's clock, when the values had arrived. */
  readonly at: number
  readonly values: Values
  /** The source says that values between the former reading and this one were thrown away before we could have them. */
  readonly isLossy?: boolean
  /** Where it is the machine that speaks: so long it may have nothing to say before it says just that, milliseconds. */
  readonly quietMs?: number
  /** How far the machine's own clock is ahead of the agent's, milliseconds, where the reading came with the machine's time. */
  readonly aheadMs?: number
}

/** Why there is no reading. `kind` is a metric label, so it comes from this short list. */
export interface ReadFailure {
  readonly kind: (typeof FAILURE_KINDS)[number]
  readonly message: string
}

export const FAILURE_KINDS = ['connect', 'timeout', 'protocol', 'exception', 'silent', 'no-node', 'refused'] as const

/** Where sources deliver. Neither may throw. */
export interface Sink {
  reading(machine: string, reading: Reading): void
  /** A try that gave nothing; called at every poll that fails, so receivers count and log changes only. */
  failure(machine: string, failure: ReadFailure): void
}

export interface SourceContext {
  readonly sink: Sink
  /** Milliseconds since 1970 UTC. */
  readonly now: () => number
  /** Milliseconds from any origin, never stepping: cadence and deadlines follow it. */
  readonly monotonic: () => number
  readonly random: () => number
  readonly log: Log
  readonly metrics: SourceMetrics
}

/**
 * Something that reads machines. `run` starts at once, never rejects, reconnects by itself with back-off, and resolves
 * within 3 s after `signal` was aborted, when every connection is closed. A machine that does not answer never delays another.
 */
export interface Source {
  run(signal: AbortSignal): Promise<void>
}

export interface SourceMetrics {
  readonly reads: { inc(labels: { machine: string }): void }
  readonly failures: { inc(labels: { machine: string; kind: string }): void }
  readonly connects: { inc(labels: { source: string }): void }
  readonly period: { set(labels: { machine: string }, seconds: number): void }
}

export const createSourceMetrics = (metrics: Metrics): SourceMetrics => ({
  reads: metrics.counter('reads', 'Readings taken', ['machine']),
  failures: metrics.counter('read_failures', 'Tries that gave no reading', ['machine', 'kind']),
  connects: metrics.counter('source_connects', 'Connections made to machines', ['source']),
  period: metrics.gauge('poll_period_seconds', 'How often a machine is polled now', undefined, ['machine']),
})
