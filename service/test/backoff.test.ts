import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoffMs } from '../src/index.ts'

describe('back-off', () => {
  it('stays between nothing and the ceiling, however often it is tried', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, random) => {
        const pause = backoffMs(attempt, 500, 30_000, () => random)
        expect(pause).toBeGreaterThanOrEqual(0)
        expect(pause).toBeLessThan(30_000)
      }),
    )
  })

  it('doubles its ceiling with each attempt', () => {
    const almostOne = () => 0.999999
    expect([0, 1, 2, 3].map(attempt => backoffMs(attempt, 500, 30_000, almostOne))).toEqual([499, 999, 1_999, 3_999])
  })
})
