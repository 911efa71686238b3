import type { MachineKind, MachineStatus, NakamaRecord, StateCode } from '@nakama/contract'
import type { Log } from '@nakama/service'
import { type MachineInput, type MachineState, startMachine, stateNow, stepMachine } from './machine.ts'
import { createReadingTimes } from './reading-times.ts'
import type { MachineSettings } from './settings.ts'
import { mayLeave, type Sharing } from './sharing.ts'
import type { ReadFailure, Reading, Sink } from './sources/source.ts'
import { type Explanation, explain } from './state/explain.ts'

/** All machines of the agent: takes readings, gives records. */
export interface Machines extends Sink {
  /** Once a second: silence and heartbeats. */
  tick(): void
  /** The clock was set; asked before anything is stamped with the new time. */
  clockStepped(byMs: number): void
  /** Says profile and state of every machine once more, for a database that has never heard of them. */
  sayAgain(): void
  /** Writes down up to when everything is known; no reading may come after it. */
  stop(): void
  status(): { [id: string]: MachineStatus }
  facts(): MachineFacts[]
  explain(): MachineExplanation[]
}

export interface MachineFacts {
  readonly id: string
  readonly code: StateCode
  /** Of the last reading; undefined before the first. */
  readonly readAt: number | undefined
  /** Of the last try to read, good or bad; of the start, before there was one. */
  readonly triedAt: number
  readonly offlineAfterMs: number
}

/** For people in the shop: what is known of a machine, and why. */
export interface MachineExplanation extends Explanation {
  readonly id: string
  readonly kind: MachineKind
  readonly name: string
  /** Of the newest reading; null before the first. */
  readonly readAt: number | null
  /** How far the machine's own clock is ahead of ours, milliseconds; null where it does not tell, or is near enough. */
  readonly clockAheadMs: number | null
  /** Why there are no readings, and since when; null while there are. */
  readonly failing: (ReadFailure & { readonly since: number }) | null
}

/** Values may have waited in the control for a while; a clock that is off by more is one that nobody has set. */
const CLOCK_OFF_MS = 60_000

export interface MachinesOptions {
  readonly machines: readonly MachineSettings[]
  readonly sharing: Sharing
  /** Up to when former epochs know a machine; undefined: there were none. */
  readonly knownUntil: (machine: string) => number | undefined
  readonly append: (record: NakamaRecord) => void
  readonly onStateChanged: () => void
  readonly now: () => number
  readonly log: Log
}

interface Entry {
  readonly settings: MachineSettings
  state: MachineState
  readonly ownTime: (at: number) => number
  reading: Reading | undefined
  triedAt: number
  clockAheadMs: number | null
  /** Undefined while readings come. */
  failing: (ReadFailure & { readonly since: number }) | undefined
}

export const openMachines = (options: MachinesOptions): Machines => {
  const { sharing, append, now, log } = options
  const started = now()
  const entries = new Map<string, Entry>()
  for (const settings of options.machines) {
    const state = startMachine(started, options.knownUntil(settings.id))
    const ownTime = createReadingTimes()
    entries.set(settings.id, {
      settings,
      state,
      ownTime,
      reading: undefined,
      triedAt: started,
      clockAheadMs: null,
      failing: undefined,
    })
  }

  const feed = (entry: Entry, input: MachineInput, at: number): void => {
    const { settings, state: before } = entry
    const { state, records, changed } = stepMachine(settings, before, input, at)
    entry.state = state
    for (const record of records) if (mayLeave(sharing, record)) append(record)
    if (!changed) return
    const { code, since } = stateNow(state)
    log.info({ machine: settings.id, state: code, since }, 'state changed')
    options.onStateChanged()
  }
  // Records are stamped by our clock; that of the machine only shows whether its own records can be laid beside them.
  const noteClock = (entry: Entry, { aheadMs }: Reading): void => {
    if (aheadMs === undefined) return
    const off = Math.abs(aheadMs) > CLOCK_OFF_MS ? aheadMs : null
    if ((off === null) !== (entry.clockAheadMs === null)) {
      const what = off === null ? 'the clock of the machine is right again' : 'the clock of the machine is wrong'
      log.warn({ machine: entry.settings.id, aheadMs, code: 'MACHINE_CLOCK' }, what)
    }
    entry.clockAheadMs = off
  }
  const feedAll = (input: MachineInput, at: number): void => {
    for (const entry of entries.values()) feed(entry, input, at)
  }

  return {
    reading(machine: string, taken: Reading) {
      const entry = entries.get(machine) as Entry
      const reading = { ...taken, at: entry.ownTime(taken.at) }
      if (entry.failing !== undefined) {
        log.info({ machine, durationMs: reading.at - entry.failing.since }, 'machine read again')
        entry.failing = undefined
      }
      noteClock(entry, reading)
      // A signal that was not due is shown as it was when it was.
      entry.reading = { ...reading, values: { ...entry.reading?.values, ...reading.values } }
      entry.triedAt = reading.at
      feed(entry, { type: 'reading', reading }, reading.at)
    },
    failure(machine: string, { kind, message }: ReadFailure) {
      const entry = entries.get(machine) as Entry
      entry.triedAt = now()
      const isNew = entry.failing === undefined
      entry.failing = { since: entry.failing?.since ?? entry.triedAt, kind, message }
      feed(entry, { type: 'failure' }, entry.triedAt)
      if (!isNew) return
      log.warn({ machine, kind, reason: message, code: 'MACHINE_NOT_READ' }, 'machine not read; trying on')
    },
    tick: () => feedAll({ type: 'tick' }, now()),
    clockStepped(byMs) {
      log.warn({ byMs, code: 'CLOCK_STEPPED' }, 'the clock was set')
      for (const entry of entries.values()) {
        entry.triedAt += byMs
        const { reading, failing } = entry
        if (reading !== undefined) entry.reading = { ...reading, at: reading.at + byMs }
        if (failing !== undefined) entry.failing = { ...failing, since: failing.since + byMs }
        // The time is not needed, and asking for it here would ask the clock that is just being set.
        feed(entry, { type: 'clock-stepped', byMs }, 0)
      }
    },
    sayAgain: () => feedAll({ type: 'say-again' }, now()),
    stop: () => feedAll({ type: 'stop' }, now()),
    status: () =>
      Object.fromEntries(
        [...entries.values()].map(({ settings: { id, kind, name }, state }) => [
          id,
          { kind, name, ...stateNow(state) },
        ]),
      ),
    facts: () =>
      [...entries.values()].map(({ settings, state, reading, triedAt }) => ({
        id: settings.id,
        code: stateNow(state).code,
        readAt: reading?.at,
        triedAt,
        offlineAfterMs: settings.timing.offlineAfterMs,
      })),
    explain: () =>
      [...entries.values()].map(
        ({ settings: { id, kind, name, rules, timing }, state, reading, failing, clockAheadMs }) => ({
          ...{ id, kind, name, readAt: reading?.at ?? null, clockAheadMs, failing: failing ?? null },
          ...explain(rules, timing, state.tracker, reading?.values ?? {}),
        }),
      ),
  }
}
