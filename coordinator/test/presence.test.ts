import type { StateCode } from '@nakama/contract'
import { describe, expect, it } from 'vitest'
import { attend, type Listening, openListening, withFeed } from '../src/listening.ts'
import { type AgentInput, type AgentPresence, type Ignored, machinePresence, stepAgent } from '../src/presence.ts'
import { statusOffline, statusOnline } from './helpers.ts'

const START = 1_800_000_000_000
const OWNED = new Set(['lathe-1', 'constructor'])

/** One agent, a connection to the broker, and a clock that passes as slowly as the real one ticks. */
const scene = ({ connected = true } = {}) => {
  let now = START
  let listening: Listening = openListening(now)
  if (connected) listening = withFeed(listening, true, now)
  let agent: AgentPresence | undefined
  const ignored: Ignored[] = []
  const give = (input: AgentInput): void => {
    listening = attend(listening, now)
    const after = stepAgent(OWNED, agent, input, listening, now)
    agent = after.agent
    ignored.push(...after.ignored)
  }
  return {
    ignored,
    now: () => now,
    say: (code: StateCode, more: Parameters<typeof statusOnline>[1] = {}, retained = false) =>
      give({ type: 'status', status: statusOnline({ 'lathe-1': [code, now] }, { at: now, ...more }), retained }),
    give,
    will: (conn: string) => give({ type: 'status', status: statusOffline(conn), retained: false }),
    pass(ms: number) {
      for (const end = now + ms; now < end; ) {
        now = Math.min(now + 1_000, end)
        give({ type: 'tick' })
      }
    },
    /** Time in which this process did not run. */
    sleep(ms: number) {
      now += ms
      give({ type: 'tick' })
    },
    feed(up: boolean) {
      listening = withFeed(attend(listening, now), up, now)
    },
    machine: (machine = 'lathe-1') => machinePresence(agent, machine, null),
    state: () => machinePresence(agent, 'lathe-1', null).state,
  }
}

describe('an agent', () => {
  it('that never spoke is OFFLINE since anything was last known of it', () => {
    expect(machinePresence(undefined, 'lathe-1', null)).toEqual({ state: 'OFFLINE', since: null, asOf: null })
    expect(machinePresence(undefined, 'lathe-1', 42)).toEqual({ state: 'OFFLINE', since: 42, asOf: 42 })
  })

  it('is believed for 90 s after its last word, and is OFFLINE since that word then', () => {
    const { say, pass, machine, state } = scene()
    say('IDLE')
    pass(89_000)
    expect(state()).toBe('IDLE')
    pass(1_000)
    expect(machine()).toEqual({ state: 'OFFLINE', since: START, asOf: START })
  })

  it('is OFFLINE 30 s after its will, unless it comes back before', () => {
    const { say, will, pass, state } = scene()
    say('RUNNING')
    will('conn-1')
    pass(29_000)
    expect(state()).toBe('RUNNING')
    say('RUNNING', { conn: 'conn-2' })
    pass(80_000)
    expect(state()).toBe('RUNNING')
    will('conn-2')
    pass(30_000)
    expect(state()).toBe('OFFLINE')
  })

  it('is not declared dead by the late will of an earlier connection', () => {
    const { say, will, pass, state, ignored } = scene()
    say('RUNNING', { conn: 'conn-1' })
    say('RUNNING', { conn: 'conn-2' })
    will('conn-1')
    pass(80_000)
    expect(state()).toBe('RUNNING')
    expect(ignored).toEqual(['stale-will'])
  })

  it.each([
    ['89 s old', { ageMs: 89_000, synchronised: true }, 'IDLE'],
    ['90 s old', { ageMs: 90_000, synchronised: true }, 'OFFLINE'],
    ['from 90 s in the future', { ageMs: -90_000, synchronised: true }, 'OFFLINE'],
    ['of a clock that nobody set', { ageMs: 0, synchronised: false }, 'OFFLINE'],
  ])('whose retained status is %s', (_what, { ageMs, synchronised }, expected) => {
    const { say, state } = scene()
    say('IDLE', { at: START - ageMs, clock: { synchronised } }, true)
    expect(state()).toBe(expected)
    say('IDLE', { clock: { synchronised } })
    expect(state()).toBe('IDLE')
  })

  it('whose retained status was 80 s old has 10 s left, not 90', () => {
    const { say, pass, machine } = scene()
    say('IDLE', { at: START - 80_000 }, true)
    pass(9_000)
    expect(machine()).toMatchObject({ state: 'IDLE', asOf: START - 80_000 })
    pass(1_000)
    expect(machine().state).toBe('OFFLINE')
  })

  it('is not thrown back by an older copy of its status', () => {
    const { say, state, now, ignored } = scene()
    say('RUNNING')
    say('IDLE', { at: now() - 1_000 }, true)
    expect(state()).toBe('RUNNING')
    expect(ignored).toEqual(['older-retained'])
  })

  it('that set its clock back is heard all the same', () => {
    const { say, state, now } = scene()
    say('RUNNING', { at: now() + 3_600_000, clock: { synchronised: false } })
    say('IDLE', { at: now() - 1_000 }, true)
    expect(state()).toBe('IDLE')
  })

  it('speaks for its own machines only, whatever they are called', () => {
    const { give, machine, ignored } = scene()
    const status = statusOnline({ 'lathe-1': ['IDLE', 1], stranger: ['IDLE', 1] })
    give({ type: 'status', status, retained: false })
    expect(machine('stranger').state).toBe('OFFLINE')
    expect(machine('constructor').state).toBe('OFFLINE')
    expect(ignored).toEqual(['unregistered-machine'])
  })

  it('that no longer mentions a machine leaves it OFFLINE since it last did', () => {
    const { say, give, pass, machine } = scene()
    say('IDLE')
    pass(5_000)
    give({ type: 'status', status: statusOnline({}), retained: false })
    expect(machine()).toMatchObject({ state: 'OFFLINE', since: START })
    pass(5_000)
    give({ type: 'status', status: statusOnline({}), retained: false })
    expect(machine()).toMatchObject({ state: 'OFFLINE', since: START })
  })

  it('cannot be in a state since the future, nor since a time that its clock does not know', () => {
    const { give, machine, now, pass } = scene()
    const since = (at: number, synchronised: boolean): number | null => {
      const status = statusOnline({ 'lathe-1': ['IDLE', at] }, { clock: { synchronised } })
      give({ type: 'status', status, retained: false })
      return machine().since
    }
    expect(since(now() + 60_000, true)).toBe(START)
    expect(since(7, true)).toBe(7)
    pass(1_000)
    expect(since(123, false)).toBe(7)
    give({ type: 'status', status: statusOnline({ 'lathe-1': ['RUNNING', 1] }), retained: false })
    pass(1_000)
    expect(since(123, false)).toBe(START + 2_000)
  })
})

describe('while we are cut off', () => {
  it('nobody becomes OFFLINE, and 90 s after we are back whoever was not heard again does', () => {
    const { say, feed, pass, state } = scene()
    say('IDLE')
    pass(60_000)
    feed(false)
    pass(3_600_000)
    expect(state()).toBe('IDLE')
    feed(true)
    pass(89_000)
    expect(state()).toBe('IDLE')
    pass(1_000)
    expect(state()).toBe('OFFLINE')
  })

  it('a will that we find on our return counts after the 90 s', () => {
    const { say, will, feed, pass, state } = scene()
    say('IDLE')
    pass(1_000)
    feed(false)
    pass(60_000)
    feed(true)
    will('conn-1')
    pass(89_000)
    expect(state()).toBe('IDLE')
    pass(1_000)
    expect(state()).toBe('OFFLINE')
  })

  it('what lay in the broker for too long changes nothing of the last view', () => {
    for (const clock of [{ synchronised: true }, { synchronised: false }]) {
      const { say, feed, pass, state, now, ignored } = scene()
      say('RUNNING', { clock })
      feed(false)
      pass(200_000)
      feed(true)
      say('IDLE', { at: now() - 95_000, clock }, true)
      expect(state()).toBe('RUNNING')
      expect(ignored).toEqual(['stale-retained'])
      pass(90_000)
      expect(state()).toBe('OFFLINE')
    }
  })

  it('a connection that comes and goes keeps nobody alive beyond 180 s of listening', () => {
    const { say, feed, pass, state } = scene()
    say('IDLE')
    for (let i = 0; i < 17; i++) {
      pass(10_000)
      feed(false)
      pass(60_000)
      feed(true)
    }
    expect(state()).toBe('IDLE')
    pass(10_000)
    expect(state()).toBe('OFFLINE')
  })

  it.each([
    ['stopped', 600_000],
    ['set on by an hour', 3_600_000],
    ['set back by an hour', -3_600_000],
  ])('because this process or its clock was %s, it counts as cut off', (_what, ms) => {
    const { say, sleep, pass, state } = scene()
    say('IDLE')
    pass(30_000)
    sleep(ms)
    expect(state()).toBe('IDLE')
    pass(89_000)
    expect(state()).toBe('IDLE')
    pass(1_000)
    expect(state()).toBe('OFFLINE')
  })
})
