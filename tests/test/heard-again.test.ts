import type { TruthLine } from '@nakama/simulators'
import { describe, expect, it } from 'vitest'
import { heardAgain } from '../src/heard-again.ts'

const line = (at: number, state: TruthLine['state'], reachable = true): TruthLine => ({
  ...{ at, simAt: at, state, reachable, done: false },
  ...{ activity: '', doorOpen: false, parts: 0 },
})
const known = (lines: readonly TruthLine[]) => lines.map(({ at, state, reachable }) => [at, state, reachable])

describe('what somebody outside could know', () => {
  it('begins with the first answer, whatever was before', () => {
    const { truth, slowestMs } = heardAgain([line(0, 'RUNNING'), line(50, 'IDLE')], [{ at: 60, tick: 1 }])
    expect(known(truth)).toEqual([
      [0, 'RUNNING', false],
      [50, 'IDLE', false],
      [60, 'IDLE', true],
    ])
    expect(slowestMs).toBe(0)
  })

  it('goes on after an outage with the first answer, and says how long that took', () => {
    const lines = [line(0, 'RUNNING'), line(100, 'RUNNING', false), line(200, 'IDLE')]
    const { truth, slowestMs } = heardAgain(
      lines,
      [0, 90, 230].map(at => ({ at, tick: at })),
    )
    expect(known(truth)).toEqual([
      [0, 'RUNNING', true],
      [100, 'RUNNING', false],
      [200, 'IDLE', false],
      [230, 'IDLE', true],
    ])
    expect(slowestMs).toBe(30)
  })

  it('is nothing of a machine that never answered', () => {
    expect(heardAgain([line(0, 'IDLE')], []).truth.every(({ reachable }) => !reachable)).toBe(true)
  })
})
