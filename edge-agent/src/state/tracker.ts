import type { StateCode } from '@nakama/contract'
import type { Evidence, KnownCode } from './rules.ts'

/** All durations in milliseconds. */
export interface Timing {
  /** RUNNING survives other activity (paused, set up, switched off) of up to this long. */
  readonly runningGapMs: number
  /** A fault counts once it has lasted this long. */
  readonly alarmAfterMs: number
  /** ALARM ends once the fault has been gone this long. */
  readonly alarmClearedMs: number
  /** IDLE needs this much quiet. */
  readonly idleAfterMs: number
  /** IDLE that the machine says itself, or after OFF, needs only this much. */
  readonly doneAfterMs: number
  /** OFFLINE without a good reading for this long. */
  readonly offlineAfterMs: number
  /** The state is repeated this often while nothing changes. */
  readonly heartbeatMs: number
}

export type TrackerInput =
  /** A reading and what it shows; null when it shows nothing, which counts as no reading. */
  | { readonly type: 'reading'; readonly evidence: Evidence | null }
  /** Time passed. */
  | { readonly type: 'tick' }
  /** The clock was set; `now` is already by the new one. */
  | { readonly type: 'clock-stepped'; readonly byMs: number }

/** What to write down: the machine is in `code` since `since`, known at `at`. */
export interface StateOutput {
  readonly code: StateCode
  readonly since: number
  readonly at: number
  /** False for a heartbeat. */
  readonly changed: boolean
}

/** Times are milliseconds since 1970 UTC. A stretch is the time since which every reading has shown something without a break. */
export interface TrackerState {
  /** Undefined until the first good reading, or until there was none for too long. */
  readonly code: StateCode | undefined
  readonly since: number
  /** Of the last good reading; of the start, before there was one. */
  readonly goodAt: number
  /** Of the last output. */
  readonly saidAt: number
  /** The code that the last good reading showed. */
  readonly shown: KnownCode | undefined
  readonly shownFrom: number
  readonly doneFrom: number | undefined
  /** Anything but `code`. */
  readonly awayFrom: number | undefined
  /** Anything but `code` and IDLE. */
  readonly elsewhereFrom: number | undefined
}

const NO_STRETCHES = {
  shown: undefined,
  doneFrom: undefined,
  awayFrom: undefined,
  elsewhereFrom: undefined,
} as const

export const startTracking = (now: number): TrackerState => ({
  code: undefined,
  since: now,
  goodAt: now,
  saidAt: now,
  shownFrom: now,
  ...NO_STRETCHES,
})

/**
 * Debounces evidence into the state of the board. From the row's state, when readings show the column:
 *
 * | from \ shown | RUNNING | PAUSED, SETUP | IDLE | IDLE, done | ALARM | OFF |
 * |---|---|---|---|---|---|---|
 * | none, OFFLINE | at once | at once | at once | at once | at once | at once |
 * | RUNNING | – | after runningGap | after idleAfter | after doneAfter | after alarmAfter | after runningGap |
 * | PAUSED, SETUP | at once | at once | after idleAfter | after doneAfter | after alarmAfter | at once |
 * | IDLE | at once | at once | – | – | after alarmAfter | at once |
 * | OFF | at once | at once | after doneAfter | after doneAfter | after alarmAfter | – |
 * | ALARM | after alarmCleared | after alarmCleared | after alarmCleared | after alarmCleared | – | after alarmCleared |
 *
 * A change counts from the reading that first showed it (`since` goes back there, and every good reading from there on
 * showed it): IDLE from the first quiet reading after the last activity, ALARM from the first faulty one. Until then the
 * former state holds, and is what a heartbeat says. RUNNING's gap lasts while readings show neither RUNNING nor IDLE,
 * the clearing of ALARM while they show anything but ALARM, whatever it is. Only good readings change a state, except that
 * silence of offlineAfter makes any state OFFLINE, since the last good reading.
 *
 * `now` must not go back without a `clock-stepped`. `since` is never after `at`, and `at` ascends.
 */
export const step = (
  timing: Timing,
  before: TrackerState,
  input: TrackerInput,
  now: number,
): { readonly state: TrackerState; readonly outputs: StateOutput[] } => {
  if (input.type === 'clock-stepped') return { state: shift(before, input.byMs), outputs: [] }
  const outputs: StateOutput[] = []
  let state = before

  const say = (code: StateCode, since: number): void => {
    outputs.push({ code, since, at: now, changed: code !== state.code })
    state = { ...state, code, since, saidAt: now }
  }

  if (now - state.goodAt >= timing.offlineAfterMs && state.code !== 'OFFLINE') {
    say('OFFLINE', state.goodAt)
    state = { ...state, ...NO_STRETCHES }
  }
  if (input.type === 'reading' && input.evidence !== null) {
    state = extendStretches(state, input.evidence, now)
    if (now >= countsFrom(timing, state)) {
      say(input.evidence.code, state.shownFrom)
      state = { ...state, awayFrom: undefined, elsewhereFrom: undefined }
    }
  }
  // Only a good reading may repeat a known state: a heartbeat says up to when it is known.
  const known = state.code !== undefined && (state.code === 'OFFLINE' || state.goodAt === now)
  if (known && now - state.saidAt >= timing.heartbeatMs) say(state.code as StateCode, state.since)
  return { state, outputs }
}

const extendStretches = (state: TrackerState, { code, done }: Evidence, now: number): TrackerState => {
  const stretch = (goesOn: boolean, from: number | undefined): number | undefined =>
    goesOn ? (from ?? now) : undefined
  return {
    ...state,
    goodAt: now,
    shown: code,
    shownFrom: code === state.shown ? state.shownFrom : now,
    doneFrom: stretch(done, state.doneFrom),
    awayFrom: stretch(code !== state.code, state.awayFrom),
    elsewhereFrom: stretch(code !== state.code && code !== 'IDLE', state.elsewhereFrom),
  }
}

/** From when on what the machine shows becomes its state, should it go on showing it; never, when it is that already. */
export const countsFrom = (timing: Timing, state: TrackerState): number => {
  const after = (from: number | undefined, ms: number): number => (from === undefined ? NEVER : from + ms)
  const { code, shown, shownFrom } = state
  if (shown === undefined || shown === code) return NEVER
  if (code === undefined || code === 'OFFLINE') return shownFrom
  if (code === 'ALARM') return after(state.awayFrom, timing.alarmClearedMs)
  if (shown === 'ALARM') return after(shownFrom, timing.alarmAfterMs)
  if (shown === 'IDLE') {
    const quietMs = code === 'OFF' ? timing.doneAfterMs : timing.idleAfterMs
    return Math.min(after(shownFrom, quietMs), after(state.doneFrom, timing.doneAfterMs))
  }
  // A gap of exactly the limit is still bridged.
  return code === 'RUNNING' ? after(state.elsewhereFrom, timing.runningGapMs + 1) : shownFrom
}

const NEVER = Number.POSITIVE_INFINITY

const shift = (state: TrackerState, byMs: number): TrackerState => {
  const move = (time: number): number => Math.max(0, time + byMs)
  const moveIf = (time: number | undefined): number | undefined => (time === undefined ? undefined : move(time))
  return {
    code: state.code,
    since: move(state.since),
    goodAt: move(state.goodAt),
    saidAt: move(state.saidAt),
    shown: state.shown,
    shownFrom: move(state.shownFrom),
    doneFrom: moveIf(state.doneFrom),
    awayFrom: moveIf(state.awayFrom),
    elsewhereFrom: moveIf(state.elsewhereFrom),
  }
}
