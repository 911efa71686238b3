import { STATE_CODES } from '@nakama/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MinutesByState, Rollup, Series, Store, StoreWrite } from '../src/index.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, machines, T0, writeAll } from './support.ts'

/** Each minute is divided between two states and the unknown. */
const minutes: fc.Arbitrary<MinutesByState> = fc
  .array(
    fc.record({
      first: fc.constantFrom(...STATE_CODES),
      second: fc.constantFrom(...STATE_CODES),
      firstMs: fc.constantFrom(0, 0, 60_000, 60_000, 1, 12_345),
      secondMs: fc.constantFrom(0, 0, 47_655),
    }),
    { minLength: 60, maxLength: 60 },
  )
  .map(parts => {
    const columns: { [code in (typeof STATE_CODES)[number]]?: number[] } = {}
    parts.forEach(({ first, second, firstMs, secondMs }, minute) => {
      const add = (code: typeof first, ms: number): void => {
        const column = columns[code] ?? new Array<number>(60).fill(0)
        column[minute] = (column[minute] as number) + ms
        columns[code] = column
      }
      if (firstMs > 0) add(first, firstMs)
      if (secondMs > 0 && firstMs + secondMs <= MINUTE_MS) add(second, secondMs)
    })
    return columns
  })

const all = (code: (typeof STATE_CODES)[number]): MinutesByState => ({ [code]: new Array(60).fill(MINUTE_MS) })

const rollup = (series: Series, hour: number, each: MinutesByState): StoreWrite => ({
  type: 'rollup',
  series,
  hour,
  minutes: each,
})

const expected = (series: Series, hour: number, each: MinutesByState) => {
  const stateMsOf = (sum: (column: readonly number[]) => number): Rollup['stateMs'] =>
    Object.fromEntries(STATE_CODES.map(code => [code, sum(each[code] ?? [])])) as Rollup['stateMs']
  const known = ({ stateMs }: Rollup): boolean => STATE_CODES.some(code => stateMs[code] > 0)
  const minutely = Array.from({ length: 60 }, (_, minute) => ({
    series,
    at: hour + minute * MINUTE_MS,
    stateMs: stateMsOf(column => column[minute] ?? 0),
  }))
  const hourly = { series, at: hour, stateMs: stateMsOf(column => column.reduce((sum, ms) => sum + ms, 0)) }
  return { minutely: minutely.filter(known), hourly: [hourly].filter(known) }
}

export const describeRollups = (store: () => Store): void => {
  describe('rollups', () => {
    it('come back as minutes and as sums of the hour', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(minutes, { minLength: 1, maxLength: 3 }), async versions => {
          const series = machines.next()
          for (const version of versions) await writeAll(store(), [rollup(series, T0, version)])
          const { minutely, hourly } = expected(series, T0, versions.at(-1) as MinutesByState)
          const range = { ...series, from: T0, to: T0 + HOUR_MS }
          expect(await store().rollups({ ...range, resolution: 'minute' })).toEqual(minutely)
          expect(await store().rollups({ ...range, resolution: 'hour' })).toEqual(hourly)
        }),
        { numRuns: 40 },
      )
    })

    it('are replaced, never added to, in any order of hours and any repetition', async () => {
      const series = machines.next()
      const hours = Array.from({ length: 50 }, (_, index) => T0 - index * HOUR_MS)
      const writes = hours.map((hour, index) => rollup(series, hour, all(STATE_CODES[index % 7] as 'IDLE')))
      await writeAll(store(), writes)
      await writeAll(store(), writes.toReversed())
      const got = await store().rollups({ ...series, from: T0 - 49 * HOUR_MS, to: T0 + 1, resolution: 'hour' })
      expect(got.map(each => each.at)).toEqual(hours.toReversed())
      for (const each of got) expect(STATE_CODES.reduce((sum, code) => sum + each.stateMs[code], 0)).toBe(HOUR_MS)
      await writeAll(store(), [rollup(series, T0, {})])
      expect(await store().rollups({ ...series, from: T0, to: T0 + 1, resolution: 'hour' })).toEqual([])
      expect(await store().rollups({ ...series, from: T0, to: T0 + HOUR_MS, resolution: 'minute' })).toEqual([])
    })

    it.each([
      ['hour', HOUR_MS],
      ['minute', MINUTE_MS],
    ] as const)('of each %s are rounded outwards to whole buckets, half-open', async (resolution, bucketMs) => {
      const series = machines.next()
      for (let hour = -2; hour <= 2; hour++) await writeAll(store(), [rollup(series, T0 + hour * HOUR_MS, all('IDLE'))])
      const startsOf = async (from: number, to: number): Promise<number[]> =>
        (await store().rollups({ ...series, from, to, resolution })).map(each => (each.at - T0) / bucketMs)
      expect(await startsOf(T0, T0 + bucketMs)).toEqual([0])
      expect(await startsOf(T0 + 1, T0 + bucketMs + 1)).toEqual([0, 1])
      expect(await startsOf(T0 - 1, T0 + 1)).toEqual([-1, 0])
      expect(await startsOf(T0 + 1, T0 + 2)).toEqual([0])
      expect(await startsOf(T0, T0)).toEqual([])
    })

    it('of one shop or of all come by shop, machine and time', async () => {
      const [a, b] = [
        { shop: 'rollup-shop', machine: 'b', kind: 'laser' },
        { shop: 'rollup-shop', machine: 'a', kind: 'laser' },
      ] as const
      const other: Series = { shop: 'another-shop', machine: 'a', kind: 'laser' }
      const old = T0 - 60 * DAY_MS
      await writeAll(
        store(),
        [a, b, other].flatMap(series => [rollup(series, old + HOUR_MS, all('IDLE')), rollup(series, old, all('IDLE'))]),
      )
      const namesOf = (rollups: readonly Rollup[]): string[] =>
        rollups.map(({ series, at }) => `${series.shop}/${series.machine}/${(at - old) / HOUR_MS}`)
      const range = { from: old, to: old + 2 * HOUR_MS, resolution: 'hour' } as const
      const own = ['rollup-shop/a/0', 'rollup-shop/a/1', 'rollup-shop/b/0', 'rollup-shop/b/1']
      expect(namesOf(await store().rollups({ ...range, shop: 'rollup-shop' }))).toEqual(own)
      expect(namesOf(await store().rollups(range))).toEqual(['another-shop/a/0', 'another-shop/a/1', ...own])
      expect(await store().rollups({ ...range, ...a, from: 0 })).toHaveLength(2)
    })

    it('are of the machine and hour, under the kind that was written last', async () => {
      const lathe = machines.next()
      const mill: Series = { ...lathe, kind: 'vertical-mc' }
      await writeAll(store(), [
        rollup(lathe, T0, all('IDLE')),
        rollup(lathe, T0 + HOUR_MS, all('IDLE')),
        rollup(mill, T0 + HOUR_MS, all('RUNNING')),
      ])
      const got = await store().rollups({ ...lathe, from: T0, to: T0 + 2 * HOUR_MS, resolution: 'hour' })
      expect(got.map(({ series, stateMs }) => [series.kind, stateMs.IDLE, stateMs.RUNNING])).toEqual([
        ['nc-lathe', HOUR_MS, 0],
        ['vertical-mc', 0, HOUR_MS],
      ])
    })

    it.each([
      ['that start within an hour', T0 + 1, all('IDLE'), /hour/],
      ['of more than a minute in a minute', T0, { ...all('IDLE'), RUNNING: new Array(60).fill(1) }, /60000/],
      ['of 59 minutes', T0, { IDLE: new Array(59).fill(0) }, /60 numbers/],
      ['of negative time', T0, { IDLE: new Array(60).fill(-1) }, /IDLE\.0/],
      ['of an unknown state', T0, { ASLEEP: new Array(60).fill(0) } as MinutesByState, /minutes/],
      ['of next year', T0 + 365 * 24 * HOUR_MS, all('IDLE'), /hour/],
    ])('%s are rejected with the reason', async (_, hour, each, reason) => {
      const { accepted, rejected } = await store().write([rollup(machines.next(), hour, each)])
      expect(accepted).toBe(0)
      expect(rejected[0]?.reason).toMatch(reason)
    })
  })
}
