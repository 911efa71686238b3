import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Samples, Series, Store, StoreWrite } from '../src/index.ts'
import { DAY_MS, HOUR_MS, machines, T0, writeAll } from './support.ts'

const NAMES = ['load', 'speed', 'ticks', 'lamp_red'] as const

interface Reading {
  readonly at: number
  readonly values: { readonly [name: string]: number | null }
}

const value = fc.oneof(
  fc.constant(null),
  fc.integer(),
  fc.constantFrom(0, 1),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(each => each + 0),
  fc.integer({ min: -1_000_000, max: 1_000_000 }).map(each => each / 100),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, Number.MAX_VALUE, 5e-324, Math.fround(0.1)),
)

/** Readings over three hours, at different times. At least one value each: a reading without any need not be kept. */
const readings: fc.Arbitrary<Reading[]> = fc.uniqueArray(
  fc.record({
    at: fc.integer({ min: T0 - HOUR_MS, max: T0 + 2 * HOUR_MS - 1 }),
    values: fc.dictionary(fc.constantFrom(...NAMES), value).map(values => ({ ...values, ticks: values.ticks ?? 1 })),
  }),
  { selector: reading => reading.at, minLength: 1, maxLength: 40 },
)

const byTime = (a: Reading, b: Reading): number => a.at - b.at

const columnsOf = (rows: readonly Reading[]): Samples => {
  const sorted = rows.toSorted(byTime)
  const names = NAMES.filter(name => sorted.some(({ values }) => (values[name] ?? null) !== null))
  return {
    at: sorted.map(({ at }) => at),
    signals: Object.fromEntries(names.map(name => [name, sorted.map(({ values }) => values[name] ?? null)])),
  }
}

const samples = (series: Series, { at, signals }: Samples): StoreWrite => ({ type: 'samples', series, at, signals })

export const describeSamples = (store: () => Store): void => {
  const around = { from: T0 - HOUR_MS, to: T0 + 2 * HOUR_MS }

  describe('samples', () => {
    it('come back value by value, however they were cut, ordered and repeated', async () => {
      await fc.assert(
        fc.asyncProperty(readings, fc.infiniteStream(fc.nat()), async (rows, dice) => {
          const series = machines.next()
          const shuffled = [...rows, ...rows].sort(() => (dice.next().value % 2 === 0 ? 1 : -1))
          for (let from = 0; from < shuffled.length; ) {
            const size = 1 + (dice.next().value % 10)
            const chunk = [...new Map(shuffled.slice(from, from + size).map(row => [row.at, row])).values()]
            await writeAll(store(), [samples(series, columnsOf(chunk))])
            from += size
          }
          expect(await store().samples({ ...series, ...around })).toEqual(columnsOf(rows))
        }),
        { numRuns: 60 },
      )
    })

    it('are cut to the range, half-open, the oldest first', async () => {
      const series = machines.next()
      const at = Array.from({ length: 100 }, (_, second) => T0 - 50_000 + second * 1000)
      await writeAll(store(), [samples(series, { at, signals: { ticks: at.map((_, tick) => tick) } })])
      const ticksOf = async (from: number, to: number, limitRows?: number): Promise<unknown> =>
        (await store().samples({ ...series, from, to, ...(limitRows === undefined ? {} : { limitRows }) })).signals
          .ticks
      expect(await ticksOf(T0, T0 + 2000)).toEqual([50, 51])
      expect(await ticksOf(T0 - 1500, T0 + 1)).toEqual([49, 50])
      expect(await ticksOf(T0 - DAY_MS, T0 + DAY_MS, 3)).toEqual([0, 1, 2])
      expect(await ticksOf(T0 - 1000, T0 + DAY_MS, 3)).toEqual([49, 50, 51])
      expect((await store().samples({ ...series, ...around, limitRows: 60 })).at).toEqual(at.slice(0, 60))
      expect(await store().samples({ ...series, from: T0 + 500, to: T0 + 900 })).toEqual({ at: [], signals: {} })
      expect((await store().samples({ ...series, from: T0, to: T0 })).at).toEqual([])
    })

    it('that come late fall into place, and signals of one time join', async () => {
      const series = machines.next()
      await writeAll(store(), [samples(series, { at: [T0, T0 + 2000], signals: { load: [1, 3] } })])
      await writeAll(store(), [samples(series, { at: [T0 + 1000], signals: { load: [2] } })])
      await writeAll(store(), [samples(series, { at: [T0, T0 + 3000], signals: { speed: [700, 710] } })])
      expect(await store().samples({ ...series, ...around })).toEqual({
        at: [T0, T0 + 1000, T0 + 2000, T0 + 3000],
        signals: { load: [1, 2, 3, null], speed: [700, null, null, 710] },
      })
    })

    it('of one time and signal keep the later value, and null never replaces one', async () => {
      const series = machines.next()
      const at = [T0, T0 + 1000]
      await writeAll(store(), [
        samples(series, { at, signals: { load: [1, 1], speed: [5, null] } }),
        samples(series, { at, signals: { load: [2, null], speed: [null, 6] } }),
      ])
      await writeAll(store(), [samples(series, { at, signals: { load: [3, null], lamp_red: [null, null] } })])
      expect(await store().samples({ ...series, ...around })).toEqual({ at, signals: { load: [3, 1], speed: [5, 6] } })
    })

    it.each([
      ['out of order', [T0 + 1, T0], { load: [1, 2] }, /at\.1/],
      ['twice at one time', [T0, T0], { load: [1, 2] }, /at\.1/],
      ['with a column too short', [T0, T0 + 1], { load: [1] }, /signals\.load/],
      ['of 1970', [0], { load: [1] }, /at\.0/],
      ['of next month', [Date.now() + 30 * DAY_MS], { load: [1] }, /at\.0/],
    ])('%s are rejected with the reason', async (_, at, signals, reason) => {
      const series = machines.next()
      const { accepted, rejected } = await store().write([
        samples(series, { at, signals: signals as Samples['signals'] }),
      ])
      expect(accepted).toBe(0)
      expect(rejected[0]?.reason).toMatch(reason)
      expect((await store().samples({ ...series, ...around })).at).toEqual([])
    })
  })
}
