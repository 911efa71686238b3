import { STATE_CODES, type StateCode } from '@nakama/contract'
import type { Rollup } from '@nakama/store'
import { describe, expect, it } from 'vitest'
import { parseBacklogArgs } from '../src/backlog/args.ts'
import { judgePast, type StoredPast } from '../src/backlog/judge.ts'
import { KIND, pastOf, signalName, valueAt } from '../src/backlog/past.ts'

const HOUR = 3_600_000
const from = Date.UTC(2026, 10, 23, 9)
const options = { seed: 5, from, to: from + 2 * HOUR, machines: ['lathe-1', 'lathe-2'], signals: 3 }
const past = pastOf(options)
const [lathe] = past.machines
if (lathe === undefined) throw new Error('expected a machine')
const of = { ...options, machine: 0 }

const rollups = (bucketMs: number): Rollup[] =>
  Array.from({ length: (2 * HOUR) / bucketMs }, (_, bucket) => {
    const at = from + bucket * bucketMs
    const spent = (code: StateCode): number =>
      lathe.spans
        .filter(span => span.code === code)
        .reduce((sum, span) => sum + Math.max(0, Math.min(span.to, at + bucketMs) - Math.max(span.from, at)), 0)
    const stateMs = Object.fromEntries(STATE_CODES.map(code => [code, spent(code)])) as Rollup['stateMs']
    return { series: { shop: 's', machine: 'lathe-1', kind: KIND }, at, stateMs }
  })

const columns = Array.from({ length: 3 }, (_, signal): [string, number[]] => [
  signalName(signal),
  lathe.readAt.map(at => valueAt(5, 0, signal, at)),
])
const stored: StoredPast = {
  samples: { at: lathe.readAt, signals: Object.fromEntries(columns) },
  counts: lathe.countedAt.map((at, n) => ({ at, parts: 1, total: n + 1 })),
  timeline: lathe.spans.map(span => ({ ...span, since: span.from, provisional: false })),
  minutes: rollups(60_000),
  hours: rollups(HOUR),
}
const faultsIn = (changed: Partial<StoredPast>): object => {
  const { machine: _, readings: __, ...faults } = judgePast(of, lathe, { ...stored, ...changed })
  return Object.fromEntries(Object.entries(faults).filter(([, count]) => count > 0))
}

describe('the judge of a backlog', () => {
  it('has nothing against a store that has what was journaled', () => {
    expect(faultsIn({})).toEqual({})
  })

  it('sees a reading that is missing, one that was never read, one that is there twice, and a wrong value', () => {
    const { at, signals } = stored.samples
    const without = (row: number) => ({
      at: at.toSpliced(row, 1),
      signals: Object.fromEntries(Object.entries(signals).map(([name, column]) => [name, column.toSpliced(row, 1)])),
    })
    expect(faultsIn({ samples: without(700) })).toEqual({ missing: 1 })
    expect(faultsIn({ samples: { at: at.with(9, from + 1), signals } })).toMatchObject({ missing: 1, foreign: 1 })
    expect(faultsIn({ samples: { at: at.with(9, at[8] as number), signals } })).toMatchObject({ foreign: 1 })
    const wrong = { ...signals, signal2: (signals.signal2 ?? []).with(40, -1) }
    expect(faultsIn({ samples: { at, signals: wrong } })).toEqual({ wrongValues: 1 })
    const { signal3: _, ...two } = signals
    expect(faultsIn({ samples: { at, signals: two } })).toEqual({ wrongValues: at.length })
  })

  it('sees a part that was counted twice, a state that is not there or only presumed, and time that is in no rollup', () => {
    expect(faultsIn({ counts: [...stored.counts, { at: from + 3, parts: 1, total: 9 }] })).toEqual({ wrongCounts: 1 })
    expect(faultsIn({ timeline: stored.timeline.slice(1) })).toEqual({ wrongStates: 1 })
    const presumed = stored.timeline.map(interval => ({ ...interval, provisional: true }))
    expect(faultsIn({ timeline: presumed })).toEqual({ wrongStates: presumed.length })
    expect(faultsIn({ minutes: stored.minutes.toSpliced(30, 1) })).toEqual({ wrongRollups: 1 })
  })
})

describe('the past of a backlog', () => {
  it('is the same for the same seed, and told in the order in which an agent tells it', () => {
    const told = [...past.seconds()]
    expect([...pastOf(options).seconds()]).toEqual(told)
    expect([...pastOf({ ...options, seed: 6 }).seconds()]).not.toEqual(told)
    expect(told).toHaveLength(7_200)
    const readings = told.flatMap(({ records }) => records.filter(({ type }) => type === 'samples'))
    expect(readings).toHaveLength(past.machines.reduce((sum, { readAt }) => sum + readAt.length, 0))
  })

  it('has a night in which nothing is read and the machine is OFFLINE', () => {
    const night = lathe.spans.find(({ code }) => code === 'OFFLINE')
    expect(night).toBeDefined()
    const { from: dusk, to: dawn } = night as { from: number; to: number }
    expect(dawn - dusk).toBeGreaterThan(0.6 * HOUR)
    expect(lathe.readAt.filter(at => dusk < at && at < dawn)).toEqual([])
    expect(lathe.readAt).toContain(dusk)
    expect(lathe.readAt).toContain(dawn)
  })
})

it('the arguments of a backlog say what is wrong with them', () => {
  expect(parseBacklogArgs([])).toMatchObject({ hours: 24, machines: 5, signals: 10, seed: 1, keep: undefined })
  expect(() => parseBacklogArgs(['--hours', 'x'])).toThrow(/--hours: expected a whole number from 1 to 168, got "x"/)
})
