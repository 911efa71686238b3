import type { StateCode } from '@nakama/contract'
import type { TruthLine } from '@nakama/simulators'
import type { Gap, Rollup, StateInterval } from '@nakama/store'
import { describe, expect, it } from 'vitest'
import { DEFAULT_WAITS } from '../src/expected-states.ts'
import type { MachineEvidence, RunFacts } from '../src/faults/judge/evidence.ts'
import { complaintsOf, judgeMachine } from '../src/faults/judge/judge.ts'
import { clipped, minutesOf, without } from '../src/faults/judge/spans.ts'
import type { Step } from '../src/faults/ledger.ts'
import { formatTable, totalsOf } from '../src/faults/table.ts'

const S = 1_000
const SINCE = 1_800_000_000_000
const END = SINCE + 120 * S
const at = (second: number): number => SINCE + second * S

const facts: RunFacts = {
  span: { from: SINCE, to: END },
  pollMs: S,
  waits: { ...DEFAULT_WAITS, idleAfterMs: 20 * S },
  ...{ outages: [], frozen: [], corrupted: [], full: [], stepped: [] },
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
/** The agent owed what it had read since then. */
const damage = (from: number, to: number, owedSince = 0, process = 'agent-s') => ({
  ...{ process, from: at(from), to: at(to), owedSince: at(owedSince) },
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
  it('lets a journal begin at the first reading, or where damage has left nothing of it, and nowhere else', () => {
    const at0 = evidence({ gaps: [gap(0, 0, 'journal-new')] })
    const later = evidence({ gaps: [gap(60, 60, 'journal-new')] })
    expect(complaints(facts, at0)).toEqual([])
    expect(complaints(facts, later)).not.toEqual([])
    const damaged = { ...facts, corrupted: [damage(55, 60)] }
    expect(complaints(damaged, later)).toEqual([])
  })
  it('believes no gap that nothing explains, nor one that is longer than what explains it', () => {
    const stored = [...ticks(0, 50), ...ticks(60, 120)]
    const told = evidence({ stored, gaps: [gap(49, 60, 'journal-corrupt', 'samples')] })
    expect(judgeMachine(facts, told).readings.lost).toHaveLength(10)
    const damaged = (to: number) => ({ ...facts, corrupted: [damage(55, to)] })
    expect(judgeMachine(damaged(60), told).readings).toMatchObject({ lost: [], inGaps: 10 })
    expect(judgeMachine(damaged(57), told).readings.lost).toHaveLength(10)
    const other = { ...facts, corrupted: [damage(55, 60, 0, 'agent-t')] }
    expect(judgeMachine(other, told).readings.lost).toHaveLength(10)
  })
  it('believes that a machine could not be read where no reading is, and takes it for no excuse', () => {
    const stored = [...ticks(0, 50), ...ticks(60, 120)]
    const told = (from: number, to: number, what: Gap['what'] = 'samples') =>
      evidence({ served: stored, stored, gaps: [gap(from, to, 'source-outage', what)] })
    const wrong = (of: MachineEvidence) => judgeMachine(facts, of).gaps.wrong
    expect(wrong(told(49, 60))).toEqual([])
    expect(wrong(told(48, 60))).toHaveLength(1)
    expect(wrong(told(49, 60, 'all'))).toHaveLength(1)
    const lost = { ...told(49, 60), served: ticks(0, 120) }
    expect(judgeMachine(facts, lost).readings.lost).toHaveLength(10)
  })
  it('allows for what a damaged journal forgets, even over another kill, and for no longer', () => {
    const served = [...ticks(0, 60), ...ticks(80, 120)]
    const timeline = [interval(0, 40, 'RUNNING'), interval(40, 80, 'OFFLINE'), interval(80, 120, 'RUNNING')]
    const told = evidence({ served, stored: served, gaps: [gap(40, 80)], timeline })
    const outages = [
      { process: 'agent-s', from: at(60.5), to: at(63) },
      { process: 'agent-s', from: at(70), to: at(72) },
    ]
    const corrupted = (from: number) => [damage(from, from + 2.5)]
    expect(complaints({ ...facts, outages, corrupted: corrupted(60.5) }, told)).toEqual([])
    expect(complaints({ ...facts, outages, corrupted: corrupted(20) }, told)).not.toEqual([])
  })
  it('excuses nothing that was stored already when the journal was harmed or had no room', () => {
    const stored = [...ticks(0, 50), ...ticks(60, 120)]
    const lost = (why: Gap['why'], given: Partial<RunFacts>) =>
      judgeMachine({ ...facts, ...given }, evidence({ stored, gaps: [gap(49, 60, why)] })).readings.lost.length
    for (const [owedSince, expected] of [
      [49, 0],
      [55, 5],
      [60, 10],
    ] as const) {
      const harmed = [damage(55, 60, owedSince)]
      expect(lost('journal-corrupt', { corrupted: harmed })).toBe(expected)
      expect(lost('journal-full', { full: harmed })).toBe(expected)
    }
    // A stopped agent owes its last readings anyway, and the one before its last second is in doubt.
    const outages = [{ process: 'agent-s', from: at(55), to: at(60) }]
    expect(lost('agent-stopped', { outages, corrupted: [damage(55, 60, 49)] })).toBe(0)
    expect(lost('agent-stopped', { outages, corrupted: [damage(55, 60, 53)] })).toBe(1)
  })
  it('lets a full disk take the oldest that was owed, from before it was full, and nothing from before that', () => {
    const told = evidence({ gaps: [gap(40, 50, 'journal-full', 'events')] })
    const unexplained = (owedSince: number) =>
      complaints({ ...facts, full: [damage(55, 60, owedSince)] }, told).filter(line =>
        line.includes('nothing explains'),
      )
    expect(unexplained(45)).toEqual([])
    expect(unexplained(52)).toHaveLength(1)
  })
  it('does not take a gap of the events for lost readings', () => {
    const told = evidence({
      stored: [...ticks(0, 50), ...ticks(60, 120)],
      gaps: [gap(49, 60, 'journal-corrupt', 'events')],
    })
    const damaged = { ...facts, corrupted: [damage(55, 60)] }
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

/** As an agent stores them whose clock is off by so much from one second to another. */
const stampedBy = (step: Step, served = ticks(0, 120)) =>
  served
    .map(({ at: truly, tick }) => ({ at: step.from <= truly && truly < step.to ? truly + step.byMs : truly, tick }))
    .toSorted((a, b) => a.at - b.at)
const stepOf = (from: number, to: number, byMs: number, process = 'agent-s'): Step => ({
  ...{ process, from: at(from), to: at(to), byMs },
})
const steppedBy = (...stepped: Step[]): RunFacts => ({ ...facts, stepped })

describe('the judge of clocks', () => {
  const away = (given: RunFacts, of: MachineEvidence) =>
    judgeMachine(given, of).away.map(({ tick, byMs }) => [tick, byMs])
  const off = (byMs: number) => ticks(0, 120).map(line => (line.tick === 500 ? { ...line, at: line.at + byMs } : line))

  it('complains of a tick that is stored at another time than it was served, and allows for its way', () => {
    expect(complaints(facts, evidence({ stored: off(900) }))).toEqual([])
    expect(away(facts, evidence({ stored: off(1_100) }))).toEqual([[500, 1_100]])
    expect(away(facts, evidence({ stored: off(-50) }))).toEqual([])
    expect(away(facts, evidence({ stored: off(-200) }))).toEqual([[500, -200]])
    expect(complaints(facts, evidence({ stored: off(-200) }))).toEqual([
      expect.stringMatching(/tick 500 of .* is stored -0\.2 s away from when it was served/),
    ])
  })
  it('lets a value that was pushed wait for its poll, too', () => {
    expect(away(facts, evidence({ reading: 'stream', stored: off(1_900) }))).toEqual([])
    expect(away(facts, evidence({ reading: 'stream', stored: off(2_100) }))).toEqual([[500, 2_100]])
  })
  it('lets what was served to a frozen agent be stamped when it was not any more', () => {
    const frozen = (process: string) => ({ ...facts, frozen: [{ process, from: at(49.5), to: at(55) }] })
    expect(away(frozen('agent-s'), evidence({ stored: off(5_500) }))).toEqual([])
    expect(away(frozen('agent-s'), evidence({ stored: off(6_500) }))).toEqual([[500, 6_500]])
    expect(away(frozen('agent-t'), evidence({ stored: off(5_500) }))).toEqual([[500, 5_500]])
  })
  it.each([30_500, -30_500, 250, -250])('takes a clock that is %i ms off for what it is, and nothing else', byMs => {
    const step = stepOf(50, 60, byMs)
    const stored = stampedBy(step)
    const verdict = judgeMachine(steppedBy(step), evidence({ stored }))
    expect(complaintsOf(verdict)).toEqual([])
    expect(verdict.readings).toMatchObject({ served: 120, stored: 120 })
    expect(away(steppedBy(stepOf(50, 60, 2 * byMs)), evidence({ stored }))).not.toEqual([])
    expect(away(steppedBy(stepOf(50, 60, byMs, 'agent-t')), evidence({ stored })).length > 0).toBe(byMs !== 250)
  })
  it('allows no wrong time after the clock was set right', () => {
    const longer = stampedBy(stepOf(50, 70, 30_500))
    expect(away(steppedBy(stepOf(50, 60, 30_500)), evidence({ stored: longer }))).toHaveLength(9)
  })
  it('is as strict with what was read by a wrong clock', () => {
    const step = stepOf(50, 60, -30_500)
    const of = (change: (tick: number) => number[]) => {
      const stored = stampedBy(step).flatMap(line => change(line.tick).map((tick, i) => ({ at: line.at + i, tick })))
      return judgeMachine(steppedBy(step), evidence({ stored })).readings
    }
    expect(of(tick => [tick])).toMatchObject({ lost: [], duplicated: 0, disordered: 0 })
    expect(of(tick => (tick === 550 ? [] : [tick])).lost.map(({ tick }) => tick)).toEqual([550])
    expect(of(tick => (tick === 550 ? [550, 550] : [tick]))).toMatchObject({ duplicated: 1 })
    expect(of(tick => [tick === 550 ? 560 : tick === 560 ? 550 : tick])).toMatchObject({ disordered: 1 })
  })
  it('calls what a wrong clock wrote over lost', () => {
    const step = stepOf(50, 60, -30_000)
    const stored = [...new Map(stampedBy(step).map(line => [line.at, line])).values()]
    expect(judgeMachine(steppedBy(step), evidence({ stored })).readings.lost).toHaveLength(10)
  })
  it('finds holes of a machine that pushes by the true time', () => {
    const step = stepOf(50, 60, -30_500)
    const whole = evidence({ reading: 'stream', stored: stampedBy(step) })
    expect(complaints(steppedBy(step), whole)).toEqual([])
    const holed = stampedBy(step).filter(({ tick }) => tick < 520 || tick >= 570)
    expect(judgeMachine(steppedBy(step), evidence({ reading: 'stream', stored: holed })).readings.lost).toHaveLength(4)
  })
  it('says so when the times of a machine that was heard do not show a step', () => {
    const step = stepOf(50, 60, 250)
    expect(complaints(steppedBy(step), evidence())).toContainEqual(expect.stringContaining('no time is 250 ms off'))
    const away = [...ticks(0, 48), ...ticks(62, 120)]
    const { unshownSteps } = judgeMachine(steppedBy(step), evidence({ served: away, stored: away }))
    expect(unshownSteps).toEqual([])
  })
  it('wants a machine that is polled to be polled whatever the clock does, unless something else explains it', () => {
    const read = [...ticks(0, 50), ...ticks(56, 120)]
    const told = evidence({ served: read, stored: read })
    expect(complaints(facts, told)).toEqual([expect.stringContaining('not polled from')])
    expect(complaints(facts, evidence({ served: [...ticks(0, 50), ...ticks(52, 120)] }))).toEqual([])
    const unread = (given: RunFacts, of = told) => judgeMachine(given, of).unread
    const frozen = (process: string, from: number) => ({
      ...facts,
      frozen: [{ process, from: at(from), to: at(from + 3) }],
    })
    expect(unread(steppedBy(stepOf(48, 58, -6_000)))).toHaveLength(1)
    expect(unread(frozen('agent-s', 50))).toEqual([])
    expect(unread(frozen('simulators', 30))).toEqual([])
    expect(unread(frozen('agent-t', 50))).toHaveLength(1)
    expect(unread(frozen('agent-s', 10))).toHaveLength(1)
    expect(
      unread(facts, { ...told, truth: [truly(0, 'RUNNING'), truly(50, 'RUNNING', false), truly(53, 'RUNNING')] }),
    ).toEqual([])
  })
  it('does not judge states where the clock told of two times at once, and judges them everywhere else', () => {
    const step = stepOf(50, 60, 10_000)
    const of = (from: number, to: number) => {
      const timeline = [interval(0, from, 'RUNNING'), interval(from, to, 'ALARM'), interval(to, 120, 'RUNNING')]
      return judgeMachine(steppedBy(step), evidence({ stored: stampedBy(step), timeline })).wrongStates
    }
    expect(of(50, 70)).toEqual([])
    expect(of(50, 80)).toMatchObject([{ from: at(73), to: at(80), code: 'ALARM' }])
    expect(of(40, 70)).toMatchObject([{ from: at(40), to: at(47), code: 'ALARM' }])
  })
  it('lets a state have begun by the wrong clock, no other state and no earlier', () => {
    const step = stepOf(100, 110, -10_000)
    const truth = [truly(0, 'SETUP'), truly(60, 'RUNNING')]
    const of = (from: number, code: StateCode) => {
      const timeline = [interval(0, from, 'SETUP'), interval(from, 60, code), interval(60, 120, 'RUNNING')]
      return judgeMachine(steppedBy(step), evidence({ truth, stored: stampedBy(step), timeline })).wrongStates
    }
    expect(of(50, 'RUNNING')).toEqual([])
    expect(of(40, 'RUNNING')).toHaveLength(1)
    expect(of(50, 'ALARM')).toHaveLength(1)
    const before = [truly(0, 'RUNNING'), truly(30, 'SETUP'), truly(60, 'RUNNING')]
    const timeline = [interval(0, 20, 'RUNNING'), interval(20, 60, 'SETUP'), interval(60, 120, 'RUNNING')]
    const told = evidence({ truth: before, stored: stampedBy(step), timeline })
    expect(judgeMachine(steppedBy(step), told).wrongStates).toMatchObject([{ from: at(20), to: at(27), code: 'SETUP' }])
  })
  it('does not judge a change that was told by the wrong clock, and judges again from the next one on', () => {
    const step = stepOf(50, 60, 2_000)
    const truth = [truly(0, 'RUNNING'), truly(54, 'SETUP'), truly(80, 'RUNNING')]
    const of = (to: number, given = truth) => {
      const timeline = [
        interval(0, 56, 'RUNNING'),
        interval(56, 60, 'SETUP'),
        interval(60, to, 'PAUSED'),
        interval(to, 120, 'RUNNING'),
      ]
      return judgeMachine(steppedBy(step), evidence({ truth: given, stored: stampedBy(step), timeline })).wrongStates
    }
    expect(of(80)).toEqual([])
    expect(of(80, [truly(0, 'RUNNING'), truly(38, 'SETUP'), truly(80, 'RUNNING')])).toEqual([])
    expect(of(90)).toMatchObject([{ from: at(83), to: at(90), code: 'PAUSED' }])
    expect(of(80, [truly(0, 'RUNNING')])).toMatchObject([{ from: at(65), to: at(80), code: 'PAUSED' }])
  })
  it('adds up the timeline to the millisecond also where the clock was off', () => {
    const step = stepOf(50, 60, 10_000)
    const good = evidence({ stored: stampedBy(step) })
    const [first, ...rest] = good.rollups as [Rollup, ...Rollup[]]
    const wrong = { ...first, stateMs: { ...first.stateMs, RUNNING: first.stateMs.RUNNING + 1 } }
    expect(judgeMachine(steppedBy(step), { ...good, rollups: [wrong, ...rest] }).wrongRollups).toBe(1)
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
  it('takes what a polled machine gave to the next life for seen, also before that was ready', () => {
    const read = [...ticks(0, 16), { at: at(16.1), tick: 161 }, ...ticks(22, 120)]
    const told = (from: number) =>
      evidence({
        ...{ served: read, stored: read, gaps: [gap(15, 16.1)] },
        timeline: [interval(0, 15, 'RUNNING'), interval(15, from, 'OFFLINE'), interval(from, 120, 'RUNNING')],
      })
    const outages = [
      { process: 'agent-s', from: at(15.5), to: at(16.12) },
      { process: 'simulators', from: at(16.2), to: at(18.5) },
    ]
    expect(complaints({ ...facts, outages }, told(16.1))).toEqual([])
    expect(complaints({ ...facts, outages }, told(30))).not.toEqual([])
  })
  it('does not let OFFLINE pass for knowledge, but where the journal lost it', () => {
    const timeline = [interval(0, 30, 'RUNNING'), interval(30, 60, 'OFFLINE'), interval(60, 120, 'RUNNING')]
    expect(judgeMachine(facts, evidence({ timeline })).wrongRollups).toBeGreaterThan(0)
    const damaged = { ...facts, corrupted: [damage(55, 60)] }
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
