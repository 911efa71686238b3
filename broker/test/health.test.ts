import { Writable } from 'node:stream'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { type BrokerFacts, brokerHealth } from '../src/health.ts'
import { createNotices } from '../src/notices.ts'

const FACTS: BrokerFacts = {
  listening: true,
  startedAt: 0,
  messageInAt: undefined,
  messageOutAt: undefined,
  agentHeardAt: undefined,
  agentsSince: undefined,
  agents: 0,
  ingests: 0,
  coordinators: 0,
  strangers: 0,
  retained: 0,
  waitingBytes: 0,
}

describe('health', () => {
  it('tells how old the last message is, in and out, and null before the first', () => {
    expect(brokerHealth(FACTS, 500).details).toMatchObject({ lastMessageInAgeMs: null, lastMessageOutAgeMs: null })
    const facts = { ...FACTS, messageInAt: 100, messageOutAt: 200.4 }
    expect(brokerHealth(facts, 500).details).toMatchObject({ lastMessageInAgeMs: 400, lastMessageOutAgeMs: 300 })
  })

  it('is bad when agents are connected and have not been heard for 90 s, whoever else speaks', () => {
    const facts = { ...FACTS, agents: 1, agentsSince: 1_000, messageInAt: 139_000, agentHeardAt: 50_000 }
    expect(brokerHealth(facts, 140_000).ok).toBe(true)
    expect(brokerHealth(facts, 140_001).ok).toBe(false)
  })

  it('gives agents that have come after a long silence their time to speak', () => {
    const facts = { ...FACTS, agents: 1, agentsSince: 1_000_000, agentHeardAt: 1_000 }
    expect(brokerHealth(facts, 1_090_000).ok).toBe(true)
    expect(brokerHealth(facts, 1_090_001).ok).toBe(false)
    const never = { ...FACTS, agents: 1, agentsSince: 1_000_000 }
    expect(brokerHealth(never, 1_090_001).ok).toBe(false)
  })

  it('is good without agents, however long, and bad when it no longer listens', () => {
    expect(brokerHealth(FACTS, 1e9)).toMatchObject({ ok: true, ready: true })
    expect(brokerHealth({ ...FACTS, listening: false }, 0)).toMatchObject({ ok: false, ready: false })
  })
})

describe('notices', () => {
  it('log the first of a kind at once, then one in ten seconds that tells how many there were', () => {
    const lines: { code: string; n: number; notLogged?: number }[] = []
    const log = pino({}, new Writable({ write: (chunk, _encoding, done) => done(void lines.push(JSON.parse(chunk))) }))
    let now = 0
    const notices = createNotices(log, () => now)
    for (let n = 0; n < 5; n++) notices.warn('A', { n }, 'text')
    notices.warn('B', { n: 0 }, 'text')
    now = 9_999
    notices.warn('A', { n: 5 }, 'text')
    now = 10_000
    notices.warn('A', { n: 6 }, 'text')
    now = 20_000
    notices.warn('A', { n: 7 }, 'text')
    expect(lines.map(({ code, n, notLogged }) => [code, n, notLogged])).toEqual([
      ['A', 0, undefined],
      ['B', 0, undefined],
      ['A', 6, 5],
      ['A', 7, undefined],
    ])
  })
})
