import type { TruthLine } from '@nakama/simulators'
import { describe, expect, it } from 'vitest'
import { codesWithin, DEFAULT_WAITS, expectedStates } from '../src/expected-states.ts'

type Step = [atS: number, state: TruthLine['state'], more?: Partial<TruthLine>]

const shownAt = (steps: Step[], ...atS: number[]): string[] => {
  const truth = steps.map(
    ([at, state, more]): TruthLine => ({
      ...{ at: at * 1_000, simAt: at * 1_000, state, done: false, reachable: true },
      ...{ activity: '', doorOpen: false, parts: 0, ...more },
    }),
  )
  const expected = expectedStates(truth, DEFAULT_WAITS, { from: 0, to: 2_000_000, everyMs: 100 })
  return atS.map(at => [...codesWithin(expected, at * 1_000, at * 1_000)][0] as string)
}

describe('the plain rules', () => {
  it('take the first reading at once', () => {
    expect(shownAt([[0, 'PAUSED']], 0)).toEqual(['PAUSED'])
  })
  it('bridge ten seconds in RUNNING, and no more', () => {
    expect(
      shownAt(
        [
          [0, 'RUNNING'],
          [20, 'PAUSED'],
          [30, 'RUNNING'],
        ],
        25,
        29.9,
        31,
      ),
    ).toEqual(['RUNNING', 'RUNNING', 'RUNNING'])
    expect(
      shownAt(
        [
          [0, 'RUNNING'],
          [20, 'PAUSED'],
          [40, 'RUNNING'],
        ],
        29,
        31,
        41,
      ),
    ).toEqual(['RUNNING', 'PAUSED', 'RUNNING'])
  })
  it('call a machine idle after five quiet minutes, or ten seconds when it says so', () => {
    expect(
      shownAt(
        [
          [0, 'RUNNING'],
          [10, 'IDLE'],
        ],
        309,
        311,
      ),
    ).toEqual(['RUNNING', 'IDLE'])
    expect(
      shownAt(
        [
          [0, 'RUNNING'],
          [10, 'IDLE', { done: true }],
        ],
        19,
        21,
      ),
    ).toEqual(['RUNNING', 'IDLE'])
  })
  it('raise an alarm after two seconds and clear it after five', () => {
    expect(
      shownAt(
        [
          [0, 'RUNNING'],
          [10, 'ALARM'],
          [20, 'IDLE'],
        ],
        11,
        13,
        24,
        26,
      ),
    ).toEqual(['RUNNING', 'ALARM', 'ALARM', 'IDLE'])
    expect(
      shownAt(
        [
          [0, 'RUNNING'],
          [10, 'ALARM'],
          [11, 'RUNNING'],
        ],
        11,
        13,
      ),
    ).toEqual(['RUNNING', 'RUNNING'])
  })
  it('call thirty seconds of silence OFFLINE, never idle', () => {
    const steps: Step[] = [
      [0, 'RUNNING'],
      [10, 'IDLE', { reachable: false }],
      [100, 'IDLE'],
    ]
    expect(shownAt(steps, 39, 41, 99, 101)).toEqual(['RUNNING', 'OFFLINE', 'OFFLINE', 'IDLE'])
  })
})
