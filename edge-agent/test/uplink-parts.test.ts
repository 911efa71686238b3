import { decodeStatus, type IngestStatus } from '@nakama/contract'
import { describe, expect, it } from 'vitest'
import { hearPresence, NO_PRESENCES, presentIngest } from '../src/uplink/presence.ts'
import { offlineStatus, onlineStatus, type StatusFacts } from '../src/uplink/status.ts'

const FACTS: StatusFacts = {
  version: '1.2.3',
  clockSynchronised: false,
  journal: { bytes: 5, maxBytes: 10, oldestAt: 3 },
  configRev: 4,
  taking: { value: false, until: 9, rev: 2 },
  refused: undefined,
  machines: { 'lathe-1': { kind: 'nc-lathe', name: '旋盤', code: 'IDLE', since: 1 } },
}

describe('the status', () => {
  it('is what the contract says, with and without a refusal', () => {
    for (const refused of [undefined, { rev: 1, why: 'newer here' }]) {
      const status = onlineStatus('c1', 7, { ...FACTS, refused })
      expect(decodeStatus(JSON.stringify(status))).toEqual({ ok: true, value: status })
      expect(status.taking.refused).toEqual(refused)
      expect(status).toMatchObject({ conn: 'c1', at: 7, clock: { synchronised: false }, config: { rev: 4 } })
    }
  })

  it('of an agent that is gone names its connection', () => {
    const status = offlineStatus('c1', 7)
    expect(decodeStatus(JSON.stringify(status))).toEqual({ ok: true, value: status })
  })
})

describe('presence', () => {
  const said = (online: boolean, store: string, at: number): IngestStatus => ({ v: 1, online, id: 'x', store, at })

  it('is that of the ingest that is there, in whatever order the messages come', () => {
    const old = ['old', said(false, 'aaaaaaaaaaaaaaaa', 50)] as const
    const present = ['new', said(true, 'bbbbbbbbbbbbbbbb', 10)] as const
    for (const order of [
      [old, present],
      [present, old],
    ]) {
      const known = order.reduce((before, [id, status]) => hearPresence(before, id, status), NO_PRESENCES)
      expect(presentIngest(known)).toMatchObject({ online: true, store: 'bbbbbbbbbbbbbbbb' })
    }
  })

  it('is the last word of each, and nothing before the first', () => {
    expect(presentIngest(NO_PRESENCES)).toBe(undefined)
    const known = hearPresence(NO_PRESENCES, 'one', said(true, 'aaaaaaaaaaaaaaaa', 1))
    expect(presentIngest(hearPresence(known, 'one', said(false, 'aaaaaaaaaaaaaaaa', 2)))?.online).toBe(false)
  })

  it('is remembered of a few only', () => {
    let known = NO_PRESENCES
    for (let i = 0; i < 100; i++) known = hearPresence(known, `i${i}`, said(false, 'aaaaaaaaaaaaaaaa', i))
    expect(known.size).toBe(16)
    expect(known.has('i99')).toBe(true)
  })
})
