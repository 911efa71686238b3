import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BOOT_TIME_ZERO, decodeBatches, encodeBatch, hasBootTimes, isBootTime, moveBootTimes } from '../src/index.ts'

const YEAR_MS = 365 * 86_400_000
const bootTime = fc.integer({ min: BOOT_TIME_ZERO, max: BOOT_TIME_ZERO + 9 * YEAR_MS })
const realTime = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2100, 0, 1) })
const shift = fc.integer({ min: 20 * YEAR_MS, max: 80 * YEAR_MS })

describe('boot times', () => {
  it('are moved wherever a record has them, and real ones stay', () => {
    fc.assert(
      fc.property(bootTime, bootTime, realTime, shift, (a, b, real, byMs) => {
        expect(moveBootTimes({ type: 'gap', at: a, from: real, to: b, what: 'all' }, byMs)).toEqual({
          type: 'gap',
          at: a + byMs,
          from: real,
          to: b + byMs,
          what: 'all',
        })
        expect(moveBootTimes({ type: 'samples', at: [a, real], signals: { t: [a] } }, byMs)).toEqual({
          type: 'samples',
          at: [a + byMs, real],
          signals: { t: [a] },
        })
        expect(moveBootTimes({ type: 'taking', at: a, until: null, rev: 1 }, byMs)).toMatchObject({
          at: a + byMs,
          until: null,
        })
      }),
    )
  })

  it('are told apart from real ones by themselves', () => {
    fc.assert(
      fc.property(bootTime, realTime, shift, (boot, real, byMs) => {
        expect([isBootTime(boot), isBootTime(real), isBootTime(boot + byMs)]).toEqual([true, false, false])
        expect([hasBootTimes({ at: real, since: boot }), hasBootTimes({ at: [real] })]).toEqual([true, false])
      }),
    )
  })

  it('never make anything else of what is no record', () => {
    fc.assert(
      fc.property(fc.jsonValue(), shift, (value, byMs) => {
        if (!hasBootTimes(value)) expect(moveBootTimes(value, byMs)).toBe(value)
      }),
    )
  })

  it('go with what is said about them beside the records', () => {
    const id = { lane: 'events', epoch: '0123456789abcdef', seq: 3 } as const
    for (const clock of [{}, { shiftMs: 5 }, { unsynchronised: { from: 1, to: 2 } }]) {
      const [decoded] = decodeBatches(encodeBatch(id, 1, '[]', clock))
      expect(decoded).toMatchObject({ ok: true, batch: { ...id, oldest: 1, records: [], ...clock } })
    }
  })
})
