import { join } from 'node:path'
import { agentTopic, ingestTopic, messageOf, type NakamaRecord } from '@nakama/contract'
import { loadConfig } from '@nakama/service'
import { openEmbeddedReader } from '@nakama/store'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { IngestConfig, ingestSense } from '../src/index.ts'
import { HOUR, MINUTE } from './support/history.ts'
import { epochOf, openJournal } from './support/journal.ts'
import { openRoom, type Room } from './support/room.ts'
import { statusOf } from './support/workbench.ts'

const WHO = { shop: 'tanaka', agent: 'pi' }
const M1 = { machine: 'm1', kind: 'nc-lathe' } as const

let room: Room

beforeEach(async () => {
  room = await openRoom()
})

afterEach(() => room.close())

const readStore = async <T>(
  read: (store: Awaited<ReturnType<typeof openEmbeddedReader>>) => Promise<T>,
): Promise<T> => {
  const store = await openEmbeddedReader({ file: room.storeFile })
  try {
    return await read(store)
  } finally {
    await store.close()
  }
}

const isReady = async (url: string): Promise<boolean> => (await fetch(`${url}/readyz`)).status === 200
const within = { timeout: 10_000, interval: 50 }

describe('ingest as a process', () => {
  it('loses nothing and counts nothing twice when it is killed again and again in mid-stream, and the broker tells its end', async () => {
    const start = Math.floor((Date.now() - 2 * HOUR) / HOUR) * HOUR
    const codes = ['RUNNING', 'IDLE', 'SETUP'] as const
    const journal = openJournal()
    const agent = room.openAgent(WHO, journal)
    const batches = 240
    let next = 0
    const append = (count: number): void => {
      for (; count > 0 && next < batches; count--, next++) {
        const at = start + next * 15_000
        const records: NakamaRecord[] = [
          {
            type: 'samples',
            ...M1,
            at: [at, at + 5_000, at + 10_000],
            signals: { tick: [0, 1, 2].map(i => next * 3 + i) },
          },
          { type: 'count', ...M1, at, parts: 1, total: next },
          { type: 'state', ...M1, at: at + 1_000, code: codes[next % 3]!, since: at },
        ]
        // A new epoch as after a restart of the agent.
        journal.append(epochOf(next < 100 ? 1 : 2), records)
      }
    }
    for (let life = 0; life < 3; life++) {
      const ingest = await room.spawnIngest('main')
      append(70)
      const before = agent.acks.length
      await vi.waitFor(() => expect(agent.acks.length).toBeGreaterThan(before + 2), within)
      // In the middle of whatever it is doing: more has come, and is not yet acknowledged.
      append(10)
      await ingest.kill()
      await vi.waitFor(() => expect(JSON.parse(agent.presences.at(-1)!)).toMatchObject({ online: false }), within)
    }
    append(batches)
    const ingest = await room.startIngest('main')
    await vi.waitFor(() => expect(journal.done).toBe(true), within)
    await ingest.stop()

    const range = { shop: WHO.shop, machine: 'm1', from: start - HOUR, to: start + 4 * HOUR }
    await readStore(async store => {
      const { signals } = await store.samples(range)
      expect(signals.tick).toEqual(Array.from({ length: batches * 3 }, (_, i) => i))
      const counts = await store.counts(range)
      expect(counts.map(({ total }) => total)).toEqual(Array.from({ length: batches }, (_, i) => i))
      const timeline = await store.timeline(range)
      expect(timeline.map(({ code, from }) => [code, from])).toEqual(
        Array.from({ length: batches }, (_, i) => [codes[i % 3], start + i * 15_000]),
      )
      // Each state has a third of the hour, whatever was written twice.
      const [hour] = await store.rollups({ ...range, from: start, to: start + HOUR, resolution: 'hour' })
      expect([hour?.stateMs.RUNNING, hour?.stateMs.IDLE]).toEqual([HOUR / 3, HOUR / 3])
      expect(agent.acks.every(({ store: id }) => id === store.id)).toBe(true)
    })
  }, 60_000)

  it('tells who it is, how old its last work is, and that it is gone', async () => {
    const journal = openJournal()
    const agent = room.openAgent(WHO, journal)
    const ingest = await room.startIngest('main')
    await vi.waitFor(async () => expect(await isReady(ingest.url)).toBe(true), within)
    const at = Date.now()
    journal.append(epochOf(1), [{ type: 'state', ...M1, at, code: 'IDLE', since: at }])
    await vi.waitFor(() => expect(agent.acks).toHaveLength(1), within)
    const present = JSON.parse(agent.presences.at(-1)!)
    expect(present).toMatchObject({ v: 1, online: true, id: 'main', store: agent.acks[0]!.store })
    expect(Math.abs(agent.acks[0]!.at - Date.now())).toBeLessThan(5_000)
    const health = await (await fetch(`${ingest.url}/healthz`)).json()
    expect(health).toMatchObject({ ok: true, active: true, storeState: 'ok', lastStoredAgeMs: expect.any(Number) })
    expect(await (await fetch(`${ingest.url}/metrics`)).text()).toContain('nakama_ingest_records_total{type="state"} 1')
    await ingest.stop()
    await vi.waitFor(
      () => expect(JSON.parse(agent.presences.at(-1)!)).toMatchObject({ online: false, id: 'main' }),
      within,
    )
  })

  it('stays passive beside another ingest of the same broker, and takes over when that one is gone', async () => {
    const journal = openJournal()
    const agent = room.openAgent(WHO, journal)
    const first = await room.startIngest('first')
    await vi.waitFor(async () => expect(await isReady(first.url)).toBe(true), within)
    const second = await room.startIngest('second', {
      store: { type: 'embedded', file: join(room.folder, 'second.db') },
    })
    const append = (): void => {
      const at = Date.now()
      journal.append(epochOf(1), [{ type: 'state', ...M1, at, code: 'IDLE', since: at }])
    }
    for (let i = 1; i <= 3; i++) {
      append()
      await vi.waitFor(() => expect(journal.done).toBe(true), within)
    }
    expect(await isReady(second.url)).toBe(false)
    expect(new Set(agent.acks.map(({ store }) => store)).size).toBe(1)
    expect(room.heard(ingestTopic('second')).map(said => JSON.parse(said).online)).toEqual([false])
    await first.stop()
    append()
    await vi.waitFor(() => expect(journal.done).toBe(true), within)
    expect(await isReady(second.url)).toBe(true)
    expect(new Set(agent.acks.map(({ store }) => store)).size).toBe(2)
  })

  it('draws the present on from live statuses, and believes no will of a connection long replaced', async () => {
    const journal = openJournal()
    room.openAgent(WHO, journal)
    const ingest = await room.startIngest('main')
    await vi.waitFor(async () => expect(await isReady(ingest.url)).toBe(true), within)
    const since = Date.now() - 10 * MINUTE
    journal.append(epochOf(1), [{ type: 'state', ...M1, at: since + MINUTE, code: 'RUNNING', since }])
    await vi.waitFor(() => expect(journal.done).toBe(true), within)
    const topic = agentTopic(WHO, 'status')
    const now = Date.now()
    room.publish(topic, 'not a status')
    room.publish(topic, JSON.stringify({ v: 1, online: false, conn: 'c0', at: now }), true)
    room.publish(topic, statusOf({ m1: { code: 'RUNNING', since } }, now), true)
    await vi.waitFor(async () => {
      const [current] = await readStore(store => store.currentStates())
      expect(current).toMatchObject({ code: 'RUNNING', since, provisional: true, to: now - (now % MINUTE) })
    }, within)
    const metrics = await (await fetch(`${ingest.url}/metrics`)).text()
    expect(metrics).toContain('nakama_ingest_statuses_total{outcome="stale-will"} 1')
    expect(metrics).toContain('nakama_ingest_statuses_total{outcome="malformed"} 1')
  })

  it('names what is wrong in a configuration', () => {
    const check = (more: object): string => {
      try {
        loadConfig(room.configFile('main', more), IngestConfig, ingestSense)
        return 'ok'
      } catch (error) {
        return messageOf(error)
      }
    }
    expect(check({})).toBe('ok')
    expect(check({ id: 'other' })).toMatch(/broker\.username: expected ingest:other, got ingest:main/)
    expect(check({ store: { type: 'paper', file: 'x' } })).toMatch(/store\.type: expected "?embedded/)
    expect(check({ limits: { gatherMs: -1 } })).toMatch(/limits\.gatherMs: expected/)
  })
})
