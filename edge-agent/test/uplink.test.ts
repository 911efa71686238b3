import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Ack,
  agentTopic,
  type Desired,
  INTERVALS,
  LIMITS,
  type MachineStatus,
  type NakamaRecord,
  type StatusOnline,
} from '@nakama/contract'
import { createMetrics } from '@nakama/service'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { JOURNAL_MIN_BYTES, openJournal } from '../src/journal/journal.ts'
import { FLOW_PACE } from '../src/uplink/flow-state.ts'
import { openTaking } from '../src/uplink/taking.ts'
import { startUplink, type UplinkOptions } from '../src/uplink/uplink.ts'
import { VOICE_PACE } from '../src/uplink/voice.ts'
import { freePort } from './support.ts'
import {
  SILENT,
  startTap,
  startTestBroker,
  startTestIngest,
  statusesOf,
  type TestIngestOptions,
} from './uplink-support.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const AGENT = { shop: 'tanaka', agent: 'pi-1' }
const NAME = 'agent:tanaka:pi-1'
const STORE = 'aaaaaaaaaaaaaaaa'
const OTHER = 'bbbbbbbbbbbbbbbb'
const MACHINE: MachineStatus = { kind: 'nc-lathe', name: '旋盤1号機', code: 'RUNNING', since: 1_700_000_000_000 }

const until = (what: () => void | Promise<void>): Promise<void> => vi.waitFor(what, { timeout: 8_000, interval: 10 })

const newDir = async (): Promise<string> => {
  const dir = await mkdtemp(join(tmpdir(), 'uplink-'))
  cleanups.push(() => rm(dir, { recursive: true, force: true }))
  return dir
}
const newBroker = async (...args: Parameters<typeof startTestBroker>) => {
  const broker = await startTestBroker(...args)
  cleanups.push(broker.stop)
  return broker
}
const newIngest = (options: TestIngestOptions) => {
  const ingest = startTestIngest(options)
  cleanups.push(ingest.stop)
  return ingest
}

/** An agent's journal, taking and uplink, in one folder. */
const startAgentEnd = async (port: number, dir: string, more: Partial<UplinkOptions> = {}) => {
  const metrics = createMetrics('edge-agent')
  const journal = await openJournal({
    dir: join(dir, 'journal'),
    maxBytes: JOURNAL_MIN_BYTES,
    ...{ now: Date.now, random: Math.random, log: SILENT, metrics },
  })
  const taking = await openTaking({ file: join(dir, 'taking.json'), now: Date.now, log: SILENT })
  const machines: { [id: string]: MachineStatus } = { 'lathe-1': MACHINE }
  const uplink = startUplink({
    ...AGENT,
    version: '1.2.3',
    broker: { url: `mqtt://127.0.0.1:${port}`, username: NAME, password: 'secret' },
    machines: () => machines,
    configRev: 7,
    ...{ journal, taking, metrics, now: Date.now, monotonic: () => performance.now(), log: SILENT },
    // Short back-offs, and still names that differ.
    random: () => Math.random() * 0.05,
    ...more,
  })
  const stop = async (): Promise<void> => {
    await uplink.stop()
    await journal.close()
  }
  cleanups.push(stop)
  const metric = async (name: string): Promise<number> => {
    const line = (await metrics.text()).split('\n').find(each => each.startsWith(`nakama_edge_agent_${name} `))
    return Number(line?.split(' ').at(-1) ?? Number.NaN)
  }
  return { journal, taking, machines, uplink, stop, metric }
}

let clock = 1_700_000_000_000
const state = (code: 'IDLE' | 'RUNNING' = 'IDLE'): NakamaRecord => {
  clock += 1_000
  return { type: 'state', at: clock, machine: 'lathe-1', kind: 'nc-lathe', code, since: clock }
}
const samples = (values: number): NakamaRecord => {
  clock += 1_000
  return { type: 'samples', machine: 'lathe-1', kind: 'nc-lathe', at: [clock], signals: { speed: [values] } }
}
/** Journals without waiting for the next batch to close by itself. */
const put = async (
  { journal }: Awaited<ReturnType<typeof startAgentEnd>>,
  ...records: NakamaRecord[]
): Promise<void> => {
  for (const record of records) journal.append(record)
  await journal.flush()
}
const isEmpty = ({ journal }: Awaited<ReturnType<typeof startAgentEnd>>) =>
  until(() => expect(journal.stats().oldestAt).toBe(null))

const ackOf = (of: Partial<Ack>): string =>
  JSON.stringify({ v: 1, store: STORE, lane: 'events', epoch: '', seq: 1, window: 1_000, at: 1, ...of })

describe('records', () => {
  it('arrive as they were journaled, events and samples, and are forgotten when they are stored', async () => {
    const broker = await newBroker()
    const ingest = newIngest({ port: broker.port, store: STORE })
    const end = await startAgentEnd(broker.port, await newDir())
    const records = [state('RUNNING'), samples(1), samples(2), state('IDLE')]
    await put(end, ...records)
    await until(() => expect(ingest.records()).toHaveLength(4))
    expect(ingest.records()).toEqual(expect.arrayContaining(records))
    await isEmpty(end)
    expect(end.uplink.lastAckAt).toBeGreaterThan(Date.now() - 10_000)
    const messages = broker.on(agentTopic(AGENT, 'records'))
    for (const { qos, retain } of messages) expect({ qos, retain }).toEqual({ qos: 0, retain: false })
    expect(ingest.problems).toEqual([])
    expect(await end.metric('batches_sent_total')).toBe(ingest.stored.length)
    expect(await end.metric('in_flight_bytes')).toBe(0)
  })

  it('stay in the journal until ingest itself acknowledges them, whatever the broker confirms', async () => {
    const broker = await newBroker()
    const ingest = newIngest({ port: broker.port, store: STORE })
    ingest.mute(true)
    const end = await startAgentEnd(broker.port, await newDir(), { pace: { ackTimeoutMs: 100, backoffFirstMs: 50 } })
    await put(end, state())
    const topic = agentTopic(AGENT, 'records')
    await until(() => expect(broker.on(topic).length).toBeGreaterThan(3))
    expect(end.journal.stats().oldestAt).not.toBe(null)
    expect(end.uplink.lastAckAt).toBe(null)
    expect(await end.metric('in_flight_bytes')).toBeGreaterThan(0)
    expect(await end.metric('batches_resent_total')).toBeGreaterThan(1)
    ingest.mute(false)
    await isEmpty(end)
    expect(ingest.records()).toHaveLength(1)
  })

  it('survive the broker, which may be replaced by an empty one, and arrive once and in order', async () => {
    const first = await newBroker()
    const ingest = newIngest({ port: first.port, store: STORE })
    const end = await startAgentEnd(first.port, await newDir())
    const records: NakamaRecord[] = []
    const journalSome = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        const record = samples(records.length)
        records.push(record)
        await put(end, record)
      }
    }
    await journalSome(5)
    await until(() => expect(ingest.records().length).toBeGreaterThan(0))
    await first.stop()
    await journalSome(20)
    expect(end.uplink.connected).toBe(false)
    await newBroker(first.port)
    await journalSome(5)
    await until(() => expect(ingest.records()).toHaveLength(records.length))
    expect(ingest.records()).toEqual(records)
    await isEmpty(end)
  })

  it('of a former process go before those of this one', async () => {
    const dir = await newDir()
    const port = await freePort()
    const before = await startAgentEnd(port, dir)
    const records = [state('RUNNING'), state('IDLE'), state('RUNNING')]
    await put(before, records[0] as NakamaRecord)
    before.journal.append(records[1] as NakamaRecord)
    await before.stop()
    const end = await startAgentEnd(port, dir)
    await put(end, records[2] as NakamaRecord)
    await newBroker(port)
    const ingest = newIngest({ port, store: STORE })
    await until(() => expect(ingest.records()).toEqual(records))
    expect(new Set(ingest.stored.map(batch => batch.epoch)).size).toBe(2)
    await isEmpty(end)
  })

  it('drain in messages of many batches that no broker refuses', async () => {
    const port = await freePort()
    const end = await startAgentEnd(port, await newDir())
    const records = Array.from({ length: 300 }, (_, i) => samples(i))
    for (const record of records) {
      await put(end, record)
    }
    const broker = await newBroker(port)
    const ingest = newIngest({ port, store: STORE })
    await until(() => expect(ingest.records()).toHaveLength(300))
    expect(ingest.records()).toEqual(records)
    const messages = broker.on(agentTopic(AGENT, 'records'))
    expect(messages.length).toBeLessThan(30)
    for (const { payload } of messages) expect(Buffer.byteLength(payload)).toBeLessThan(LIMITS.packetMaxBytes - 100)
  })

  it('that break the connection five times are put aside, and the others arrive', async () => {
    const dir = await newDir()
    const broker = await newBroker(0, payload => payload.includes('666'))
    const ingest = newIngest({ port: broker.port, store: STORE })
    const end = await startAgentEnd(broker.port, dir)
    for (const value of [1, 666, 2]) {
      await put(end, samples(value))
    }
    await until(() => expect(ingest.records().filter(({ type }) => type === 'gap')).toHaveLength(1))
    await isEmpty(end)
    expect(ingest.records().find(({ type }) => type === 'gap')).toMatchObject({ what: 'samples', why: 'dead-letter' })
    const values = ingest.records().flatMap(record => (record.type === 'samples' ? record.signals.speed : []))
    expect(values).toEqual([1, 2])
    expect(await readFile(join(dir, 'journal', 'dead-letter.jsonl'), 'utf8')).toContain('666')
    expect(broker.connectsOf(NAME)).toBeGreaterThan(5)
  })

  it('are not put aside when the network is cut on them again and again and ingest is silent meanwhile', async () => {
    const broker = await newBroker()
    const ingest = newIngest({ port: broker.port, store: STORE })
    ingest.mute(true)
    const end = await startAgentEnd(broker.port, await newDir(), { pace: { suspectMs: 60_000 } })
    await put(end, state())
    for (let cut = 1; cut <= 8; cut++) {
      // Own status as said at the connect and, once the batch is under suspicion, after it.
      await until(() => {
        expect(broker.on(agentTopic(AGENT, 'records')).length).toBeGreaterThan(0)
        const statuses = broker.on(agentTopic(AGENT, 'status'))
        const { conn } = JSON.parse(statuses.at(-1)?.payload ?? '{}')
        const ours = statuses.filter(each => each.payload.includes(conn))
        expect(ours.length).toBeGreaterThanOrEqual(cut === 1 ? 1 : 2)
      })
      broker.cut(NAME)
      await until(() => expect(broker.connectsOf(NAME)).toBe(cut + 1))
    }
    ingest.mute(false)
    await until(() => expect(ingest.records()).toHaveLength(1))
    await isEmpty(end)
    expect(ingest.records()[0]?.type).toBe('state')
  })
})

describe('acks', () => {
  it('of another store, of an unknown epoch and of what was never sent delete nothing, and are counted', async () => {
    const broker = await newBroker()
    const ingest = newIngest({ port: broker.port, store: STORE })
    ingest.mute(true)
    const end = await startAgentEnd(broker.port, await newDir())
    await put(end, state())
    const topic = agentTopic(AGENT, 'records')
    await until(() => expect(broker.on(topic)).toHaveLength(1))
    const { epoch } = end.journal
    const ack = agentTopic(AGENT, 'ack')
    await broker.say(ack, ackOf({ epoch, store: OTHER }))
    await broker.say(ack, ackOf({ epoch: 'cccccccccccccccc' }))
    await broker.say(ack, ackOf({ epoch, seq: 2 }))
    await broker.say(ack, '{"v":1}')
    await until(async () => expect(await end.metric('malformed_messages_total{topic="ack"}')).toBe(1))
    for (const why of ['other-store', 'unknown-epoch', 'never-sent'])
      expect(await end.metric(`acks_ignored_total{why="${why}"}`)).toBe(1)
    expect(end.journal.stats().oldestAt).not.toBe(null)
    await broker.say(ack, ackOf({ epoch }))
    await isEmpty(end)
  })

  it('of a new store count once its ingest has said so; profiles and taking are told again', async () => {
    const broker = await newBroker()
    const first = newIngest({ port: broker.port, store: STORE })
    const onNewStore = vi.fn((_store: string) => end.journal.append(state('RUNNING')))
    const end = await startAgentEnd(broker.port, await newDir(), { onNewStore })
    await put(end, state())
    await isEmpty(end)
    await first.stop()
    await put(end, samples(1))
    const second = newIngest({ port: broker.port, store: OTHER })
    await until(() =>
      expect(
        second
          .records()
          .map(({ type }) => type)
          .sort(),
      ).toEqual(['samples', 'state', 'taking']),
    )
    await isEmpty(end)
    expect(onNewStore.mock.calls).toEqual([[OTHER]])
  })
})

describe('without presence of ingest', () => {
  it('the oldest batch alone asks whether somebody is there', async () => {
    const broker = await newBroker()
    const end = await startAgentEnd(broker.port, await newDir(), { pace: { probeMs: 200 } })
    await put(end, state(), samples(1))
    const topic = agentTopic(AGENT, 'records')
    await until(() => expect(broker.on(topic).length).toBeGreaterThan(2))
    for (const { payload } of broker.on(topic)) expect(payload).toMatch(/^\{"v":1,"lane":"events",[^\n]*$/)
    const ingest = newIngest({ port: broker.port, store: STORE, presence: false })
    await until(() => expect(ingest.records()).toHaveLength(2))
    await isEmpty(end)
  })
})

describe('the status', () => {
  const onlineOf = (broker: Parameters<typeof statusesOf>[0]): StatusOnline[] =>
    statusesOf(broker, AGENT).filter(status => status.online)

  it('is retained, says what is true, and is said at every connect with a name of its own', async () => {
    const broker = await newBroker()
    const end = await startAgentEnd(broker.port, await newDir())
    await until(() => expect(onlineOf(broker)).toHaveLength(1))
    expect(onlineOf(broker)[0]).toMatchObject({
      version: '1.2.3',
      clock: { synchronised: true },
      config: { rev: 7 },
      taking: { value: true, until: null, rev: 0 },
      machines: { 'lathe-1': MACHINE },
      journal: { maxBytes: JOURNAL_MIN_BYTES, oldestAt: null },
    })
    for (const { qos, retain } of broker.on(agentTopic(AGENT, 'status')))
      expect({ qos, retain }).toEqual({ qos: 1, retain: true })
    broker.cut(NAME)
    await until(() => expect(onlineOf(broker)).toHaveLength(2))
    const [first, second] = onlineOf(broker)
    expect(second?.conn).not.toBe(first?.conn)
    // The will of the connection that was cut.
    expect(statusesOf(broker, AGENT).filter(status => !status.online)).toMatchObject([{ conn: first?.conn }])
    await end.stop()
    expect(statusesOf(broker, AGENT).at(-1)).toMatchObject({ online: false, conn: second?.conn })
  })

  it('follows changes, several at once in one message', async () => {
    const broker = await newBroker()
    const end = await startAgentEnd(broker.port, await newDir())
    await until(() => expect(onlineOf(broker)).toHaveLength(1))
    for (const code of ['PAUSED', 'ALARM', 'IDLE'] as const) {
      end.machines['lathe-1'] = { ...MACHINE, code }
      end.uplink.statusChanged()
    }
    await until(() => expect(onlineOf(broker).at(-1)?.machines['lathe-1']?.code).toBe('IDLE'))
    expect(onlineOf(broker)).toHaveLength(2)
  })

  it('is repeated while nothing changes', async () => {
    const broker = await newBroker()
    await startAgentEnd(broker.port, await newDir(), { pace: { repeatMs: 50 } })
    await until(() => expect(onlineOf(broker).length).toBeGreaterThan(4))
    expect(VOICE_PACE.repeatMs).toBe(60_000)
  })

  it('is said again when the will of a former connection has overwritten it', async () => {
    const broker = await newBroker()
    await startAgentEnd(broker.port, await newDir())
    await until(() => expect(onlineOf(broker)).toHaveLength(1))
    await broker.say(agentTopic(AGENT, 'status'), '{"v":1,"online":false,"conn":"old","at":1}', true)
    await until(() => expect(statusesOf(broker, AGENT).at(-1)?.online).toBe(true))
    expect(onlineOf(broker)).toHaveLength(2)
  })
})

describe('what the coordinator desires', () => {
  const desired = (rev: number, value: boolean): string =>
    JSON.stringify({ v: 1, at: 1, taking: { value, until: null, rev } } satisfies Desired)

  it('is applied, kept, journaled and said', async () => {
    const broker = await newBroker()
    const ingest = newIngest({ port: broker.port, store: STORE })
    await broker.say(agentTopic(AGENT, 'desired'), desired(3, false), true)
    const dir = await newDir()
    const end = await startAgentEnd(broker.port, dir)
    await until(() => expect(statusesOf(broker, AGENT).at(-1)).toMatchObject({ taking: { value: false, rev: 3 } }))
    await end.journal.flush()
    await until(() => expect(ingest.records()).toMatchObject([{ type: 'taking', value: false, until: null, rev: 3 }]))
    expect(end.taking.current).toEqual({ value: false, until: null, rev: 3 })
    const again = await openTaking({ file: join(dir, 'taking.json'), now: Date.now, log: SILENT })
    expect(again.current.rev).toBe(3)
  })

  it('is refused when the shop has said otherwise since, and the status says so', async () => {
    const broker = await newBroker()
    const ingest = newIngest({ port: broker.port, store: STORE })
    const end = await startAgentEnd(broker.port, await newDir())
    await until(() => expect(end.uplink.connected).toBe(true))
    await end.taking.change(false, null)
    await end.taking.change(true, null)
    await until(() => expect(statusesOf(broker, AGENT).at(-1)).toMatchObject({ taking: { value: true, rev: 2 } }))
    await broker.say(agentTopic(AGENT, 'desired'), desired(1, false))
    await until(() =>
      expect(statusesOf(broker, AGENT).at(-1)).toMatchObject({ taking: { rev: 2, refused: { rev: 1 } } }),
    )
    await end.journal.flush()
    await until(() => expect(ingest.records()).toMatchObject([{ rev: 1 }, { type: 'taking', value: true, rev: 2 }]))
  })
})

describe('a connection that swallows everything', () => {
  it('is noticed and replaced', async () => {
    const broker = await newBroker()
    const tap = await startTap(broker.port)
    cleanups.push(tap.stop)
    const ingest = newIngest({ port: broker.port, store: STORE })
    const end = await startAgentEnd(tap.port, await newDir(), { pace: { ackTimeoutMs: 100, echoMs: 200 } })
    await put(end, state())
    await isEmpty(end)
    tap.swallow()
    await put(end, state('RUNNING'))
    await until(() => expect(ingest.records()).toHaveLength(2))
    expect(tap.accepted()).toBe(2)
  })

  it('is noticed within 30 s, by the keep-alive or by an ack that does not come', () => {
    expect(FLOW_PACE.ackTimeoutMs + VOICE_PACE.gatherMs + VOICE_PACE.echoMs).toBeLessThan(30_000)
    expect(INTERVALS.keepAliveS * 1_000 * 1.5).toBeLessThan(30_000)
  })

  it('is not confused with an ingest that is slow', async () => {
    const echoMs = 400
    const broker = await newBroker()
    const ingest = newIngest({ port: broker.port, store: STORE })
    ingest.mute(true)
    const end = await startAgentEnd(broker.port, await newDir(), {
      pace: { ackTimeoutMs: 50, backoffFirstMs: 1, backoffMaxMs: 10, gatherMs: 1, echoMs },
    })
    await put(end, state())
    const since = performance.now()
    await until(() => expect(performance.now() - since).toBeGreaterThan(echoMs * 1.5))
    expect(await end.metric('acks_missed_total')).toBeGreaterThan(5)
    expect(broker.connectsOf(NAME)).toBe(1)
  })
})
