import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Gap, Store, StoreWrite } from '../src/index.ts'
import { DAY_MS, HOUR_MS, machines, T0, writeAll } from './support.ts'

export const describeEvents = (store: () => Store): void => {
  describe('counts', () => {
    it('are one per machine and time, in any order and repetition', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 20 }),
          async times => {
            const series = machines.next()
            const counts = times.map(offset => ({ at: T0 + offset, parts: offset % 3, total: offset }))
            const writes = counts.map(count => ({ type: 'count', series, ...count }) as const)
            await writeAll(store(), writes)
            await writeAll(store(), writes.toReversed())
            const sorted = counts.toSorted((a, b) => a.at - b.at)
            expect(await store().counts({ ...series, from: T0, to: T0 + 1001 })).toEqual(sorted)
            const some = sorted.filter(({ at }) => at >= T0 + 100 && at < T0 + 500)
            expect(await store().counts({ ...series, from: T0 + 100, to: T0 + 500 })).toEqual(some)
          },
        ),
        { numRuns: 20 },
      )
    })
  })

  describe('gaps', () => {
    const gap = (from: number, to: number, rest: Partial<Gap> = {}): Gap => ({
      from: T0 + from,
      to: T0 + to,
      agent: 'pi-1',
      machine: null,
      what: 'all',
      why: 'agent-stopped',
      ...rest,
    })
    const writeOf = (shop: string, each: Gap): StoreWrite => ({ type: 'gap', shop, ...each })

    it('are found whole when they touch the range', async () => {
      const shop = 'gap-shop'
      const gaps = [gap(-10, 0), gap(0, 10), gap(5, 5), gap(10, 20), gap(-DAY_MS, DAY_MS)]
      await writeAll(
        store(),
        gaps.map(each => writeOf(shop, each)),
      )
      await writeAll(
        store(),
        gaps.map(each => writeOf(shop, each)),
      )
      const found = async (from: number, to: number): Promise<number[][]> =>
        (await store().gaps({ shop, from: T0 + from, to: T0 + to }))
          .filter(each => each.to - each.from < DAY_MS)
          .map(each => [each.from - T0, each.to - T0])
      expect(await found(0, 10)).toEqual([
        [0, 10],
        [5, 5],
      ])
      expect(await found(-1, 1)).toEqual([
        [-10, 0],
        [0, 10],
      ])
      expect(await found(5, 6)).toEqual([
        [0, 10],
        [5, 5],
      ])
      expect(await found(4, 5)).toEqual([[0, 10]])
      expect(await found(10, 11)).toEqual([[10, 20]])
      expect(await found(20, 30)).toEqual([])
      expect(await store().gaps({ shop, from: T0 + HOUR_MS, to: T0 + HOUR_MS + 1 })).toEqual([gap(-DAY_MS, DAY_MS)])
      expect(await store().gaps({ shop: 'no-gap-shop', from: T0, to: T0 + 10 })).toEqual([])
    })

    it('of the same span are held apart by agent, machine, lane and reason; a later end replaces the former', async () => {
      const shop = 'gap-shop-2'
      const gaps = [
        gap(0, 10, { agent: 'pi-1' }),
        gap(0, 10, { agent: 'pi-1', what: 'events', why: 'journal-full' }),
        gap(0, 10, { agent: 'pi-1', what: 'samples', why: 'journal-full' }),
        gap(0, 10, { agent: 'pi-1', machine: 'lathe' }),
        gap(0, 10, { agent: 'pi-2' }),
      ]
      await writeAll(
        store(),
        gaps.map(each => writeOf(shop, each)),
      )
      const got = await store().gaps({ shop, from: T0, to: T0 + 1 })
      const text = (each: Gap): string => JSON.stringify(Object.entries(each).toSorted())
      expect(got.map(text).toSorted()).toEqual(gaps.map(text).toSorted())
      await writeAll(store(), [writeOf(shop, gap(0, 99, { agent: 'pi-2' }))])
      const ends = (await store().gaps({ shop, from: T0, to: T0 + 1 })).map(each => each.to - T0)
      expect(ends.toSorted((a, b) => a - b)).toEqual([10, 10, 10, 10, 99])
    })

    it.each([
      ['that end before they begin', gap(10, 0), /from/],
      ['of an unknown reason', gap(0, 1, { why: 'whim' as 'journal-full' }), /why/],
      ['of an agent without an id', gap(0, 1, { agent: 'Pi 1' }), /agent/],
    ])('%s are rejected with the reason', async (_, each, reason) => {
      const { rejected } = await store().write([writeOf('gap-shop-3', each)])
      expect(rejected[0]?.reason).toMatch(reason)
    })
  })

  describe('profiles and takings', () => {
    it('are taken, and taken again', async () => {
      const series = machines.next()
      const writes: StoreWrite[] = [
        { type: 'profile', series, at: T0, name: '5号機 旋盤' },
        { type: 'taking', shop: series.shop, at: T0, value: false, until: T0 + 400 * DAY_MS, rev: 3 },
        { type: 'taking', shop: series.shop, at: T0, value: true, until: null, rev: 4 },
      ]
      await writeAll(store(), writes)
      await writeAll(store(), writes)
    })

    it('without sense are rejected with the reason', async () => {
      const series = machines.next()
      const { accepted, rejected } = await store().write([
        { type: 'profile', series: { ...series, kind: 'teapot' as 'laser' }, at: T0, name: 'x' },
        { type: 'taking', shop: 'No Shop', at: T0, value: true, until: null, rev: 1 },
        { type: 'taking', shop: 'shop', at: T0, value: true, until: null, rev: -1 },
        { type: 'wish' } as unknown as StoreWrite,
      ])
      expect(accepted).toBe(0)
      expect(rejected.map(each => each.reason.split(':')[0])).toEqual(['series.kind', 'shop', 'rev', 'type'])
    })
  })
}
