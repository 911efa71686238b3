import type { Status } from '@nakama/contract'
import { describe, expect, it } from 'vitest'
import { type AgentLive, type LiveInput, stepLive, unheard } from '../src/live/agent.ts'
import { MINUTE, MORNING } from './support/history.ts'
import { statusOf } from './support/workbench.ts'

const RUNNING = { m1: { code: 'RUNNING', since: MORNING - 10_000 } } as const
const online = (at: number, more = {}, retained = false): LiveInput => ({
  type: 'status',
  status: JSON.parse(statusOf(RUNNING, at, more)) as Status,
  retained,
})
const will = (conn: string): LiveInput => ({
  type: 'status',
  status: { v: 1, online: false, conn, at: MORNING },
  retained: false,
})
const tick: LiveInput = { type: 'tick' }

const run = (inputs: readonly (readonly [LiveInput, number])[], from: AgentLive = unheard(0)) => {
  let state = from
  return inputs.map(([input, now]) => {
    const result = stepLive(state, input, now)
    state = result.state
    const [first] = result.presumed
    if (result.ignored !== undefined) return result.ignored
    return first === undefined ? '-' : `${first.code} ${first.since - MORNING} to ${first.to - MORNING}`
  })
}

describe('what an agent says of now', () => {
  it('is drawn on to the last full minute before it was said, never beyond', () => {
    expect(run([[online(MORNING + 90_000), MORNING + 90_100]])).toEqual([`RUNNING -10000 to ${MINUTE}`])
  })

  it('counts from a retained message only while it is fresh by a trusted clock', () => {
    const at = MORNING + MINUTE
    expect(run([[online(at, {}, true), at + 89_000]])).toEqual([`RUNNING -10000 to ${MINUTE}`])
    expect(run([[online(at, {}, true), at + 90_000]])).toEqual(['stale'])
    expect(run([[online(at, { clock: { synchronised: false } }, true), at]])).toEqual(['stale'])
    expect(
      run([
        [online(at), at],
        [online(at - 1, {}, true), at],
      ])[1],
    ).toBe('older-retained')
  })

  it('cannot be put into place when the clock of the agent is far off', () => {
    expect(run([[online(MORNING), MORNING + 10 * MINUTE]])).toEqual(['stale'])
  })

  it('becomes OFFLINE 30 s after the will of its own connection, since it was last heard', () => {
    const at = MORNING + MINUTE
    expect(
      run([
        [online(at), at],
        [will('c1'), at + 1_000],
        [tick, at + 30_999],
        [tick, at + 31_000],
      ]).slice(1),
    ).toEqual(['-', '-', `OFFLINE ${MINUTE} to ${MINUTE}`])
  })

  it('is not ended by the will of a connection long replaced, nor by one that was followed by a new word', () => {
    const at = MORNING + MINUTE
    expect(
      run([
        [online(at, { conn: 'c2' }), at],
        [will('c1'), at + 1],
        [tick, at + 60_000],
      ]).slice(1),
    ).toEqual(['stale-will', '-'])
    expect(
      run([
        [online(at), at],
        [will('c1'), at + 1],
        [online(at + 20_000), at + 20_000],
        [tick, at + 40_000],
      ]).at(-1),
    ).toBe('-')
  })

  it('becomes OFFLINE when nothing was heard for 90 s, and goes on being so', () => {
    const at = MORNING + MINUTE
    expect(
      run([
        [online(at), at],
        [tick, at + 89_999],
        [tick, at + 90_000],
        [tick, at + 10 * MINUTE],
      ]).slice(1),
    ).toEqual(['-', `OFFLINE ${MINUTE} to ${2 * MINUTE}`, `OFFLINE ${MINUTE} to ${11 * MINUTE}`])
  })

  it('keeps the beginning of an OFFLINE that the agent itself had told', () => {
    const before = unheard(MORNING + MINUTE, { m1: { kind: 'laser', code: 'OFFLINE', since: MORNING } })
    expect(run([[tick, MORNING + 10 * MINUTE]], before)).toEqual([`OFFLINE 0 to ${10 * MINUTE}`])
  })
})
