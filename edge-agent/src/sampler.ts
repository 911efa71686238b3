import type { MachineKind, SamplesRecord } from '@nakama/contract'
import type { Reading, Value } from './sources/source.ts'

/** A signal that is recorded, and when. */
export interface SampledSignal {
  readonly signal: string
  /** Undefined: with every reading. */
  readonly exceptions: Exceptions | undefined
}

/** Report by exception: a value is recorded when it differs by more than a deadband from the one recorded before. */
export interface Exceptions {
  /** In the unit of the signal. */
  readonly deadband: number
  /** Of the value recorded before, in percent of its amount. The larger of the two deadbands counts. */
  readonly deadbandPercent: number
  /** Not more often than this, milliseconds; what still differs by then is recorded then. */
  readonly minIntervalMs: number
  /** And a reading that comes this long after the one recorded before is recorded, changed or not. */
  readonly maxIntervalMs: number
}

/** What was recorded last, by signal. A signal without a good value is in here no more, so that its next one always passes. */
export type SamplerState = ReadonlyMap<string, { readonly value: number; readonly at: number }>

/** Nothing recorded yet: the state after everything that makes what came before worthless, such as an outage. */
export const NOTHING_SAMPLED: SamplerState = new Map()

/**
 * The numbers of one reading as a `samples` record of one row, or undefined when there is nothing to record. A record goes
 * into the journal with the reading, not with the next full second: the journal collects a second's worth anyway, and a row
 * that waited here before would be promised a second later than it may be.
 *
 * Times of readings must ascend from call to call; after a step of the clock begin anew.
 */
export const stepSampler = (
  machine: { readonly id: string; readonly kind: MachineKind; readonly samples: readonly SampledSignal[] },
  before: SamplerState,
  { at, values }: Reading,
): { readonly state: SamplerState; readonly record: SamplesRecord | undefined } => {
  const state = new Map<string, { readonly value: number; readonly at: number }>()
  const signals: { [signal: string]: [number] } = {}
  for (const { signal, exceptions } of machine.samples) {
    const last = before.get(signal)
    // Not due at this reading: nothing is known to have changed.
    if (values[signal] === undefined && last !== undefined) state.set(signal, last)
    const value = toNumber(values[signal] ?? null)
    if (value === null) continue
    if (last !== undefined && exceptions !== undefined && !isException(exceptions, last, value, at)) {
      state.set(signal, last)
    } else {
      state.set(signal, { value, at })
      signals[signal] = [value]
    }
  }
  if (Object.keys(signals).length === 0) return { state, record: undefined }
  return { state, record: { type: 'samples', machine: machine.id, kind: machine.kind, at: [at], signals } }
}

const isException = (
  { deadband, deadbandPercent, minIntervalMs, maxIntervalMs }: Exceptions,
  last: { readonly value: number; readonly at: number },
  value: number,
  at: number,
): boolean => {
  const sinceMs = at - last.at
  if (sinceMs >= maxIntervalMs) return true
  const band = Math.max(deadband, (Math.abs(last.value) * deadbandPercent) / 100)
  return sinceMs >= minIntervalMs && Math.abs(value - last.value) > band
}

// Text never leaves the shop: a program name in a signal that was meant to be a number is no value.
const toNumber = (value: Value): number | null => {
  if (typeof value === 'boolean') return value ? 1 : 0
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}
