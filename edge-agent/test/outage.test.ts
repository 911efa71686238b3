import { checkRecord } from '@nakama/contract'
import { describe, expect, it } from 'vitest'
import { NO_READING_YET, type OutageGap, type OutageInput, stepOutage } from '../src/outage.ts'

const POLL_MS = 1_000
const T = 1_700_000_000_000

const run = (...inputs: readonly (readonly [number, OutageInput])[]): OutageGap[] => {
  let state = NO_READING_YET
  const gaps: OutageGap[] = []
  for (const [at, input] of inputs) {
    const next = stepOutage(state, input, POLL_MS, T + at)
    state = next.state
    if (next.gap !== undefined) gaps.push(next.gap)
  }
  for (const gap of gaps) {
    expect(checkRecord({ type: 'gap', at: T, machine: 'm', ...gap })).toMatchObject({ ok: true })
    // What the state was is the tracker's to say: a gap of everything would make the machine OFFLINE.
    expect(gap.what).toBe('samples')
  }
  return gaps
}
const read = (at: number, isLossy = false, quietMs = 0): readonly [number, OutageInput] => [
  at,
  { type: 'reading', isLossy, quietMs },
]
const fail = (at: number): readonly [number, OutageInput] => [at, { type: 'failure' }]
const gap = (from: number, to: number, why: OutageGap['why'] = 'source-outage'): OutageGap => ({
  ...{ from: T + from, to: T + to, what: 'samples', why },
})

describe('a gap between two readings', () => {
  it('is told once for any number of failures, from the last reading to the first new one, however short', () => {
    expect(run(read(0), fail(500), read(900), read(1_900))).toEqual([gap(0, 900)])
    expect(run(read(0), fail(1_000), fail(2_000), fail(90_000), read(91_000), read(92_000))).toEqual([gap(0, 91_000)])
  })

  it('is told when readings fall out without a failure, and not while they only come late', () => {
    expect(run(read(0), read(3_000), read(6_000))).toEqual([])
    expect(run(read(0), read(3_001))).toEqual([gap(0, 3_001)])
  })

  it('is not told of a machine that speaks by itself and has nothing to say, as long as it says that in time', () => {
    expect(run(read(0, false, 5_000), read(10_000, false, 5_000))).toEqual([])
    expect(run(read(0, false, 5_000), read(10_001, false, 5_000))).toEqual([gap(0, 10_001)])
  })

  it('is none before the first reading, which the first words of an epoch tell of', () =>
    expect(run(fail(0), fail(1_000), read(2_000), read(3_000))).toEqual([]))

  it('is told when the source threw values away, and as the outage when it was one', () => {
    expect(run(read(0), read(1_000, true), read(2_000))).toEqual([gap(0, 1_000, 'source-overflow')])
    expect(run(read(0), fail(500), read(1_000, true))).toEqual([gap(0, 1_000)])
    expect(run(read(0, true))).toEqual([])
  })

  it('moves with the clock, and never ends before it began', () => {
    expect(run(read(0), [500, { type: 'clock-stepped', byMs: 3_600_000 }], read(3_600_900))).toEqual([])
    expect(run(read(0), fail(500), [600, { type: 'clock-stepped', byMs: 60_000 }], read(61_000))).toEqual([
      gap(60_000, 61_000),
    ])
    expect(run(read(5_000), fail(5_500), read(4_000))).toEqual([])
  })
})
