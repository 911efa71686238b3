import { STATE_CODES, type StateCode } from '@nakama/contract'
import type { Count, Rollup, Samples, StateInterval } from '@nakama/store'
import { clipped, MINUTE_MS } from '../faults/judge/spans.ts'
import type { KnownSpan } from '../final-states.ts'
import { type MachinePast, signalName, valueAt } from './past.ts'

/** What the store has of one machine and the time of its past. */
export interface StoredPast {
  readonly samples: Samples
  readonly counts: readonly Count[]
  readonly timeline: readonly StateInterval[]
  readonly minutes: readonly Rollup[]
  readonly hours: readonly Rollup[]
}

export interface PastVerdict {
  readonly machine: string
  readonly readings: number
  /** Readings that are not stored, stored and never read, or stored with another value. */
  readonly missing: number
  readonly foreign: number
  readonly wrongValues: number
  readonly wrongCounts: number
  /** States of the timeline that are not what was so; buckets of rollups that it does not add up to. */
  readonly wrongStates: number
  readonly wrongRollups: number
}

/** Holds what is stored of a past against what was journaled of it: each reading once, with its value, and nothing else. */
export const judgePast = (
  of: { readonly seed: number; readonly machine: number; readonly signals: number },
  past: MachinePast,
  stored: StoredPast,
): PastVerdict => {
  const { samples, counts, timeline, minutes, hours } = stored
  const read = new Set(past.readAt)
  const found = new Set(samples.at)
  const totals = new Map(counts.map(({ at, total }) => [at, total]))
  const parts = past.countedAt.length
  return {
    machine: past.machine,
    readings: past.readAt.length,
    missing: past.readAt.filter(at => !found.has(at)).length,
    // A time that is stored twice is one reading too many.
    foreign: samples.at.filter(at => !read.has(at)).length + samples.at.length - found.size,
    wrongValues: samples.at.filter((at, row) => !isAsRead(of, samples, at, row)).length,
    wrongCounts: past.countedAt.filter((at, n) => totals.get(at) !== n + 1).length + Math.abs(counts.length - parts),
    wrongStates: differing(past.spans, timeline),
    wrongRollups: wrongBuckets(past.spans, minutes, MINUTE_MS) + wrongBuckets(past.spans, hours, 60 * MINUTE_MS),
  }
}

/** Each journaled state at its place, and nothing beside it. */
export const differing = (spans: readonly KnownSpan[], timeline: readonly StateInterval[]): number => {
  const key = ({ code, from, to }: KnownSpan): string => `${code} ${from} ${to}`
  const said = new Set(spans.map(key))
  const known = new Set(timeline.filter(({ provisional }) => !provisional).map(key))
  return [...said].filter(each => !known.has(each)).length + timeline.filter(each => !said.has(key(each))).length
}

const isAsRead = (
  { seed, machine, signals }: Parameters<typeof judgePast>[0],
  { signals: columns }: Samples,
  at: number,
  row: number,
): boolean => {
  for (let signal = 0; signal < signals; signal++) {
    if (columns[signalName(signal)]?.[row] !== valueAt(seed, machine, signal, at)) return false
  }
  return true
}

const wrongBuckets = (spans: readonly KnownSpan[], rollups: readonly Rollup[], bucketMs: number): number => {
  const stored = new Map(rollups.map(({ at, stateMs }) => [at, stateMs]))
  const [first, last] = [spans[0]?.from ?? 0, spans.at(-1)?.to ?? 0]
  let wrong = 0
  for (let at = Math.ceil(first / bucketMs) * bucketMs; at + bucketMs <= last; at += bucketMs) {
    const bucket = { from: at, to: at + bucketMs }
    const inIt = spans.filter(({ from, to }) => from < bucket.to && bucket.from < to)
    const spent = (code: StateCode): number =>
      clipped(
        inIt.filter(span => span.code === code),
        bucket,
      ).reduce((sum, { from, to }) => sum + to - from, 0)
    if (STATE_CODES.some(code => spent(code) !== (stored.get(at)?.[code] ?? 0))) wrong++
  }
  return wrong
}
