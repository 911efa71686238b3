import type { StateCode } from '@nakama/contract'
import type { TruthLine } from '@nakama/simulators'
import type { Gap, Rollup, StateInterval } from '@nakama/store'
import { describe, expect, it } from 'vitest'
import { DEFAULT_WAITS } from '../src/expected-states.ts'
import type { MachineEvidence, RunFacts } from '../src/faults/judge/evidence.ts'
import { complaintsOf, judgeMachine } from '../src/faults/judge/judge.ts'
import { clipped, minutesOf, without } from '../src/faults/judge/spans.ts'
import { formatTable, totalsOf } from '../src/faults/table.ts'

const S = 1_000
const SINCE = 1_800_000_000_000
const END = SINCE + 120 * S
const at = (second: number): number => SINCE + second * S

const facts: RunFacts = {
  span: { from: SINCE, to: END },
  pollMs: S,
  waits: { ...DEFAULT_WAITS, idleAfterMs: 20 * S },
  ...{ outages: [], frozen: [], corrupted: [], full: [] },
}
const truly = (second: number, state: TruthLine['state'], reachable = true): TruthLine => ({
  ...{ at: at(second), simAt: 0, state, done: false, reachable, activity: '', doorOpen: false, parts: 0 },
})
const interval = (from: number, to: number, code: StateCode): StateInterval => ({
  ...{ from: at(from), to: at(to), code, since: at(from), provisional: false },
})
const gap = (from: number, to: number, why: Gap['why'] = 'agent-stopped', what: Gap['what'] = 'all'): Gap => ({
  ...{ agent: 'pi-1', machine: 'm', from: at(from), to: at(to), why, what },
})
const ticks = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => ({ at: at(from + i), tick: (from + i) * 10 }))

/** Rollups as they should be of a timeline. */
const rolledUp = (timeline: readonly StateInterval[]): Rollup[] =>
  [...minutesOf(timeline)].map(minute => {
    const stateMs = { RUNNING: 0, PAUSED: 0, SETUP: 0, IDLE: 0, ALARM: 0, OFF: 0, OFFLINE: 0 }
    for (const { code, ...span } of timeline) {
      for (const { from, to } of clipped([span], { from: minute, to: minute + 60 * S })) stateMs[code] += to - from
    }
    return { series: { shop: 's', machine: 'm', kind: 'nc-lathe' }, at: minute, stateMs }
  })

const evidence = (changes: Partial<MachineEvidence> = {}): MachineEvidence => {
  const timeline = changes.timeline ?? [interval(0, 120, 'RUNNING')]
  return {
    ...{ shop: 's', machine: 'm', agent: 'agent-s', reading: 'each', truth: [truly(0, 'RUNNING')] },
    ...{ served: ticks(0, 120), stored: ticks(0, 120), gaps: [], timeline, rollups: rolledUp(timeline) },
    storedAt: (changes.stored ?? ticks(0, 120)).map(tick => tick.at),
    ...changes,
  }
}
const killed = (from: number, to: number): RunFacts => ({
  ...facts,
  outages: [{ process: 'agent-s', from: at(from), to: at(to) }],
})
const complaints = (given: RunFacts, of: MachineEvidence): string[] => complaintsOf(judgeMachine(given, of))

describe('the judge of readings', () => {
  it('has nothing to say where everything arrived', () => {
    const verdict = judgeMachine(facts, evidence())
    expect(complaintsOf(verdict)).toEqual([])
    expect(verdict.readings).toMatchObject({ served: 120, stored: 120, inGaps: 0, inDoubt: 0, duplicated: 0 })
  })
  it('calls a tick lost that was served and is not stored', () => {
    const stored = ticks(0, 120).filter(({ tick }) => tick !== 500)
    expect(complaints(facts, evidence({ stored }))).toEqual([expect.stringContaining('tick 500')])
  })
  it('counts a tick that is stored twice, and one out of order', () => {
    const twice = [...ticks(0, 120), { at: at(119) + 1, tick: 1_190 }]
    expect(judgeMachine(facts, evidence({ stored: twice })).readings).toMatchObject({ duplicated: 1, disordered: 0 })
    const swapped = ticks(0, 120).map(({ at: time, tick }) => ({
      at: time,
      tick: tick === 500 ? 510 : tick === 510 ? 500 : tick,
    }))
    expect(judgeMachine(facts, evidence({ stored: swapped })).readings).toMatchObject({ duplicated: 0, disordered: 1 })
  })
  it('doubts the last second before a kill, and no more', () => {
    const served = [...ticks(0, 60), ...ticks(63, 120)]
    const lifeOf = (lastStored: number) =>
      evidence({
        served,
        stored: [...ticks(0, lastStored + 1), ...ticks(63, 120)],
        gaps: [gap(lastStored, 63)],
        timeline: [
          interval(0, lastStored, 'RUNNING'),
          interval(lastStored, 63, 'OFFLINE'),
          interval(63, 120, 'RUNNING'),
        ],
      })
    const kill = killed(59.5, 62)
    expect(judgeMachine(kill, lifeOf(58)).readings).toMatchObject({ inDoubt: 0, inGaps: 1, lost: [] })
    expect(complaints(kill, lifeOf(58))).toEqual([])
    expect(complaints(kill, lifeOf(50))).toContainEqual(expect.stringContaining('a gap that nothing explains'))
    expect(judgeMachine(kill, lifeOf(50)).readings.lost.map(({ tick }) => tick)).toEqual([
      510, 520, 530, 540, 550, 560, 570, 580,
    ])
  })
  it('believes no gap that nothing explains, nor one that is longer than what explains it', () => {
    const stored = [...ticks(0, 50), ...ticks(60, 120)]
    const told = evidence({ stored, gaps: [gap(49, 60, 'journal-corrupt', 'samples')] })
    expect(judgeMachine(facts, told).readings.lost).toHaveLength(10)
    const damaged = (to: number) => ({ ...facts, corrupted: [{ process: 'agent-s', from: at(55), to: at(to) }] })
    expect(judgeMachine(damaged(60), told).readings).toMatchObject({ lost: [], inGaps: 10 })
    expect(judgeMachine(damaged(57), told).readings.lost).toHaveLength(10)
    const other = { ...facts, corrupted: [{ process: 'agent-t', from: at(55), to: at(60) }] }
    expect(judgeMachine(other, told).readings.lost).toHaveLength(10)
  })
  it('allows for what a damaged journal forgets, even over another kill, and for no longer', () => {
    const served = [...ticks(0, 60), ...ticks(80, 120)]
    const timeline = [interval(0, 40, 'RUNNING'), interval(40, 80, 'OFFLINE'), interval(80, 120, 'RUNNING')]
    const told = evidence({ served, stored: served, gaps: [gap(40, 80)], timeline })
    const outages = [
      { process: 'agent-s', from: at(60.5), to: at(63) },
      { process: 'agent-s', from: at(70), to: at(72) },
    ]
    const damage = (from: number) => [{ process: 'agent-s', from: at(from), to: at(from + 2.5) }]
    expect(complaints({ ...facts, outages, corrupted: damage(60.5) }, told)).toEqual([])
    expect(complaints({ ...facts, outages, corrupted: damage(20) }, told)).not.toEqual([])
  })
  it('does not take a gap of the events for lost readings', () => {
    const told = evidence({
      stored: [...ticks(0, 50), ...ticks(60, 120)],
      gaps: [gap(49, 60, 'journal-corrupt', 'events')],
    })
    const damaged = { ...facts, corrupted: [{ process: 'agent-s', from: at(55), to: at(60) }] }
    expect(judgeMachine(damaged, told).readings.lost).toHaveLength(10)
  })
  it('judges a machine that pushes by its holes', () => {
    const pushed = (stored: MachineEvidence['stored']) =>
      evidence({
        reading: 'stream',
        served: ticks(0, 120).flatMap(t => [t, { at: t.at + 500, tick: t.tick + 5 }]),
        stored,
      })
    expect(complaints(facts, pushed(ticks(0, 120)))).toEqual([])
    expect(complaints(facts, pushed([...ticks(0, 50), ...ticks(52, 120)]))).toEqual([])
    expect(judgeMachine(facts, pushed([...ticks(0, 50), ...ticks(60, 120)])).readings.lost).toHaveLength(9)
  })
  it('lets a machine that pushes settle after it was gone, for three seconds and no more', () => {
    const gone = { ...facts, outages: [{ process: 'simulators', from: at(50), to: at(55) }] }
    const pushed = (again: number) =>
      evidence({
        reading: 'stream',
        served: [...ticks(0, 50), ...ticks(55, 120)],
        stored: [...ticks(0, 50), ...ticks(again, 120)],
      })
    expect(judgeMachine(gone, pushed(58)).readings).toMatchObject({ lost: [] })
    expect(judgeMachine(gone, pushed(62)).readings.lost.length).toBeGreaterThan(0)
    expect(judgeMachine(facts, pushed(58)).readings.lost.length).toBeGreaterThan(0)
  })
  it('takes a stored reading that has no tick for a reading', () => {
    const stored = [...ticks(0, 50), ...ticks(60, 120)]
    const pushed = evidence({ reading: 'stream', stored, storedAt: ticks(0, 120).map(tick => tick.at) })
    expect(complaints(facts, pushed)).toEqual([])
  })
  it('wants at least half of all ticks', () => {
    const few = evidence({ stored: ticks(0, 50) })
    expect(complaints(facts, few)).toContainEqual(expect.stringContaining('fewer than half'))
  })
})

describe('the judge of states', () => {
  it('sees IDLE that was not, by the minute', () => {
    const timeline = [interval(0, 70, 'RUNNING'), interval(70, 80, 'IDLE'), interval(80, 120, 'RUNNING')]
    const verdict = judgeMachine(facts, evidence({ timeline }))
    expect(verdict).toMatchObject({ wronglyIdle: 1, wrongRollups: 1 })
    expect(complaintsOf(verdict)).toContainEqual(expect.stringMatching(/IDLE from .* not RUNNING/))
  })
  it('allows what polling and the promised second blur', () => {
    const truth = [truly(0, 'RUNNING'), truly(60, 'IDLE')]
    const timeline = (change: number) => [interval(0, change, 'RUNNING'), interval(change, 120, 'IDLE')]
    expect(complaints(facts, evidence({ truth, timeline: timeline(62) }))).toEqual([])
    expect(complaints(facts, evidence({ truth, timeline: timeline(50) }))).not.toEqual([])
    expect(complaints(facts, evidence({ truth, timeline: timeline(70) }))).not.toEqual([])
  })
  it('takes a machine that nobody hears for OFFLINE, never for idle', () => {
    const truth = [truly(0, 'IDLE'), truly(30, 'IDLE', false), truly(90, 'IDLE')]
    const heard = [...ticks(0, 30), ...ticks(90, 120)]
    const of = (code: StateCode) => {
      const timeline = [interval(0, 29, 'IDLE'), interval(29, 90, code), interval(90, 120, 'IDLE')]
      return evidence({ truth, served: heard, stored: heard, timeline })
    }
    expect(complaints(facts, of('OFFLINE'))).toEqual([])
    expect(judgeMachine(facts, of('IDLE')).wronglyIdle).toBeGreaterThan(0)
  })
  it('does not take for seen what was pushed to an agent that was dead', () => {
    const truth = [truly(0, 'SETUP'), truly(61, 'IDLE'), truly(70, 'SETUP')]
    const served = [...ticks(0, 62), ...ticks(64, 120)]
    const timeline = [
      interval(0, 59, 'SETUP'),
      interval(59, 64, 'OFFLINE'),
      interval(64, 70, 'IDLE'),
      interval(70, 120, 'SETUP'),
    ]
    const told = evidence({ reading: 'stream', truth, served, stored: served, gaps: [gap(59, 64)], timeline })
    expect(complaints(killed(59.5, 63), told)).toEqual([])
  })
  it('does not let OFFLINE pass for knowledge, but where the journal lost it', () => {
    const timeline = [interval(0, 30, 'RUNNING'), interval(30, 60, 'OFFLINE'), interval(60, 120, 'RUNNING')]
    expect(judgeMachine(facts, evidence({ timeline })).wrongRollups).toBeGreaterThan(0)
    const damaged = { ...facts, corrupted: [{ process: 'agent-s', from: at(55), to: at(60) }] }
    const told = evidence({ timeline, gaps: [gap(30, 60, 'journal-corrupt', 'events')] })
    expect(complaints(damaged, told)).toEqual([])
  })
  it('counts a hole in the timeline as OFFLINE', () => {
    const timeline = [interval(0, 30, 'RUNNING'), interval(60, 120, 'RUNNING')]
    expect(complaints(facts, evidence({ timeline }))).toContainEqual(expect.stringContaining('OFFLINE from'))
  })
  it('adds up the stored timeline itself, to the millisecond', () => {
    const good = evidence()
    const [first, ...rest] = good.rollups as [Rollup, ...Rollup[]]
    const off = { ...first, stateMs: { ...first.stateMs, RUNNING: first.stateMs.RUNNING + 1 } }
    expect(judgeMachine(facts, { ...good, rollups: [off, ...rest] }).wrongRollups).toBe(1)
    expect(judgeMachine(facts, { ...good, rollups: rest }).wrongRollups).toBe(1)
  })
})

describe('the table', () => {
  it('has a line for each machine and their sum', () => {
    const stored = ticks(0, 120).filter(({ tick }) => tick !== 500)
    const verdicts = [judgeMachine(facts, evidence()), judgeMachine(facts, evidence({ machine: 'n', stored }))]
    expect(
      formatTable(verdicts)
        .split('\n')
        .map(line => line.replaceAll(/ +/g, ' ')),
    ).toEqual([
      expect.stringContaining('| machine | served | stored |'),
      expect.stringMatching(/^\|-+\|/),
      '| s/m | 120 | 120 | 0 | 0 | 0 | 0 | 0 | 0 | 0 |',
      '| s/n | 120 | 119 | 0 | 0 | 1 | 0 | 0 | 0 | 0 |',
      '| total | 240 | 239 | 0 | 0 | 1 | 0 | 0 | 0 | 0 |',
    ])
    expect(totalsOf(verdicts)).toEqual({ lost: 1, duplicated: 0, disordered: 0, wronglyIdle: 0, wrongRollups: 0 })
  })
})

describe('spans', () => {
  it('leave what no other covers', () => {
    const others = [
      { from: 2, to: 4 },
      { from: 3, to: 5 },
      { from: 8, to: 20 },
    ]
    expect(without({ from: 0, to: 10 }, others)).toEqual([
      { from: 0, to: 2 },
      { from: 5, to: 8 },
    ])
    expect(without({ from: 0, to: 10 }, [{ from: -5, to: 15 }])).toEqual([])
  })
})
