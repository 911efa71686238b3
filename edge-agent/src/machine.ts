import { isBootTime, type NakamaRecord, type StateCode } from '@nakama/contract'
import { type CounterState, START_COUNTING, stepCounter } from './counter.ts'
import { NO_READING_YET, type OutageState, stepOutage } from './outage.ts'
import { NOTHING_SAMPLED, type SamplerState, stepSampler } from './sampler.ts'
import type { MachineSettings } from './settings.ts'
import type { Reading } from './sources/source.ts'
import { evaluate } from './state/rules.ts'
import { type StateOutput, startTracking, step, type TrackerInput, type TrackerState } from './state/tracker.ts'

export type MachineInput =
  | { readonly type: 'reading'; readonly reading: Reading }
  /** A try to read it that gave nothing. */
  | { readonly type: 'failure' }
  | { readonly type: 'tick' }
  | { readonly type: 'clock-stepped'; readonly byMs: number }
  /** The agent stops in good order. */
  | { readonly type: 'stop' }
  /** Somebody needs profile and state once more. */
  | { readonly type: 'say-again' }

type TrackedInput = Exclude<MachineInput, { readonly type: 'stop' | 'say-again' | 'failure' }>

export interface MachineState {
  readonly tracker: TrackerState
  readonly counter: CounterState
  readonly sampler: SamplerState
  readonly outage: OutageState
  /** Up to when former epochs of the journal know this machine; undefined on a fresh card, and once the gap is written. */
  readonly knownUntil: number | undefined
}

export const startMachine = (now: number, knownUntil: number | undefined): MachineState => ({
  tracker: startTracking(now),
  counter: START_COUNTING,
  sampler: NOTHING_SAMPLED,
  outage: NO_READING_YET,
  knownUntil,
})

/** What the board shows now. Before the first good reading nobody knows. */
export const stateNow = ({ tracker }: MachineState): { readonly code: StateCode; readonly since: number } => ({
  code: tracker.code ?? 'OFFLINE',
  since: tracker.since,
})

/**
 * From one machine's readings to its records. The first words of an epoch about a machine are the gap since the former
 * epoch, its profile and its state; a machine that never answers says OFFLINE so.
 *
 * @param now milliseconds since 1970 UTC; for a reading, when it was taken.
 */
export const stepMachine = (
  machine: MachineSettings,
  before: MachineState,
  input: MachineInput,
  now: number,
): { readonly state: MachineState; readonly records: NakamaRecord[]; readonly changed: boolean } => {
  if (input.type === 'stop') return { state: before, records: lastWord(machine, before), changed: false }
  if (input.type === 'say-again') {
    const state = { ...before, sampler: NOTHING_SAMPLED }
    return { state, records: repeated(machine, before, now), changed: false }
  }
  const { pollMs } = machine.source
  if (input.type === 'failure') {
    const { state: outage } = stepOutage(before.outage, input, pollMs, now)
    return { state: { ...before, outage }, records: [], changed: false }
  }
  const { state: tracker, outputs } = step(machine.timing, before.tracker, toTrackerInput(machine, input), now)
  const records = outputs.map(output => stateRecord(machine, output))
  if (before.tracker.code === undefined && outputs.length > 0) {
    records.unshift(...firstWords(machine, before, tracker.since, now))
  }
  let state: MachineState = {
    ...before,
    tracker,
    knownUntil: tracker.code === undefined ? knownAfter(before, input) : undefined,
  }
  // After an outage the first value is news, and after a step of the clock no interval can be told.
  if (tracker.code === 'OFFLINE' || input.type === 'clock-stepped') state = { ...state, sampler: NOTHING_SAMPLED }
  if (input.type === 'clock-stepped') {
    state = { ...state, outage: stepOutage(state.outage, input, pollMs, now).state }
  }
  if (input.type === 'reading') {
    const { isLossy = false, quietMs = 0 } = input.reading
    const { state: outage, gap } = stepOutage(state.outage, { type: 'reading', isLossy, quietMs }, pollMs, now)
    // After an outage, however short, the first value is news.
    state = gap === undefined ? { ...state, outage } : { ...state, outage, sampler: NOTHING_SAMPLED }
    if (gap !== undefined) records.push({ type: 'gap', at: now, machine: machine.id, ...gap })
    if (machine.counter !== undefined) {
      const { signal, range } = machine.counter
      const counted = stepCounter(state.counter, input.reading.values[signal] ?? null, range)
      state = { ...state, counter: counted.state }
      if (counted.output !== undefined) records.push({ type: 'count', at: now, ...who(machine), ...counted.output })
    }
    const sampled = stepSampler(machine, state.sampler, input.reading)
    state = { ...state, sampler: sampled.state }
    if (sampled.record !== undefined) records.push(sampled.record)
  }
  return { state, records, changed: outputs.some(output => output.changed) }
}

/** What an earlier life of this boot read before the time was known moves with the clock; real time stays. */
const knownAfter = ({ knownUntil }: MachineState, input: TrackedInput): number | undefined =>
  input.type === 'clock-stepped' && knownUntil !== undefined && isBootTime(knownUntil)
    ? knownUntil + input.byMs
    : knownUntil

const who = ({ id, kind }: MachineSettings) => ({ machine: id, kind }) as const

const toTrackerInput = (machine: MachineSettings, input: TrackedInput): TrackerInput =>
  input.type === 'reading' ? { type: 'reading', evidence: evaluate(machine.rules, input.reading.values) } : input

const stateRecord = (machine: MachineSettings, { at, code, since }: StateOutput): NakamaRecord => ({
  type: 'state',
  at,
  ...who(machine),
  code,
  since,
})

const profileRecord = (machine: MachineSettings, at: number): NakamaRecord => ({
  type: 'profile',
  at,
  ...who(machine),
  name: machine.name,
})

const firstWords = (
  machine: MachineSettings,
  { knownUntil }: MachineState,
  since: number,
  now: number,
): NakamaRecord[] => {
  const profile = profileRecord(machine, now)
  const gap = { type: 'gap', at: now, machine: machine.id, what: 'all' } as const
  // Whatever was known before, perhaps from another card: nobody watched in between, and nobody knows for how long.
  if (knownUntil === undefined) return [{ ...gap, from: since, to: since, why: 'journal-new' }, profile]
  // A clock that went back since then leaves no gap that could be told; one that nobody has set yet only seems to have.
  if (knownUntil >= now && isBootTime(knownUntil) === isBootTime(now)) return [profile]
  return [{ ...gap, from: knownUntil, to: now, why: 'agent-stopped' }, profile]
}

const repeated = (machine: MachineSettings, { tracker }: MachineState, now: number): NakamaRecord[] => {
  const { code, since, goodAt, saidAt } = tracker
  if (code === undefined) return []
  const at = code === 'OFFLINE' ? now : Math.max(goodAt, saidAt)
  return [profileRecord(machine, now), stateRecord(machine, { code, since, at, changed: false })]
}

// With it the gap of a restart is as long as the restart, not as the time since the last heartbeat.
const lastWord = (machine: MachineSettings, { tracker }: MachineState): NakamaRecord[] => {
  const { code, since, goodAt, saidAt } = tracker
  if (code === undefined || code === 'OFFLINE' || goodAt <= saidAt) return []
  return [stateRecord(machine, { code, since, at: goodAt, changed: false })]
}
