import type { StateCode } from '@nakama/contract'
import type { TruthLine } from '@nakama/simulators'

/** The waiting times of the state rules, milliseconds. */
export interface Waits {
  readonly runningGapMs: number
  readonly alarmAfterMs: number
  readonly alarmClearedMs: number
  readonly idleAfterMs: number
  readonly doneAfterMs: number
  readonly offlineAfterMs: number
}

export const DEFAULT_WAITS: Waits = {
  runningGapMs: 10_000,
  alarmAfterMs: 2_000,
  alarmClearedMs: 5_000,
  idleAfterMs: 300_000,
  doneAfterMs: 10_000,
  offlineAfterMs: 30_000,
}

/** What the board should show at `at`, and at every `everyMs` from there on. */
export interface ExpectedStates {
  readonly at: number
  readonly everyMs: number
  readonly codes: readonly StateCode[]
}

/**
 * What a board should show, from what a machine truly did: the state rules of the design once more, written as plainly as
 * possible and sharing nothing with the agent. It looks at each moment of a fine grid, and asks of each rule since when
 * the truth has been so.
 */
export const expectedStates = (
  truth: readonly TruthLine[],
  waits: Waits,
  { from, to, everyMs }: { readonly from: number; readonly to: number; readonly everyMs: number },
): ExpectedStates => {
  const codes: StateCode[] = []
  let shown: StateCode = 'OFFLINE'
  let unheardSince = from
  /** Since when each of these has been so without a break, by name. */
  const since = new Map<string, number>()
  const lasted = (name: string, holds: boolean, now: number): number => {
    if (!holds) since.delete(name)
    else if (!since.has(name)) since.set(name, now)
    return holds ? now - (since.get(name) as number) : -1
  }

  let line = 0
  for (let now = from; now < to; now += everyMs) {
    while ((truth[line + 1]?.at ?? Number.POSITIVE_INFINITY) <= now) line += 1
    const truly = truth[line]
    if (truly?.reachable) {
      unheardSince = now
      const { state, done } = truly
      const sameFor = lasted(`is ${state}`, true, now)
      for (const name of since.keys()) if (name.startsWith('is ') && name !== `is ${state}`) since.delete(name)
      const doneFor = lasted('done', done, now)
      const notAlarmFor = lasted('not alarm', state !== 'ALARM', now)
      const busyElsewhereFor = lasted(
        'busy elsewhere',
        shown === 'RUNNING' && state !== 'RUNNING' && state !== 'IDLE',
        now,
      )
      const idleWait: number = shown === 'OFF' ? waits.doneAfterMs : waits.idleAfterMs
      const isIdle: boolean = sameFor >= idleWait || doneFor >= waits.doneAfterMs
      if (shown === 'OFFLINE') shown = state
      else if (shown === 'ALARM') shown = notAlarmFor >= waits.alarmClearedMs ? state : shown
      else if (state === 'ALARM') shown = sameFor >= waits.alarmAfterMs ? 'ALARM' : shown
      else if (state === 'IDLE') shown = isIdle ? 'IDLE' : shown
      else if (shown === 'RUNNING' && state !== 'RUNNING') shown = busyElsewhereFor > waits.runningGapMs ? state : shown
      else shown = state
    } else if (now - unheardSince >= waits.offlineAfterMs) {
      shown = 'OFFLINE'
      since.clear()
    }
    codes.push(shown)
  }
  return { at: from, everyMs, codes }
}

/** Every code that was to be shown at some moment from `from` to `to`, both included. */
export const codesWithin = ({ at, everyMs, codes }: ExpectedStates, from: number, to: number): Set<StateCode> =>
  new Set(codes.slice(Math.max(0, Math.floor((from - at) / everyMs)), Math.max(0, Math.ceil((to - at) / everyMs)) + 1))
