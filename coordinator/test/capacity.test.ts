import { STATE_CODES } from '@nakama/contract'
import type { Rollup } from '@nakama/store'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addSpent,
  capacity,
  cut,
  DAY_MS,
  type GroupedMachine,
  HOUR_MS,
  observedByMachine,
  sumRollups,
  wholeHours,
} from '../src/capacity.ts'

const NONE = Object.fromEntries(STATE_CODES.map(code => [code, 0])) as Rollup['stateMs']

const rollup = (machine: string, at: number, stateMs: Partial<Rollup['stateMs']>): Rollup => ({
  series: { shop: 'tanaka', machine, kind: 'nc-lathe' },
  at,
  stateMs: { ...NONE, ...stateMs },
})

const machine = (id: string, group: string, state: GroupedMachine['state'], free = false): GroupedMachine => ({
  ...{ shop: 'tanaka', machine: id, group, state, free },
})

describe('capacity', () => {
  it('counts time of which nothing is known as OFFLINE, never as idle', () => {
    const spent = sumRollups([rollup('a', 0, { RUNNING: 30 * 60_000, IDLE: 15 * 60_000 })])
    const [group] = capacity([machine('a', 'x', 'IDLE'), machine('b', 'x', 'OFFLINE')], spent, { from: 0, to: HOUR_MS })
    expect(group).toEqual({
      group: 'x',
      machines: 2,
      idleNow: 1,
      takingNow: 0,
      hours: { RUNNING: 0.5, PAUSED: 0, SETUP: 0, IDLE: 0.25, ALARM: 0, OFF: 0, OFFLINE: 1.25 },
      idleHours: 0.25,
      utilisation: 0.6667,
      observed: 0.375,
    })
  })

  it('has no utilisation where nothing is known', () => {
    const [group] = capacity([machine('a', 'x', 'OFFLINE')], new Map(), { from: 0, to: HOUR_MS })
    expect(group).toMatchObject({ utilisation: null, observed: 0, hours: { OFFLINE: 1 } })
  })

  it('keeps groups apart, in order of first appearance; what is free is counted beside what is idle', () => {
    const machines = [machine('a', 'x', 'IDLE', true), machine('b', 'y', 'IDLE', false), machine('c', 'x', 'RUNNING')]
    const spent = sumRollups([rollup('b', 0, { IDLE: HOUR_MS }), rollup('c', 0, { RUNNING: HOUR_MS })])
    expect(capacity(machines, spent, { from: 0, to: HOUR_MS })).toMatchObject([
      { group: 'x', machines: 2, idleNow: 1, takingNow: 1, utilisation: 1, observed: 0.5 },
      { group: 'y', machines: 1, idleNow: 1, takingNow: 0, utilisation: 0, idleHours: 1 },
    ])
  })

  it('knows the observed share of each machine of which something is stored', () => {
    const spent = sumRollups([rollup('a', 0, { OFF: HOUR_MS / 2, OFFLINE: HOUR_MS / 2 })])
    expect([...observedByMachine(spent, { from: 0, to: HOUR_MS })]).toEqual([['tanaka/a', 0.5]])
  })
})

describe('a range', () => {
  it('is widened to whole hours, but not beyond now', () => {
    expect(wholeHours({ from: HOUR_MS + 1, to: 2 * HOUR_MS + 1 }, 10 * HOUR_MS)).toEqual({
      from: HOUR_MS,
      to: 3 * HOUR_MS,
    })
    expect(wholeHours({ from: HOUR_MS + 1, to: 2 * HOUR_MS + 1 }, 2.5 * HOUR_MS).to).toBe(2.5 * HOUR_MS)
  })

  it('is cut at midnights without holes, and its parts add up to the whole', () => {
    const hour = fc.integer({ min: 0, max: 40 * 24 })
    fc.assert(
      fc.property(
        hour,
        fc.integer({ min: 1, max: 31 * 24 }),
        fc.array(hour, { maxLength: 40 }),
        (start, length, hours) => {
          const range = { from: start * HOUR_MS, to: (start + length) * HOUR_MS }
          const days = cut(range, DAY_MS)
          expect(days[0]?.from).toBe(range.from)
          expect(days.at(-1)?.to).toBe(range.to)
          days.forEach((day, i) => {
            expect(day.to - day.from).toBeLessThanOrEqual(DAY_MS)
            expect(Math.floor(day.from / DAY_MS)).toBe(Math.floor((day.to - 1) / DAY_MS))
            if (i > 0) expect(day.from).toBe(days[i - 1]?.to)
          })
          const rollups = hours.map((at, i) => rollup(`m-${i % 3}`, at * HOUR_MS, { IDLE: 1_000 + i, RUNNING: i }))
          const within = ({ from, to }: { from: number; to: number }) =>
            rollups.filter(({ at }) => at >= from && at < to)
          const byDay = addSpent(days.map(day => sumRollups(within(day))))
          expect(new Map([...byDay].toSorted())).toEqual(new Map([...sumRollups(within(range))].toSorted()))
        },
      ),
    )
  })
})
