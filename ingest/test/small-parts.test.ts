import { describe, expect, it } from 'vitest'
import { openAgents } from '../src/intake/agents.ts'
import { sortRecord } from '../src/intake/sort.ts'
import { NO_TWINS, stepTwins } from '../src/intake/twins.ts'
import { grantWindow } from '../src/intake/window.ts'
import { type ActivityInput, NOT_ACTIVE, stepActivity } from '../src/live/activity.ts'
import { hoursOf, rollUp } from '../src/timeline/rollup.ts'
import { HOUR, MINUTE, MORNING } from './support/history.ts'

const WHO = { shop: 's', agent: 'a' }

describe('a rollup', () => {
  it('is the time of each state in each minute, to the millisecond, of that hour alone', () => {
    const minutes = rollUp(
      [
        { from: MORNING - HOUR, to: MORNING + 90_500, code: 'RUNNING', since: MORNING - HOUR, provisional: false },
        { from: MORNING + 90_500, to: MORNING + 2 * MINUTE, code: 'IDLE', since: MORNING + 90_500, provisional: true },
        { from: MORNING + 59 * MINUTE, to: MORNING + 2 * HOUR, code: 'IDLE', since: MORNING, provisional: false },
      ],
      MORNING,
    )
    expect(Object.keys(minutes).sort()).toEqual(['IDLE', 'RUNNING'])
    expect(minutes.RUNNING?.slice(0, 3)).toEqual([60_000, 30_500, 0])
    expect(minutes.IDLE?.slice(0, 3)).toEqual([0, 29_500, 0])
    expect(minutes.IDLE?.[59]).toBe(60_000)
    expect(minutes.IDLE).toHaveLength(60)
  })

  it('belongs to every hour that a range touches', () => {
    expect(hoursOf({ from: MORNING - 1, to: MORNING + HOUR })).toEqual([MORNING - HOUR, MORNING])
    expect(hoursOf({ from: MORNING, to: MORNING + HOUR + 1 })).toEqual([MORNING, MORNING + HOUR])
  })
})

describe('a record', () => {
  const state = { type: 'state', machine: 'm', kind: 'laser', code: 'IDLE', since: MORNING, at: MORNING + MINUTE }

  it('of the far future or from before there were any is bad, and so is one that makes no sense', () => {
    const judge = (record: object): string => {
      const sorted = sortRecord(WHO, record, MORNING)
      return sorted.ok ? 'good' : `${sorted.reason}: ${sorted.why}`
    }
    expect(judge({ ...state, at: MORNING + 23 * HOUR })).toBe('good')
    expect(judge({ ...state, at: MORNING + 25 * HOUR })).toMatch(/^absurd-time: at: expected a time from/)
    expect(judge({ ...state, at: 5_000, since: 1_000 })).toMatch(/^absurd-time/)
    expect(judge({ ...state, code: 'BUSY' })).toMatch(/^invalid: code: expected one of/)
    expect(judge({ ...state, since: state.at + 1 })).toMatch(/^invalid: since/)
    const samples = { type: 'samples', machine: 'm', kind: 'laser', signals: { x: [1, 2] } }
    expect(judge({ ...samples, at: [MORNING, MORNING + 25 * HOUR] })).toMatch(/^absurd-time/)
    expect(judge({ ...samples, at: [MORNING, MORNING + 1] })).toBe('good')
  })

  it('claims at most a month backwards, whatever it says of its beginning', () => {
    const sorted = sortRecord(WHO, { ...state, since: 0 }, MORNING)
    expect(sorted.ok && sorted.claim?.claim).toEqual({
      code: 'IDLE',
      since: 0,
      from: state.at + 1 - 31 * 24 * HOUR,
      to: state.at + 1,
    })
  })

  it('of a gap is OFFLINE when nobody watched or the words of that time are lost, and not when only samples are', () => {
    const gap = { type: 'gap', at: MORNING, machine: null, from: MORNING - 5, to: MORNING, why: 'journal-full' }
    const claimOf = (what: string) => {
      const sorted = sortRecord(WHO, { ...gap, what }, MORNING)
      return sorted.ok ? sorted.claim : undefined
    }
    const offline = { code: 'OFFLINE', since: MORNING - 5, from: MORNING - 5, to: MORNING, isGap: true }
    expect(claimOf('all')).toEqual({ machine: null, claim: offline })
    expect(claimOf('events')).toEqual({ machine: null, claim: offline })
    expect(claimOf('samples')).toBeUndefined()
  })
})

describe('the window', () => {
  const limits = { firstBytes: 16, maxBytes: 256, totalBytes: 1_000 }

  it('grows from the first to the greatest, and falls back while the store cannot keep up', () => {
    const granted: number[] = []
    for (let i = 0; i < 6; i++) granted.push(grantWindow(limits, granted.at(-1), 1, false))
    expect(granted).toEqual([16, 32, 64, 128, 256, 256])
    expect(grantWindow(limits, 256, 1, true)).toBe(16)
  })

  it('is never more than a share of the total', () => {
    expect(grantWindow(limits, 256, 10, false)).toBe(100)
    expect(grantWindow(limits, undefined, 100, false)).toBe(10)
  })
})

describe('the agents that are remembered', () => {
  it('are bounded in number, and what is held for one that is forgotten counts no more', () => {
    const agents = openAgents(2)
    for (const agent of ['a', 'b', 'c']) {
      agents.place(agents.of({ shop: 's', agent }), { streams: [], heldBytes: 100 })
    }
    expect([agents.size, agents.heldBytes]).toEqual([2, 200])
    expect(agents.find({ shop: 's', agent: 'a' })).toBeUndefined()
    agents.place(agents.of({ shop: 's', agent: 'b' }), { streams: [], heldBytes: 30 })
    expect(agents.heldBytes).toBe(130)
  })
})

describe('the watch for twins', () => {
  const alarms = (epochs: string, everyMs = 1_000): number => {
    let state = NO_TWINS
    let count = 0
    for (const [i, epoch] of [...epochs].entries()) {
      const result = stepTwins(state, epoch, MORNING + i * everyMs)
      state = result.state
      if (result.alarm) count++
    }
    return count
  }

  it('alarms when two epochs go on in turn', () => {
    expect(alarms('aabbababab')).toBeGreaterThan(0)
  })

  it('is calm at restarts, at a seam with a lost message, and at rare coincidences', () => {
    expect(alarms('aaabbbcccdddeeefff')).toBe(0)
    expect(alarms('aaababbbbbcbccccc')).toBe(0)
    expect(alarms('abababab', 15 * MINUTE)).toBe(0)
  })
})

describe('the one active ingest of a broker', () => {
  const presence = (id: string, online: boolean, at: number): ActivityInput => ({
    type: 'presence',
    status: { v: 1, online, id, store: '0123456789abcdef', at },
  })
  const run = (inputs: readonly ActivityInput[], now = 100) => {
    let state = NOT_ACTIVE
    return inputs.map(input => {
      const result = stepActivity('b', state, input, now)
      state = result.state
      return result.turned ?? (state.activeSince === undefined ? '-' : '+')
    })
  }

  it('is active once nobody else was heard', () => {
    expect(run([presence('b', false, 1), { type: 'settled' }, presence('b', true, 100)])).toEqual(['-', 'active', '+'])
  })

  it('stays passive beside another, and takes over when that one is gone', () => {
    expect(run([presence('a', true, 1), { type: 'settled' }, presence('a', false, 2)])).toEqual(['-', '-', 'active'])
  })

  it('yields to one that was there before, and to no later one', () => {
    expect(run([{ type: 'settled' }, presence('c', true, 101), presence('c', true, 99)])).toEqual([
      ...['active', '+', 'passive'],
    ])
  })

  it('of two that begin in the same moment lets exactly one stay', () => {
    expect(run([{ type: 'settled' }, presence('a', true, 100)])).toEqual(['active', 'passive'])
    expect(run([{ type: 'settled' }, presence('c', true, 100)])).toEqual(['active', '+'])
  })

  it('begins anew with every connection', () => {
    expect(run([{ type: 'settled' }, { type: 'down' }, presence('a', true, 1), { type: 'settled' }])).toEqual([
      ...['active', 'passive', '-', '-'],
    ])
  })
})
