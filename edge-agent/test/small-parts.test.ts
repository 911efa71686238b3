import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { watchClock } from '../src/clock.ts'
import { START_COUNTING, stepCounter } from '../src/counter.ts'
import { createReadingTimes } from '../src/reading-times.ts'
import type { Value } from '../src/sources/source.ts'

const count = (range: number, ...values: Value[]) => {
  let state = START_COUNTING
  return values.map(value => {
    const next = stepCounter(state, value, range)
    state = next.state
    return next.output?.parts
  })
}

describe('the counter', () => {
  it('counts differences, and nothing at first', () =>
    expect(count(2 ** 32, 100, 100, 101, 104)).toEqual([undefined, undefined, 1, 3]))

  it('counts on when the number runs over', () => {
    expect(count(2 ** 16, 65_534, 1)).toEqual([undefined, 3])
    expect(count(2 ** 32, 2 ** 32 - 1, 0)).toEqual([undefined, 1])
  })

  it('invents no parts when it is reset, set or misread', () => {
    expect(count(2 ** 16, 60_000, 0)).toEqual([undefined, undefined])
    expect(count(2 ** 32, 500, 0, 1, 4_000_000_000, 7, 8)).toEqual([undefined, undefined, 1, undefined, undefined, 1])
  })

  it('counts across missing values', () =>
    expect(count(2 ** 32, 5, null, 'x', -1, 1.5, 7)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      2,
    ]))

  it('counts as many parts as were made, wherever it runs over', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 65_535 }), fc.array(fc.integer({ min: 0, max: 999 })), (first, steps) => {
        let total = first
        const totals = [first, ...steps.map(step => (total += step))]
        const parts = count(2 ** 16, ...totals.map(total => total % 2 ** 16))
        expect(parts.reduce<number>((sum, one) => sum + (one ?? 0), 0)).toBe(total - first)
      }),
    )
  })
})

describe('the clock', () => {
  it('tells a step of either direction before it gives the new time, and no slewing', () => {
    let [wall, mono] = [1_000_000, 0]
    const told: number[] = []
    const clock = watchClock(
      () => wall,
      () => mono,
      byMs => told.push(byMs),
    )
    const pass = (wallMs: number, monoMs: number): number => {
      wall += wallMs
      mono += monoMs
      return clock.now()
    }
    for (let i = 0; i < 100; i++) pass(1_000.5, 1_000)
    expect(told).toEqual([])
    expect(pass(3_600_000 + 100, 100)).toBe(wall)
    expect(pass(-10_800_000, 0)).toBe(wall)
    expect(pass(500, 500)).toBe(wall)
    expect(told).toEqual([3_600_000, -10_800_000])
  })
})

describe('the times of readings', () => {
  it("are the clock's, and each is given once, even when the clock is set back", () => {
    const ownTime = createReadingTimes()
    expect([1_000, 2_000, 3_001].map(ownTime)).toEqual([1_000, 2_000, 3_001])
    expect([1_000, 2_001, 3_000, 1_000].map(ownTime)).toEqual([1_001, 2_001, 3_000, 1_002])
  })
  it('are remembered for so long and no longer', () => {
    const ownTime = createReadingTimes()
    for (let at = 0; at < 2_000; at++) ownTime(at * 1_000)
    expect(ownTime(1_999_000 - 1_023_000)).toBe(976_001)
    expect(ownTime(0)).toBe(0)
  })
})
