import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Exceptions, NOTHING_SAMPLED, type SampledSignal, stepSampler } from '../src/sampler.ts'
import type { Value, Values } from '../src/sources/source.ts'

const everyReading = (...signals: string[]): SampledSignal[] =>
  signals.map(signal => ({ signal, exceptions: undefined }))
const machineWith = (samples: readonly SampledSignal[]) => ({ id: 'm', kind: 'laser', samples }) as const
const first = (samples: readonly SampledSignal[], values: Values) =>
  stepSampler(machineWith(samples), NOTHING_SAMPLED, { at: 7, values }).record

describe('a row of samples', () => {
  it('has the numbers of its signals, with booleans as 0 and 1', () =>
    expect(first(everyReading('a', 'b', 'c'), { a: 1.5, b: true, c: null, d: 4 })).toEqual({
      type: 'samples',
      machine: 'm',
      kind: 'laser',
      at: [7],
      signals: { a: [1.5], b: [1] },
    }))

  it('never carries a text', () =>
    expect(first(everyReading('a', 'b', 'c'), { a: 'O1234 SECRET', b: false, c: Number.NaN })?.signals).toEqual({
      b: [0],
    }))

  it('is none without a value', () => {
    expect(first(everyReading('a', 'b'), { a: 'text', b: null })).toBe(undefined)
    expect(first([], { a: 1 })).toBe(undefined)
  })
})

/** The values of one signal, a second apart; which of them are recorded, by their index. */
const recorded = (exceptions: Partial<Exceptions>, values: readonly Value[]): number[] => {
  const all = { deadband: 0, deadbandPercent: 0, minIntervalMs: 0, maxIntervalMs: 60_000, ...exceptions }
  const machine = machineWith([{ signal: 'a', exceptions: all }])
  let state = NOTHING_SAMPLED
  return values.flatMap((a, second) => {
    const next = stepSampler(machine, state, { at: second * 1_000, values: { a } })
    state = next.state
    return next.record === undefined ? [] : [second]
  })
}

describe('report by exception', () => {
  it('records a value that differs by more than the deadband from the one recorded before, not from the one read before', () => {
    expect(recorded({}, [1, 1, 1, 2, 2, 1])).toEqual([0, 3, 5])
    expect(recorded({ deadband: 1 }, [5, 6, 4, 6.1, 5.5, 5.0])).toEqual([0, 3, 5])
    expect(recorded({ deadband: 1 }, [0, 0.4, 0.8, 1.2, 1.6, 2.0, 2.4])).toEqual([0, 3, 6])
  })

  it('takes the larger of the absolute and the relative deadband', () => {
    expect(recorded({ deadbandPercent: 10 }, [100, 109, 111, 121, 123])).toEqual([0, 2, 4])
    expect(recorded({ deadbandPercent: 10 }, [-100, -109, -111])).toEqual([0, 2])
    expect(recorded({ deadband: 5, deadbandPercent: 10 }, [1, 5, 6.5, 100, 109])).toEqual([0, 2, 3])
  })

  it('takes a signal that was not due for unchanged, and one without a value for lost', () => {
    const machine = machineWith([
      { signal: 'a', exceptions: { deadband: 0, deadbandPercent: 0, minIntervalMs: 0, maxIntervalMs: 60_000 } },
    ])
    const rows = [{ a: 1 }, {}, { a: 1 }, { a: null }, { a: 1 }]
    let state = NOTHING_SAMPLED
    const seconds = rows.flatMap((values: Values, second) => {
      const next = stepSampler(machine, state, { at: second * 1_000, values })
      state = next.state
      return next.record === undefined ? [] : [second]
    })
    expect(seconds).toEqual([0, 4])
  })

  it('waits for the shortest interval, and then records what still differs', () => {
    expect(recorded({ minIntervalMs: 3_000 }, [1, 2, 3, 4, 4, 4, 4])).toEqual([0, 3])
    expect(recorded({ minIntervalMs: 3_000 }, [1, 2, 1, 1, 1])).toEqual([0])
  })

  it('records after the longest interval without any change', () =>
    expect(recorded({ maxIntervalMs: 4_000 }, [1, 1, 1, 1, 1, 1, 1, 1, 1])).toEqual([0, 4, 8]))

  it('always records the first good value after one that was not', () =>
    expect(recorded({ deadband: 9 }, [1, null, 1, 1, 'text', 1, 1])).toEqual([0, 2, 5]))

  it('never leaves a value that is held further from the truth than the deadband, whatever the signal does', () =>
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.double({ min: -50, max: 50, noNaN: true }), fc.constant(null)), { maxLength: 200 }),
        fc.double({ min: 0, max: 10, noNaN: true }),
        fc.integer({ min: 1, max: 20 }),
        (values, deadband, maxS) => {
          const at = new Set(recorded({ deadband, maxIntervalMs: maxS * 1_000 }, values))
          let held: { value: number; second: number } | undefined
          for (const [second, value] of values.entries()) {
            if (value === null) {
              held = undefined
              expect(at.has(second)).toBe(false)
              continue
            }
            if (at.has(second)) held = { value, second }
            expect(held).toBeDefined()
            expect(Math.abs(value - (held?.value ?? Number.NaN))).toBeLessThanOrEqual(deadband)
            expect(second - (held?.second ?? 0)).toBeLessThan(maxS)
          }
        },
      ),
    ))
})
