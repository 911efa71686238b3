import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { type AgentId, LIMITS, type NakamaRecord } from '@nakama/contract'
import type { MachineRef, MinutesByState, Rollup, StateInterval } from '@nakama/store'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { sortRecord } from '../src/intake/sort.ts'
import { learn } from '../src/timeline/intervals.ts'
import { hoursOf, rollUp } from '../src/timeline/rollup.ts'
import { HOUR, historyOf, type Life, lives, MINUTE, MORNING } from './support/history.ts'
import { epochOf, type Journal, message, openJournal } from './support/journal.ts'
import { openWorkbench, statusOf, type Workbench } from './support/workbench.ts'

type Who = AgentId & MachineRef

let bench: Workbench

beforeAll(async () => {
  bench = await openWorkbench()
})

afterAll(() => bench.close())

const EVERYTHING = { from: MORNING - 40 * 24 * HOUR, to: MORNING + 20 * 24 * HOUR }

const takeAcks = (journal: Journal): void => {
  for (const ack of bench.acks.splice(0)) journal.ack(ack)
}

/** Sends until everything is acknowledged, as a patient agent does. */
const deliver = async (who: Who, journal: Journal): Promise<void> => {
  await vi.waitFor(
    () => {
      takeAcks(journal)
      if (!journal.done) bench.pipeline.records(who, message(journal.unacked()))
      expect(journal.done).toBe(true)
    },
    { timeout: 5_000, interval: 5 },
  )
}

/** The past as the store tells it, and its hourly and minute rollups. */
const contents = async ({ shop, machine }: Who) => ({
  timeline: await bench.store.timeline({ shop, machine, ...EVERYTHING }),
  minutes: withTime(await bench.store.rollups({ shop, machine, ...EVERYTHING, resolution: 'minute' })),
  hours: withTime(await bench.store.rollups({ shop, machine, ...EVERYTHING, resolution: 'hour' })),
})
const withTime = (rollups: readonly Rollup[]) =>
  rollups
    .map(({ at, stateMs }) => ({ at, stateMs: Object.fromEntries(Object.entries(stateMs).filter(([, ms]) => ms > 0)) }))
    .filter(({ stateMs }) => Object.keys(stateMs).length > 0)

/** Rollups as they follow from a timeline alone. */
const hoursFrom = (timeline: readonly StateInterval[]) =>
  [...new Set(timeline.flatMap(hoursOf))].sort((a, b) => a - b).map(at => ({ at, stateMs: sums(rollUp(timeline, at)) }))
const sums = (minutes: MinutesByState) =>
  Object.fromEntries(Object.entries(minutes).map(([code, column]) => [code, column.reduce((a, b) => a + b, 0)]))
const timelineOf = (records: readonly NakamaRecord[]): StateInterval[] =>
  learn(
    [],
    records.flatMap(record => {
      const sorted = sortRecord({ shop: 's', agent: 'a' }, record, MORNING + 10 * 24 * HOUR)
      return sorted.ok && sorted.claim !== undefined ? [sorted.claim.claim] : []
    }),
  )

const state = (at: number, code: 'RUNNING' | 'IDLE', since: number): NakamaRecord => ({
  type: 'state',
  machine: 'm1',
  kind: 'nc-lathe',
  at,
  code,
  since,
})

const currentOf = async ({ shop }: Who) =>
  (await bench.store.currentStates()).find(({ series }) => series.shop === shop)

const lettersOf = ({ shop }: Who) =>
  readFileSync(bench.lettersFile, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
    .filter(letter => letter.shop === shop)

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
            else takeAcks(journal)
          }
          await deliver(who, journal)
          const expected = timelineOf(history.flat())
          const { timeline, hours } = await contents(who)
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
    const future = state(MORNING + 26 * HOUR, 'IDLE', MORNING)
    journal.appendRaw(epochOf(1), 'events', [state(MORNING, 'RUNNING', MORNING), { type: 'wish' }, future])
    journal.appendRaw(epochOf(1), 'events', [state(MORNING + MINUTE, 'IDLE', MORNING + 30_000)])
    await deliver(who, journal)
    expect((await contents(who)).timeline.map(({ code }) => code)).toEqual(['RUNNING', 'IDLE'])
    expect(lettersOf(who)).toMatchObject([
      {
        reason: 'invalid',
        shop: who.shop,
        agent: 'pi',
        lane: 'events',
        epoch: epochOf(1),
        seq: 1,
        what: { type: 'wish' },
      },
      { reason: 'absurd-time', seq: 1, what: future },
    ])
    expect(await bench.metrics()).toContain('nakama_ingest_dead_letters_total{reason="absurd-time"} 1')
  })

  it('keeps a line that is no batch, and acknowledges nothing for it', async () => {
    const who = await bench.fresh()
    const journal = openJournal()
    journal.append(epochOf(1), [state(MORNING, 'IDLE', MORNING)])
    bench.pipeline.records(who, message(['{"v":1,"lane":"eve', '{"v":1,"lane":"events"}', ...journal.unacked()]))
    await vi.waitFor(() => expect(bench.acks).toHaveLength(1))
    await vi.waitFor(() => expect(lettersOf(who)).toHaveLength(2))
    expect(lettersOf(who)[0]).toMatchObject({ reason: 'malformed', what: '{"v":1,"lane":"eve' })
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
    await deliver(who, journal)
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
        takeAcks(journal)
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
        takeAcks(journal)
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
    await deliver(who, journal)
    expect((await contents(who)).timeline.map(({ code }) => code)).toEqual(['RUNNING', 'OFFLINE', 'RUNNING'])
    expect((await bench.store.timeline({ shop, machine: 'm2', ...EVERYTHING }))[0]).toMatchObject({ code: 'OFFLINE' })
  })

  it('says so when two journals of one agent go on in turn', async () => {
    const who = await bench.fresh()
    const journal = openJournal()
    for (let i = 0; i < 14; i++) {
      journal.append(epochOf(i % 2), [state(MORNING + i, 'IDLE', MORNING)])
      await deliver(who, journal)
    }
    expect(await bench.metrics()).toMatch(/nakama_ingest_twin_alarms_total [1-9]/)
  })
})

describe('the recent past', () => {
  const DAY: readonly Life[] = [
    {
      changes: [
        { afterMs: 0, backMs: 0, code: 'RUNNING' },
        { afterMs: 12 * MINUTE, backMs: 4 * MINUTE, code: 'IDLE' },
        { afterMs: 7 * MINUTE, backMs: 0, code: 'SETUP' },
        { afterMs: 9 * MINUTE, backMs: 0, code: 'RUNNING' },
        { afterMs: 20 * MINUTE, backMs: 0, code: 'PAUSED' },
        { afterMs: 30 * MINUTE, backMs: 0, code: 'RUNNING' },
        { afterMs: 45 * MINUTE, backMs: 0, code: 'OFFLINE' },
      ],
      lastReadingMs: 0,
      awayMs: 1,
    },
  ]
  const records = historyOf('m1', DAY).flat() as Extract<NakamaRecord, { type: 'state' }>[]

  /** Lives through two hours minute by minute. `silent` minutes: the agent is cut off, but goes on journaling. */
  const live = async (silent: (minute: number) => boolean, restartAt?: number): Promise<Who> => {
    const who = await bench.fresh()
    const journal = openJournal()
    for (let minute = 0; minute <= 125; minute++) {
      bench.now = MORNING + minute * MINUTE + 200
      const due = records.filter(({ at }) => at < bench.now && at >= bench.now - MINUTE)
      if (due.length > 0) journal.append(epochOf(1), due)
      if (minute === restartAt) await bench.restart()
      if (!silent(minute)) {
        const { code, since } = records.findLast(({ at }) => at < bench.now)!
        bench.pipeline.status(who, statusOf({ m1: { code, since } }, bench.now), false)
        await deliver(who, journal)
      }
      bench.pipeline.tick()
    }
    // What was presumed last is written too.
    await vi.waitFor(async () => expect((await contents(who)).timeline.at(-1)?.to).toBe(MORNING + 125 * MINUTE))
    return who
  }
  const confirmed = ({ timeline }: Awaited<ReturnType<typeof contents>>) =>
    timeline.filter(({ provisional }) => !provisional)

  it('is, after twenty minutes of silence and then their history, as if there had been no silence', async () => {
    const calm = await contents(await live(() => false))
    const cut = await contents(await live(minute => minute >= 50 && minute < 70))
    expect(cut).toEqual(calm)
    const restarted = await contents(await live(minute => minute >= 50 && minute < 70, 60))
    expect(restarted).toEqual(calm)
    expect(confirmed(calm)).toEqual(timelineOf(records))
    expect(calm.hours).toEqual(hoursFrom(calm.timeline))
  })

  it('is OFFLINE, provisionally, from when the agent was last heard, once it was silent for 90 s', async () => {
    const who = await bench.fresh()
    const journal = openJournal()
    journal.append(epochOf(1), [state(MORNING, 'RUNNING', MORNING)])
    await deliver(who, journal)
    const heardAt = MORNING + 2 * MINUTE + 10_000
    bench.now = heardAt
    bench.pipeline.status(who, statusOf({ m1: { code: 'RUNNING', since: MORNING } }, heardAt), false)
    const timeline = async () => (await contents(who)).timeline.map(({ code, to }) => [code, to - MORNING])
    await vi.waitFor(async () =>
      expect(await timeline()).toEqual([
        ['RUNNING', 1],
        ['RUNNING', 2 * MINUTE],
      ]),
    )
    bench.now = heardAt + 89_000
    bench.pipeline.tick()
    bench.now = heardAt + 10 * MINUTE
    expect(await timeline()).toHaveLength(2)
    bench.pipeline.tick()
    await vi.waitFor(async () => expect((await timeline()).at(-1)).toEqual(['OFFLINE', 12 * MINUTE]))
    const newest = await currentOf(who)
    expect(newest).toMatchObject({ code: 'OFFLINE', since: heardAt, provisional: true, confirmed: { code: 'RUNNING' } })
  })

  it('is not called OFFLINE for 90 s after ingest itself was cut off', async () => {
    const who = await bench.fresh()
    const journal = openJournal()
    journal.append(epochOf(1), [state(MORNING, 'RUNNING', MORNING)])
    await deliver(who, journal)
    bench.pipeline.status(who, statusOf({ m1: { code: 'RUNNING', since: MORNING } }, MORNING), false)
    bench.activeSince = MORNING + HOUR
    bench.now = bench.activeSince + 89_000
    bench.pipeline.tick()
    // What is acknowledged after the tick was written after whatever the tick said.
    journal.append(epochOf(1), [state(MORNING, 'RUNNING', MORNING)])
    await deliver(who, journal)
    expect(await currentOf(who)).toMatchObject({ code: 'RUNNING', to: MORNING + 1 })
    bench.now += 1_000
    bench.pipeline.tick()
    await vi.waitFor(async () => expect(await currentOf(who)).toMatchObject({ code: 'OFFLINE', since: MORNING + 1 }))
  })

  it('goes on being OFFLINE after a restart, though the agent is never heard again', async () => {
    const who = await bench.fresh()
    const journal = openJournal()
    journal.append(epochOf(1), [state(MORNING, 'RUNNING', MORNING)])
    await deliver(who, journal)
    await bench.restart()
    bench.now = MORNING + 30 * MINUTE
    bench.pipeline.tick()
    await vi.waitFor(async () =>
      expect(await currentOf(who)).toMatchObject({ code: 'OFFLINE', to: MORNING + 30 * MINUTE }),
    )
  })

  it('stays exact when a week of history arrives behind live data, and is not slow', async () => {
    const who = await bench.fresh({ now: MORNING + 7 * 24 * HOUR + HOUR })
    const week: Life[] = Array.from({ length: 7 }, () => ({
      changes: Array.from({ length: 150 }, (_, i) => ({
        afterMs: 5 * MINUTE + (i % 7) * 17_000,
        backMs: i % 3 === 0 ? 40_000 : 0,
        code: (['RUNNING', 'PAUSED', 'IDLE', 'SETUP'] as const)[i % 4]!,
      })),
      lastReadingMs: 1_000,
      awayMs: 9 * HOUR,
    }))
    const history = historyOf('m1', week)
    const now = state(bench.now, 'RUNNING', bench.now - 20_000)
    const journal = openJournal()
    journal.append(epochOf(99), [now])
    await deliver(who, journal)
    for (const [i, of] of history.entries()) {
      for (let first = 0; first < of.length; first += 50) journal.append(epochOf(i), of.slice(first, first + 50))
    }
    const began = performance.now()
    await deliver(who, journal)
    const tookMs = performance.now() - began
    const expected = timelineOf([...history.flat(), now])
    const { timeline, hours } = await contents(who)
    expect(timeline).toEqual(expected)
    expect(hours).toEqual(hoursFrom(expected))
    expect(tookMs).toBeLessThan(5_000)
  })
})
