import type { StateCode } from '@nakama/contract'
import type { StateInterval, StoreWrite } from '@nakama/store'
import { describe, expect, it } from 'vitest'
import { inPieces } from '../src/commit/pieces.ts'
import type { Claim } from '../src/timeline/intervals.ts'
import { openMachines } from '../src/timeline/machines.ts'
import { planLesson, rangeToRead } from '../src/timeline/plan.ts'
import { HOUR, MINUTE, MORNING } from './support/history.ts'

const series = { shop: 's', machine: 'm', kind: 'laser' } as const
const claim = (code: StateCode, from: number, to: number, since = from): Claim => ({ code, since, from, to })
const known = (code: StateCode, from: number, to: number, provisional = false): StateInterval => ({
  ...claim(code, from, to),
  provisional,
})

const states = (writes: readonly StoreWrite[]) =>
  writes.flatMap(write => (write.type === 'state' ? [[write.code, write.from - MORNING, write.to - MORNING]] : []))
const hours = (writes: readonly StoreWrite[]) =>
  writes.flatMap(write => (write.type === 'rollup' ? [(write.hour - MORNING) / HOUR] : []))

describe('a plan for one machine', () => {
  it('reads whole hours around what is learnt, with room for a held state, and nothing when there is nothing', () => {
    expect(rangeToRead({ series, claims: [claim('IDLE', MORNING + 30 * MINUTE, MORNING + 31 * MINUTE)] })).toEqual({
      from: MORNING,
      to: MORNING + HOUR,
    })
    expect(rangeToRead({ series, claims: [claim('IDLE', MORNING + 5 * MINUTE, MORNING + 55 * MINUTE)] })).toEqual({
      from: MORNING - HOUR,
      to: MORNING + 2 * HOUR,
    })
    expect(rangeToRead({ series, claims: [] })).toBeUndefined()
  })

  it('writes only what changed, and the whole rollup of every hour that it touches', () => {
    const before = [known('RUNNING', MORNING, MORNING + 20 * MINUTE)]
    const lesson = { series, claims: [claim('RUNNING', MORNING, MORNING + 25 * MINUTE)] }
    const { writes } = planLesson(lesson, before, undefined)
    expect(states(writes)).toEqual([['RUNNING', 20 * MINUTE, 25 * MINUTE]])
    const rollup = writes.find(write => write.type === 'rollup')
    expect(rollup?.minutes.RUNNING?.slice(0, 26)).toEqual([...Array<number>(25).fill(MINUTE), 0])
  })

  it('writes the rollups again of intervals that are there already: a former write may have been cut off', () => {
    const there = known('RUNNING', MORNING, MORNING + 2 * HOUR)
    const { writes } = planLesson(
      { series, claims: [claim('RUNNING', MORNING, MORNING + 2 * HOUR)] },
      [there],
      undefined,
    )
    expect(states(writes)).toEqual([])
    expect(hours(writes)).toEqual([0, 1])
  })

  it('touches only the hours of late history, not those between it and now', () => {
    const now = known('RUNNING', MORNING + 100 * HOUR, MORNING + 100 * HOUR + MINUTE)
    const late = claim('IDLE', MORNING + 30 * MINUTE, MORNING + 40 * MINUTE)
    const { writes, tail } = planLesson({ series, claims: [late] }, [], {
      code: 'RUNNING',
      since: now.since,
      to: now.to,
    })
    expect(hours(writes)).toEqual([0])
    expect(tail).toEqual({ code: 'RUNNING', since: now.since, to: now.to })
  })

  it('presumes nothing over what is confirmed, and nothing of a machine that its agent never spoke of', () => {
    const before = [known('RUNNING', MORNING, MORNING + 10 * MINUTE)]
    const presumed = claim('OFFLINE', MORNING + 5 * MINUTE, MORNING + 12 * MINUTE)
    const { writes } = planLesson({ series, claims: [], presumed }, before, undefined)
    expect(states(writes)).toEqual([['OFFLINE', 10 * MINUTE, 12 * MINUTE]])
    expect(planLesson({ series, claims: [], presumed }, [], undefined).writes).toEqual([])
  })
})

describe('the pieces that are planned at once', () => {
  const lesson = (machine: string, claims: readonly Claim[]) => ({ series: { ...series, machine }, claims })
  const month = claim('IDLE', MORNING - 31 * 24 * HOUR, MORNING)

  it('are bounded in hours over all machines, and hold every lesson once, in its order', () => {
    const lessons = Array.from({ length: 100 }, (_, i) => lesson(`m${i}`, [month]))
    const pieces = inPieces(lessons)
    expect(pieces.flat()).toEqual(lessons)
    for (const piece of pieces) {
      const touched = piece.flatMap(each => hours(planLesson(each, [], undefined).writes))
      expect(touched.length).toBeLessThanOrEqual(4_000)
    }
    expect(pieces).toHaveLength(20)
  })

  it('are one where little is learnt, or nothing', () => {
    const beat = claim('IDLE', MORNING + 30 * MINUTE, MORNING + 31 * MINUTE)
    const lessons = Array.from({ length: 4_000 }, (_, i) => lesson(`m${i}`, [beat]))
    expect(inPieces(lessons)).toEqual([lessons])
    expect(inPieces([])).toEqual([[]])
    expect(inPieces([lesson('m', [])])).toHaveLength(1)
  })

  it('hold a lesson that is too long by itself alone', () => {
    const years = lesson('years', [claim('IDLE', MORNING - 300 * 24 * HOUR, MORNING - 299 * 24 * HOUR), month])
    const beside = lesson('m', [month])
    expect(inPieces([beside, years, beside])).toEqual([[beside], [years], [beside]])
  })
})

describe('what is remembered of machines', () => {
  const current = {
    ...known('RUNNING', MORNING, MORNING + HOUR),
    series,
    confirmed: known('RUNNING', MORNING, MORNING + HOUR),
  }

  it('spares what this process stored itself, but not what it only found in the store', () => {
    const machines = openMachines([current], 10)
    const beat = claim('RUNNING', MORNING, MORNING + HOUR + 5 * MINUTE)
    expect(machines.news(series, beat)).toEqual(beat)
    machines.learnt(series, { code: 'RUNNING', since: MORNING, to: beat.to }, undefined)
    expect(machines.news(series, beat)).toBeUndefined()
    const next = { ...beat, to: beat.to + 5 * MINUTE }
    expect(machines.news(series, next)).toEqual({ ...next, from: beat.to })
    expect(machines.news(series, claim('IDLE', MORNING, MORNING + MINUTE))).toBeDefined()
  })

  it('draws on from where it stopped, and anew when the state is another', () => {
    const machines = openMachines([current], 10)
    const drawn = claim('RUNNING', MORNING, MORNING + HOUR + 3 * MINUTE)
    expect(machines.presumption(series, drawn)).toMatchObject({ from: MORNING + HOUR })
    machines.learnt(series, undefined, drawn)
    expect(machines.presumption(series, drawn)).toBeUndefined()
    expect(machines.presumption(series, { ...drawn, to: drawn.to + MINUTE })).toMatchObject({ from: drawn.to })
    const silence = claim('OFFLINE', MORNING + HOUR + 1, MORNING + HOUR + 4 * MINUTE)
    expect(machines.presumption(series, silence)).toMatchObject({ from: silence.from, since: silence.since })
  })

  it('is bounded', () => {
    const machines = openMachines([], 2)
    for (const machine of ['a', 'b', 'c']) machines.describe({ shop: 's', machine }, 'laser')
    expect(machines.size).toBe(2)
    expect(machines.series({ shop: 's', machine: 'a' }).kind).toBe('other')
    expect(machines.series({ shop: 's', machine: 'c' }).kind).toBe('laser')
  })
})
