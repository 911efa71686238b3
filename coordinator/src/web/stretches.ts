import { STATE_CODES, type StateCode } from '@nakama/contract'
import type { TimelineAnswer } from '../api/schemas.ts'

export interface Stretch {
  readonly from: number
  readonly to: number
  readonly state: StateCode
}

/** Whether a stretch is confirmed yet is of no interest to a reader: neighbours of one state are one. */
export const joinStretches = (intervals: TimelineAnswer['intervals']): Stretch[] => {
  const stretches: Stretch[] = []
  for (const { from, to, state } of intervals) {
    const last = stretches.at(-1)
    const next = { from: Date.parse(from), to: Date.parse(to), state }
    if (last?.state === state) stretches[stretches.length - 1] = { ...last, to: next.to }
    else stretches.push(next)
  }
  return stretches
}

/** Milliseconds per state that occurs, in the order of the states. */
export const sumByState = (stretches: readonly Stretch[]): { state: StateCode; ms: number }[] =>
  STATE_CODES.map(state => ({
    state,
    ms: stretches.filter(stretch => stretch.state === state).reduce((sum, { from, to }) => sum + to - from, 0),
  })).filter(({ ms }) => ms > 0)
