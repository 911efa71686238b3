import { encodeBatch } from '@nakama/contract'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ingestHealth } from '../src/health.ts'
import { HOUR, MINUTE, MORNING } from './support/history.ts'
import { epochOf, message, openJournal } from './support/journal.ts'
import { contents, deliver, EVERYTHING, lettersOf, state, takeAcks } from './support/store-contents.ts'
import { openWorkbench, type Workbench } from './support/workbench.ts'

let bench: Workbench

beforeAll(async () => {
  bench = await openWorkbench()
})

afterAll(() => bench.close())

describe('what is a day ahead of our clock', () => {
  it('is neither stored nor thrown away while our own clock may be the wrong one, and ingest is not ready', async () => {
    const who = await bench.fresh({ now: MORNING })
    const journal = openJournal()
    for (let i = 0; i < 2; i++) journal.append(epochOf(1), [state(MORNING + i, 'IDLE', MORNING)])
    await deliver(bench, who, journal)
    const later = MORNING + 3 * 24 * HOUR
    const rows = { at: [MORNING + MINUTE, later], signals: { tick: [1, 2] } }
    journal.append(epochOf(1), [{ type: 'samples', machine: 'm1', kind: 'nc-lathe', ...rows }])
    for (let i = 0; i < 3; i++) journal.append(epochOf(1), [state(MORNING + MINUTE + i, 'IDLE', MORNING)])
    for (let i = 0; i < 3; i++) journal.append(epochOf(1), [state(later + i, 'RUNNING', later)])
    for (let times = 1; times <= 2; times++) {
      bench.pipeline.records(who, message(journal.unacked()))
      await vi.waitFor(async () => expect(await bench.metrics()).toMatch(`{outcome="ahead"} ${times * 4}`))
      await vi.waitFor(() => expect(bench.pipeline.facts().queuedBytes).toBe(0))
      takeAcks(bench, journal)
      expect(journal.unacked()).toHaveLength(4)
    }
    expect(lettersOf(bench, who)).toEqual([])
    const health = () =>
      ingestHealth({ ...bench.pipeline.facts(), connected: true, active: true, store: bench.store.id }, bench.now)
    expect(health()).toMatchObject({ ok: true, ready: false, details: { agentsAhead: 1 } })
    expect(await bench.metrics()).toContain('nakama_ingest_agents_ahead 1')

    bench.now = later + MINUTE
    await deliver(bench, who, journal)
    expect(health()).toMatchObject({ ready: true, details: { agentsAhead: 0 } })
    expect((await contents(bench, who)).timeline.map(({ code }) => code)).toEqual(['IDLE', 'RUNNING'])
    expect((await bench.store.samples({ shop: who.shop, machine: 'm1', ...EVERYTHING })).at).toEqual(rows.at)
    expect(lettersOf(bench, who)).toEqual([])
  })

  it('of one agent alone leaves ingest ready, and holds up neither the others nor its other lane', async () => {
    const { shop } = await bench.fresh({ now: MORNING })
    const agents = ['a', 'b', 'c'].map(agent => ({ shop, agent, machine: agent }))
    const journals = agents.map((_, i) => {
      const journal = openJournal()
      journal.append(epochOf(i), [state(MORNING, 'IDLE', MORNING)])
      return journal
    })
    const wrong = { machine: 'm1', kind: 'nc-lathe' as const, at: [MORNING + 48 * HOUR], signals: { tick: [1] } }
    journals[0]!.append(epochOf(0), [{ type: 'samples', ...wrong }])
    bench.pipeline.records(agents[0]!, message(journals[0]!.unacked()))
    await vi.waitFor(() => expect(bench.acks).toMatchObject([{ lane: 'events', seq: 1 }]))
    bench.acks.length = 0
    for (const i of [1, 2]) await deliver(bench, agents[i]!, journals[i]!)
    const facts = { ...bench.pipeline.facts(), connected: true, active: true, store: bench.store.id }
    expect(ingestHealth(facts, bench.now)).toMatchObject({ ready: true, details: { agentsAhead: 1 } })
  })

  it('is put aside when its agent says itself that it never knew the time', async () => {
    const who = await bench.fresh({ now: MORNING })
    const records = JSON.stringify([state(MORNING + 48 * HOUR, 'IDLE', MORNING), state(MORNING, 'IDLE', MORNING)])
    const unsynchronised = { from: MORNING, to: MORNING + 1 }
    bench.pipeline.records(
      who,
      encodeBatch({ lane: 'events', epoch: epochOf(1), seq: 1 }, 1, records, { unsynchronised }),
    )
    await vi.waitFor(() => expect(bench.acks).toMatchObject([{ seq: 1 }]))
    expect(lettersOf(bench, who)).toMatchObject([{ reason: 'absurd-time' }])
  })
})
