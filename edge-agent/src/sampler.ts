import type { MachineKind, SamplesRecord } from '@nakama/contract'
import type { Reading, Value } from './sources/source.ts'

/**
 * The numbers of one reading as a `samples` record of one row, or undefined when there is none. A record goes into the
 * journal with the reading, not with the next full second: the journal collects a second's worth anyway, and a row that
 * waited here before would be promised a second later than it may be.
 */
export const toSamples = (
  machine: { readonly id: string; readonly kind: MachineKind; readonly samples: readonly string[] },
  reading: Reading,
): SamplesRecord | undefined => {
  const signals = Object.fromEntries(machine.samples.map(name => [name, [toNumber(reading.values[name] ?? null)]]))
  if (Object.values(signals).every(([value]) => value === null)) return undefined
  return { type: 'samples', machine: machine.id, kind: machine.kind, at: [reading.at], signals }
}

// Text never leaves the shop: a program name in a signal that was meant to be a number is no value.
const toNumber = (value: Value): number | null => {
  if (typeof value === 'boolean') return value ? 1 : 0
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}
