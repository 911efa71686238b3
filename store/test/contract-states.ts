import { STATE_CODES } from '@nakama/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Series, StateInterval, Store, StoreWrite } from '../src/index.ts'
import { DAY_MS, HOUR_MS, machines, T0, writeAll } from './support.ts'

type Said = Pick<StateInterval, 'code' | 'since' | 'provisional'>

const SECONDS = 60
const at = (second: number): number => T0 + second * 1000

/** Intervals of a minute, in whole seconds, of few codes, so that they overlap, touch and agree often. */
const interval: fc.Arbitrary<StateInterval> = fc
  .record({
    from: fc.integer({ min: 0, max: SECONDS }),
    length: fc.integer({ min: 0, max: 30 }),
    code: fc.constantFrom(...STATE_CODES.slice(0, 3)),
    before: fc.constantFrom(0, 0, 5),
    provisional: fc.boolean(),
  })
  .map(({ from, length, code, before, provisional }) => ({
    from: at(from),
    to: at(Math.min(from + length, SECONDS)),
    code,
    since: at(Math.floor(from / 20) * 20 - before),
    provisional,
  }))

const stateOf = (series: Series, each: StateInterval): StoreWrite => ({ type: 'state', series, ...each })

/** The plainest way to know it: what was last said of each second. */
const modelOf = (intervals: readonly StateInterval[]): (Said | undefined)[] => {
  const seconds: (Said | undefined)[] = new Array(SECONDS).fill(undefined)
  for (const { from, to, code, since, provisional } of intervals) {
    for (let second = (from - T0) / 1000; second < (to - T0) / 1000; second++) {
      seconds[second] = { code, since, provisional }
    }
  }
  return seconds
}

const runsOf = (model: readonly (Said | undefined)[], from: number, to: number): StateInterval[] => {
  const runs: StateInterval[] = []
  for (let second = from; second < to; second++) {
    const said = model[second]
    const last = runs.at(-1)
    if (said === undefined) continue
    if (last !== undefined && last.to === at(second) && sameSaid(last, said)) {
      runs[runs.length - 1] = { ...last, to: at(second + 1) }
    } else runs.push({ ...said, from: at(second), to: at(second + 1) })
  }
  return runs
}

const sameSaid = (a: Said, b: Said): boolean =>
  a.code === b.code && a.since === b.since && a.provisional === b.provisional

export const describeStates = (store: () => Store): void => {
  const everything = { from: at(0), to: at(SECONDS) }

  describe('states', () => {
    it('are what was last said of each moment, whatever was said before', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(interval, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 6 }),
          fc.tuple(fc.integer({ min: 0, max: SECONDS }), fc.integer({ min: 0, max: SECONDS })),
          async (batches, [a, b]) => {
            const series = machines.next()
            for (const batch of batches)
              await writeAll(
                store(),
                batch.map(each => stateOf(series, each)),
              )
            const model = modelOf(batches.flat())
            expect(await store().timeline({ ...series, ...everything })).toEqual(runsOf(model, 0, SECONDS))
            const [from, to] = [Math.min(a, b), Math.max(a, b)]
            expect(await store().timeline({ ...series, from: at(from), to: at(to) })).toEqual(runsOf(model, from, to))
            const runs = runsOf(model, 0, SECONDS)
            const current = (await store().currentStates()).find(each => each.series.machine === series.machine)
            const newest = runs.at(-1)
            const confirmed = runs.findLast(run => !run.provisional)
            expect(current).toEqual(newest && { ...newest, series, confirmed })
          },
        ),
        { numRuns: 60 },
      )
    })

    it('that do not overlap give the same timeline in any order, any batches and any repetition', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(interval, { minLength: 2, maxLength: 8 }),
          fc.infiniteStream(fc.nat()),
          async (all, dice) => {
            const runs = runsOf(modelOf(all), 0, SECONDS)
            const series = machines.next()
            const shuffled = [...runs, ...runs].sort(() => (dice.next().value % 2 === 0 ? 1 : -1))
            for (let from = 0; from < shuffled.length; ) {
              const size = 1 + (dice.next().value % 4)
              await writeAll(
                store(),
                shuffled.slice(from, from + size).map(each => stateOf(series, each)),
              )
              from += size
            }
            expect(await store().timeline({ ...series, ...everything })).toEqual(runs)
          },
        ),
        { numRuns: 40 },
      )
    })

    it('are the same after the same sequence came a second time', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(interval, { minLength: 1, maxLength: 8 }), async all => {
          const series = machines.next()
          const writes = all.map(each => stateOf(series, each))
          await writeAll(store(), writes)
          const first = await store().timeline({ ...series, ...everything })
          await writeAll(store(), writes)
          expect(await store().timeline({ ...series, ...everything })).toEqual(first)
        }),
        { numRuns: 20 },
      )
    })

    it('of a silence are replaced wholly by its history', async () => {
      const [silent, heard] = [machines.next(), machines.next()]
      const history: StateInterval[] = [
        { from: at(0), to: at(10), code: 'RUNNING', since: at(0), provisional: false },
        { from: at(10), to: at(25), code: 'IDLE', since: at(10), provisional: false },
        { from: at(25), to: at(60), code: 'SETUP', since: at(25), provisional: false },
      ]
      await writeAll(
        store(),
        history.slice(0, 1).map(each => stateOf(silent, each)),
      )
      for (let second = 10; second < 40; second += 10) {
        const guess = {
          from: at(second),
          to: at(second + 10),
          code: 'OFFLINE',
          since: at(10),
          provisional: true,
        } as const
        await writeAll(store(), [stateOf(silent, guess)])
      }
      const current = (await store().currentStates()).find(each => each.series.machine === silent.machine)
      expect(current).toMatchObject({
        code: 'OFFLINE',
        provisional: true,
        from: at(10),
        to: at(40),
        confirmed: history[0],
      })
      await writeAll(
        store(),
        history.slice(1).map(each => stateOf(silent, each)),
      )
      await writeAll(
        store(),
        history.map(each => stateOf(heard, each)),
      )
      const timeline = await store().timeline({ ...silent, ...everything })
      expect(timeline).toEqual(history)
      expect(timeline).toEqual(await store().timeline({ ...heard, ...everything }))
    })

    it('leave a hole where nothing was ever said', async () => {
      const series = machines.next()
      const said = { code: 'IDLE', since: at(0), provisional: false } as const
      await writeAll(store(), [
        stateOf(series, { ...said, from: at(0), to: at(1) }),
        stateOf(series, { ...said, from: at(2), to: at(3) }),
      ])
      expect(await store().timeline({ ...series, ...everything })).toHaveLength(2)
      expect(await store().timeline({ ...series, from: at(1), to: at(2) })).toEqual([])
    })

    it('may last for weeks, and be corrected in the middle', async () => {
      const series = machines.next()
      const off = { from: T0 - 40 * DAY_MS, to: T0, code: 'OFF', since: T0 - 50 * DAY_MS, provisional: false } as const
      const alarm = {
        from: T0 - 7 * DAY_MS,
        to: T0 - 7 * DAY_MS + 1,
        code: 'ALARM',
        since: T0 - 7 * DAY_MS,
        provisional: false,
      } as const
      await writeAll(store(), [stateOf(series, off), stateOf(series, alarm)])
      expect(await store().timeline({ ...series, from: 0, to: T0 + HOUR_MS })).toEqual([
        { ...off, to: alarm.from },
        alarm,
        { ...off, from: alarm.to },
      ])
      expect(await store().timeline({ ...series, from: T0 - DAY_MS, to: T0 - DAY_MS + 5 })).toEqual([
        { ...off, from: T0 - DAY_MS, to: T0 - DAY_MS + 5 },
      ])
    })

    it('are the machine’s own, even when its kind was entered anew', async () => {
      const lathe = machines.next()
      const mill: Series = { ...lathe, kind: 'vertical-mc' }
      const said = { code: 'IDLE', since: at(0), provisional: false } as const
      await writeAll(store(), [
        stateOf(lathe, { ...said, from: at(0), to: at(20) }),
        stateOf(mill, { ...said, from: at(10), to: at(30) }),
      ])
      expect(await store().timeline({ ...lathe, ...everything })).toEqual([{ ...said, from: at(0), to: at(30) }])
      const current = (await store().currentStates()).filter(each => each.series.machine === lathe.machine)
      expect(current.map(each => each.series)).toEqual([mill])
    })

    it('come for all machines, by shop and machine', async () => {
      const states = await store().currentStates()
      const names = states.map(({ series }) => `${series.shop}/${series.machine}`)
      expect(new Set(names).size).toBe(names.length)
      const byShop = Map.groupBy(states, ({ series }) => series.shop)
      expect([...byShop.keys()]).toEqual([...byShop.keys()].toSorted())
      for (const [, own] of byShop) {
        const ids = own.map(({ series }) => series.machine)
        expect(ids).toEqual(ids.toSorted())
      }
    })

    it.each([
      ['from > to', { from: at(2), to: at(1) }, /from/],
      ['since > from', { since: at(1) }, /since/],
      ['a time before there were readers', { from: 0, since: 0 }, /from/],
      ['a time in the far future', { to: Date.now() + 30 * DAY_MS }, /to/],
      ['a time that is none', { from: Number.NaN }, /from/],
      ['an unknown code', { code: 'ASLEEP' as 'IDLE' }, /code/],
    ])('with %s are rejected with the reason, and their neighbours stored', async (_, wrong, reason) => {
      const series = machines.next()
      const good = { from: at(0), to: at(1), code: 'IDLE', since: at(0), provisional: false } as const
      const bad = stateOf(series, { ...good, ...wrong })
      const result = await store().write([bad, stateOf(series, good)])
      expect(result).toMatchObject({ accepted: 1, retry: [] })
      expect(result.rejected).toHaveLength(1)
      expect(result.rejected[0]?.write).toBe(bad)
      expect(result.rejected[0]?.reason).toMatch(reason)
      expect(await store().timeline({ ...series, ...everything })).toEqual([good])
    })
  })
}
