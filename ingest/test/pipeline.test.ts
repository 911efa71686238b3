import { DatabaseSync } from 'node:sqlite'
import { LIMITS, type NakamaRecord } from '@nakama/contract'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { HOUR, historyOf, lives, MINUTE, MORNING } from './support/history.ts'
import { epochOf, message, openJournal } from './support/journal.ts'
import {
  contents,
  deliver,
  EVERYTHING,
  hoursFrom,
  lettersOf,
  state,
  takeAcks,
  timelineOf,
  type Who,
} from './support/store-contents.ts'
import { openWorkbench, statusOf, type Workbench } from './support/workbench.ts'

let bench: Workbench

beforeAll(async () => {
  bench = await openWorkbench()
})

afterAll(() => bench.close())

describe('the way from records to the store', () => {
  it('stores every kind of record, and acknowledges in the name of the store, with a window and the time', async () => {
    const who = await bench.fresh({ now: MORNING + 10 * MINUTE })
    const { shop, machine } = who
    const journal = openJournal()
    const m1 = { machine: 'm1', kind: 'nc-lathe' } as const
    journal.append(epochOf(1), [
      { type: 'profile', at: MORNING, ...m1, name: '一号機' },
      state(MORNING + MINUTE, 'RUNNING', MORNING),
      { type: 'count', at: MORNING + 1, ...m1, parts: 2, total: 7 },
      { type: 'samples', ...m1, at: [MORNING, MORNING + 1_000], signals: { spindle: [1.5, null] } },
      {
        type: 'gap',
        at: MORNING + 2,
        machine: null,
        from: MORNING,
        to: MORNING + 1,
        what: 'samples',
        why: 'journal-full',
      },
      { type: 'taking', at: MORNING, value: true, until: null, rev: 1 },
    ])
    bench.pipeline.records(who, message(journal.unacked()))
    await vi.waitFor(() => expect(bench.acks).toHaveLength(2))
    const common = { v: 1, store: bench.store.id, epoch: epochOf(1), seq: 1, at: bench.now }
    expect(bench.acks).toEqual([
      { ...common, lane: 'events', window: 16_384 },
      { ...common, lane: 'samples', window: 32_768 },
    ])
    expect((await bench.store.timeline({ shop, machine, ...EVERYTHING })).map(({ code }) => code)).toEqual(['RUNNING'])
    expect(await bench.store.counts({ shop, machine, ...EVERYTHING })).toEqual([
      { at: MORNING + 1, parts: 2, total: 7 },
    ])
    expect((await bench.store.samples({ shop, machine, ...EVERYTHING })).signals).toEqual({ spindle: [1.5, null] })
    expect(await bench.store.gaps({ shop, ...EVERYTHING })).toMatchObject([{ agent: 'pi', machine: null }])
  })

  it('leaves the same store whatever is lost, doubled, disordered or cut off by a restart', async () => {
    const fault = fc.record({
      kind: fc.constantFrom('some', 'some', 'some', 'lose-acks', 'restart'),
      seed: fc.nat(),
      batchOf: fc.integer({ min: 1, max: 6 }),
    })
    await fc.assert(
      fc.asyncProperty(
        lives,
        fc.integer({ min: 1, max: 5 }),
        fc.array(fault, { maxLength: 8 }),
        async (parts, batchOf, faults) => {
          const history = historyOf('m1', parts)
          const who = await bench.fresh({ now: MORNING + 2 * 24 * HOUR })

          const journal = openJournal()
          for (const [i, records] of history.entries()) {
            for (let first = 0; first < records.length; first += batchOf) {
              journal.append(epochOf(i), records.slice(first, first + batchOf))
            }
          }
          for (const { kind, seed } of faults) {
            const lines = journal.unacked()
            const chosen = lines
              .map((_, i) => lines[(seed * (i + 1)) % lines.length]!)
              .filter((_, i) => (seed >> i) % 2)
            bench.pipeline.records(who, message(chosen))
            await new Promise(resolve => setTimeout(resolve, seed % 4))
            if (kind === 'restart') await bench.restart()
            else if (kind === 'lose-acks') bench.acks.length = 0
            else takeAcks(bench, journal)
          }
          await deliver(bench, who, journal)
          const expected = timelineOf(history.flat())
          const { timeline, hours } = await contents(bench, who)
          expect(timeline).toEqual(expected)
          expect(hours).toEqual(hoursFrom(expected))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('puts a bad record aside, synced and with its place, and acknowledges the good ones around it', async () => {
    const who = await bench.fresh({ now: MORNING + HOUR })
    const journal = openJournal()
    const past = state(5_000, 'IDLE', 1_000)
    journal.appendRaw(epochOf(1), 'events', [state(MORNING, 'RUNNING', MORNING), { type: 'wish' }, past])
    journal.appendRaw(epochOf(1), 'events', [state(MORNING + MINUTE, 'IDLE', MORNING + 30_000)])
    await deliver(bench, who, journal)
    expect((await contents(bench, who)).timeline.map(({ code }) => code)).toEqual(['RUNNING', 'IDLE'])
    expect(lettersOf(bench, who)).toMatchObject([
      {
        reason: 'invalid',
        shop: who.shop,
        agent: 'pi',
        lane: 'events',
        epoch: epochOf(1),
        seq: 1,
        what: { type: 'wish' },
      },
      { reason: 'absurd-time', seq: 1, what: past },
    ])
    expect(await bench.metrics()).toContain('nakama_ingest_dead_letters_total{reason="absurd-time"} 1')
  })

  it('keeps a line that is no batch, and acknowledges nothing for it', async () => {
    const who = await bench.fresh()
    const journal = openJournal()
    journal.append(epochOf(1), [state(MORNING, 'IDLE', MORNING)])
    bench.pipeline.records(who, message(['{"v":1,"lane":"eve', '{"v":1,"lane":"events"}', ...journal.unacked()]))
    await vi.waitFor(() => expect(bench.acks).toHaveLength(1))
    await vi.waitFor(() => expect(lettersOf(bench, who)).toHaveLength(2))
    expect(lettersOf(bench, who)[0]).toMatchObject({ reason: 'malformed', what: '{"v":1,"lane":"eve' })
  })

  it('puts records that cannot be read aside with their place, and acknowledges their batch', async () => {
    const who = await bench.fresh()
    const journal = openJournal()
    for (let i = 0; i < 2; i++) journal.append(epochOf(1), [state(MORNING + i, 'IDLE', MORNING)])
    const [first, second] = journal.unacked() as [string, string]
    bench.pipeline.records(who, message([first.replace('"since":', '"since"'), second]))
    await vi.waitFor(() => expect(bench.acks.at(-1)?.seq).toBe(2))
    expect(lettersOf(bench, who)).toMatchObject([{ reason: 'malformed', lane: 'events', epoch: epochOf(1), seq: 1 }])
    expect((await contents(bench, who)).timeline).toHaveLength(1)
  })

  it('does not acknowledge what only a newer ingest understands, nor anything behind it, and raises an alarm', async () => {
    const who = await bench.fresh()
    const journal = openJournal()
    for (let i = 0; i < 3; i++) journal.append(epochOf(1), [state(MORNING + i, 'IDLE', MORNING)])
    const [first, second, third] = journal.unacked() as [string, string, string]
    bench.pipeline.records(who, message([first, second.replace('"v":1', '"v":2'), third]))
    await vi.waitFor(() => expect(bench.acks.map(({ seq }) => seq)).toEqual([1]))
    bench.pipeline.records(who, first)
    await vi.waitFor(() => expect(bench.acks.map(({ seq }) => seq)).toEqual([1, 1]))
    expect(await bench.metrics()).toContain('nakama_ingest_batches_total{outcome="unknown-version"} 1')
    await deliver(bench, who, journal)
  })

  it('acknowledges nothing while the store refuses, takes no more than it may keep, and loses nothing', async () => {
    const who = await bench.fresh({ limits: { queueMaxBytes: 20_000 } })
    const lock = new DatabaseSync(bench.storeFile)
    lock.exec('BEGIN IMMEDIATE')
    const journal = openJournal()
    const rows = Array.from({ length: 200 }, (_, i) => MORNING + i)
    for (let i = 0; i < 20; i++) {
      const at = rows.map(time => time + i * 1_000)
      journal.append(epochOf(1), [
        { type: 'samples', machine: 'm1', kind: 'nc-lathe', at, signals: { tick: at.map((_, row) => i * 200 + row) } },
      ])
    }
    for (const line of journal.unacked()) bench.pipeline.records(who, line)
    await vi.waitFor(() => expect(bench.pipeline.facts().refusedSince).toBe(MORNING), { timeout: 5_000 })
    for (const line of journal.unacked()) bench.pipeline.records(who, line)
    expect(bench.pipeline.facts().queuedBytes).toBeLessThanOrEqual(20_000)
    expect(bench.acks).toEqual([])
    lock.exec('ROLLBACK')
    lock.close()
    await vi.waitFor(
      () => {
        takeAcks(bench, journal)
        for (const line of journal.unacked()) bench.pipeline.records(who, line)
        expect(journal.done).toBe(true)
      },
      { timeout: 10_000 },
    )
    expect(bench.pipeline.facts().refusedSince).toBeUndefined()
    const { shop, machine } = who
    const { signals } = await bench.store.samples({ shop, machine, ...EVERYTHING })
    expect(signals.tick).toEqual(Array.from({ length: 4_000 }, (_, i) => i))
  })

  it('acknowledges weeks of many machines only when every hour is stored, and tells the same after a stop in between', async () => {
    const who = await bench.fresh({ now: MORNING + HOUR })
    const machines = Array.from({ length: 20 }, (_, i) => ({ ...who, machine: `m${i}` }))
    const beginning = MORNING - 30 * 24 * HOUR
    const journal = openJournal()
    const said = state(MORNING, 'IDLE', beginning)
    journal.append(
      epochOf(1),
      machines.map(({ machine }) => ({ ...said, machine }) as NakamaRecord),
    )
    bench.pipeline.records(who, message(journal.unacked()))
    const hoursOf = ({ shop, machine }: Who) =>
      bench.store.rollups({ shop, machine, ...EVERYTHING, resolution: 'hour' }).then(hours => hours.length)
    await vi.waitFor(async () => expect(await hoursOf(machines[0]!)).toBe(721), { timeout: 5_000, interval: 1 })
    const lock = new DatabaseSync(bench.storeFile, { timeout: 5_000 })
    lock.exec('BEGIN IMMEDIATE')
    expect(await hoursOf(machines.at(-1)!)).toBe(0)
    await vi.waitFor(() => expect(bench.pipeline.facts().refusedSince).toBe(bench.now), { timeout: 5_000 })
    expect(bench.acks).toEqual([])
    await bench.restart()
    lock.exec('ROLLBACK')
    lock.close()
    await deliver(bench, who, journal)
    const expected = [{ code: 'IDLE', since: beginning, from: beginning, to: MORNING + 1, provisional: false }] as const
    for (const one of machines) {
      const { shop, machine } = one
      expect(await bench.store.timeline({ shop, machine, ...EVERYTHING })).toEqual(expected)
      expect(await hoursOf(one)).toBe(721)
    }
    expect((await contents(bench, machines[0]!)).hours).toEqual(hoursFrom(expected))
  }, 20_000)

  it('grants to all agents together no more than half of what may wait', async () => {
    const { shop } = await bench.fresh({ limits: { queueMaxBytes: 400_000 } })
    const agents = Array.from({ length: 20 }, (_, i) => ({ shop, agent: `pi-${i}` }))
    for (let round = 1; round <= 6; round++) {
      bench.now += 2_000
      for (const { agent } of agents) {
        const journal = openJournal()
        journal.append(epochOf(round), [{ ...state(bench.now, 'IDLE', bench.now), machine: agent } as NakamaRecord])
        bench.pipeline.records({ shop, agent }, message(journal.unacked()))
      }
      await vi.waitFor(() => expect(bench.acks).toHaveLength(20 * round))
    }
    const granted = bench.acks.slice(-20).reduce((sum, { window }) => sum + window, 0)
    expect(granted).toBeLessThanOrEqual(200_000)
    expect(granted).toBeGreaterThan(100_000)
  })

  it('lets nobody wait for those who never send what comes first, and takes what they sent once they do', async () => {
    const { shop } = await bench.fresh({ limits: { queueMaxBytes: 256 * 1024 } })
    const profile = { type: 'profile', at: MORNING, machine: 'm1', kind: 'nc-lathe', name: 'x'.repeat(80) } as const
    const waiting = Array.from({ length: 75 }, (_, i) => {
      const journal = openJournal()
      for (let batch = 0; batch < 3; batch++) journal.append(epochOf(i), Array<NakamaRecord>(15).fill(profile))
      return { journal, from: { shop, agent: `waiting-${i}`, machine: 'm1' } }
    })
    const said = waiting.flatMap(({ journal }) => journal.unacked().slice(1)).join('')
    expect(said.length).toBeGreaterThan(256 * 1024)
    for (const { from, journal } of waiting) bench.pipeline.records(from, message(journal.unacked().slice(1)))
    const held = bench.pipeline.facts().queuedBytes

    const honest = openJournal()
    honest.append(epochOf(100), Array<NakamaRecord>(60).fill(profile))
    await deliver(bench, { shop, agent: 'honest', machine: 'm1' }, honest)
    expect(held).toBeGreaterThan(100 * 1024)
    expect(held).toBeLessThanOrEqual(128 * 1024)

    bench.acks.length = 0
    const [{ from, journal }] = waiting as [(typeof waiting)[number]]
    bench.pipeline.records(from, journal.unacked()[0]!)
    await vi.waitFor(() => expect(bench.acks.at(-1)?.seq).toBe(3))
    for (const agent of waiting) await deliver(bench, agent.from, agent.journal)
    expect(bench.pipeline.facts().queuedBytes).toBe(0)
  })

  it('counts what waits in octets, however the text is written', async () => {
    const who = await bench.fresh({ limits: { queueMaxBytes: 20_000 } })
    const journal = openJournal()
    const profile = { type: 'profile', at: MORNING, machine: 'm1', kind: 'nc-lathe', name: '旋'.repeat(80) } as const
    journal.append(epochOf(1), Array<NakamaRecord>(80).fill(profile))
    expect(message(journal.unacked()).length).toBeLessThan(20_000)
    bench.pipeline.records(who, message(journal.unacked()))
    expect(await bench.metrics()).toContain('nakama_ingest_shed_messages_total{why="queue-full"} 1')
    expect(bench.pipeline.facts().queuedBytes).toBe(0)
  })

  it('takes from one agent no more than a little over its window at once, so that there is room for the others', async () => {
    const flood = await bench.fresh()
    const lock = new DatabaseSync(bench.storeFile)
    lock.exec('BEGIN IMMEDIATE')
    const journal = openJournal()
    const name = 'x'.repeat(80)
    const profile = { type: 'profile', at: MORNING, machine: 'm1', kind: 'nc-lathe', name } as const
    for (let i = 0; i < 40; i++) journal.append(epochOf(1), Array<NakamaRecord>(300).fill(profile))
    for (const line of journal.unacked()) bench.pipeline.records(flood, line)
    const { queuedBytes } = bench.pipeline.facts()
    expect(queuedBytes).toBeGreaterThan(LIMITS.windowMaxBytes)
    expect(queuedBytes).toBeLessThanOrEqual(2 * LIMITS.windowMaxBytes + LIMITS.packetMaxBytes)
    expect(await bench.metrics()).toMatch(/nakama_ingest_shed_messages_total{why="agent-too-fast"} [1-9]/)
    const other = openJournal()
    other.append(epochOf(1), [state(MORNING, 'IDLE', MORNING)])
    bench.pipeline.records({ ...flood, agent: 'other' }, message(other.unacked()))
    expect(bench.pipeline.facts().queuedBytes).toBeGreaterThan(queuedBytes)
    lock.exec('ROLLBACK')
    lock.close()
    await vi.waitFor(
      () => {
        takeAcks(bench, journal)
        for (const line of journal.unacked()) bench.pipeline.records(flood, line)
        expect(journal.done).toBe(true)
      },
      { timeout: 10_000 },
    )
  })

  it('calls every machine of an agent OFFLINE in a gap of them all', async () => {
    const who = await bench.fresh({ now: MORNING + HOUR })
    const { shop } = who
    const machines = { m1: { code: 'RUNNING', since: MORNING }, m2: { code: 'IDLE', since: MORNING } } as const
    bench.pipeline.status(who, statusOf(machines, bench.now), false)
    const journal = openJournal()
    journal.append(epochOf(1), [
      state(MORNING + 5 * MINUTE, 'RUNNING', MORNING),
      {
        type: 'gap',
        at: bench.now,
        machine: null,
        from: MORNING + MINUTE,
        to: MORNING + 2 * MINUTE,
        what: 'all',
        why: 'journal-corrupt',
      },
    ])
    await deliver(bench, who, journal)
    expect((await contents(bench, who)).timeline.map(({ code }) => code)).toEqual(['RUNNING', 'OFFLINE', 'RUNNING'])
    expect((await bench.store.timeline({ shop, machine: 'm2', ...EVERYTHING }))[0]).toMatchObject({ code: 'OFFLINE' })
  })

  it('says so when two journals of one agent go on in turn', async () => {
    const who = await bench.fresh()
    const journal = openJournal()
    for (let i = 0; i < 14; i++) {
      journal.append(epochOf(i % 2), [state(MORNING + i, 'IDLE', MORNING)])
      await deliver(bench, who, journal)
    }
    expect(await bench.metrics()).toMatch(/nakama_ingest_twin_alarms_total [1-9]/)
  })
})
