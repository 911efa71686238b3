import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { NakamaRecord, StateRecord } from '@nakama/contract'
import { createMetrics, loadConfig, type ReadyMessage } from '@nakama/service'
import { describe, expect, it, vi } from 'vitest'
import { startAgent } from '../src/agent.ts'
import { AgentConfig } from '../src/config.ts'
import { checkAgentConfig } from '../src/config-sense.ts'
import { AGENT, configText, POLL_MS } from './agent-support.ts'
import { startModbusServer } from './support.ts'
import { SILENT, startTestBroker, startTestIngest, statusesOf } from './uplink-support.ts'

const MAIN = join(import.meta.dirname, '../src/main.ts')
/** From the taking of a reading to its being safe, and a little for a busy machine. */
const PROMISE_MS = 1_500

/** Told what to do once the test is over, in reverse order. The tests run side by side: each is mostly waiting. */
type Later = (cleanup: () => Promise<void>) => void

const until = (what: () => void | Promise<void>): Promise<void> => vi.waitFor(what, { timeout: 10_000, interval: 20 })

/** A machine that numbers its readings: register 0 counts how often it was read. Coil 0 is its cycle. */
const startMachine = async (later: Later) => {
  let ticks = 0
  let running = true
  const server = await startModbusServer({
    bits: () => running,
    words: () => {
      ticks += 1
      return ticks
    },
  })
  later(server.stop)
  return {
    port: server.port,
    ticks: () => ticks,
    run(on: boolean) {
      running = on
    },
  }
}

const writeConfig = async (content: string, later: Later): Promise<string> => {
  const dir = await mkdtemp(join(tmpdir(), 'agent-'))
  later(() => rm(dir, { recursive: true, force: true }))
  const file = join(dir, 'agent.yaml')
  await writeFile(file, content)
  await writeFile(join(dir, 'password'), 'secret\n')
  return file
}

const startHere = async (configFile: string, later: Later) => {
  const config = loadConfig(configFile, AgentConfig, checkAgentConfig)
  const metrics = createMetrics('edge-agent')
  const agent = await startAgent({ config, configFile, log: SILENT, metrics, now: Date.now, random: Math.random })
  later(agent.stop)
  return agent
}

const startProcess = async (configFile: string, later: Later): Promise<ChildProcess> => {
  const child = spawn(process.execPath, [MAIN, '--config', configFile], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, LOG_LEVEL: 'silent' },
  })
  later(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  const [message] = (await once(child, 'message')) as [ReadyMessage]
  expect(message.type).toBe('ready')
  return child
}

const runMain = async (argv: readonly string[]) => {
  const child = spawn(process.execPath, [MAIN, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [[code], out, err] = await Promise.all([once(child, 'exit'), text(child.stdout), text(child.stderr)])
  return { code: code as number | null, out, err }
}

const startPath = async (later: Later) => {
  const machine = await startMachine(later)
  const broker = await startTestBroker()
  later(broker.stop)
  const ingest = startTestIngest({ port: broker.port, store: 'aaaaaaaaaaaaaaaa' })
  later(ingest.stop)
  const configFile = await writeConfig(configText(machine.port, broker.port), later)
  return { machine, broker, ingest, configFile }
}

const ticksIn = (records: readonly NakamaRecord[]): number[] =>
  records.flatMap(record => (record.type === 'samples' ? (record.signals.tick as number[]) : []))
const statesIn = (records: readonly NakamaRecord[]): StateRecord[] => records.filter(record => record.type === 'state')
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe.concurrent('an agent', () => {
  it('brings every reading and every change of state from the machine to ingest, and shows the present', async ({
    onTestFinished,
  }) => {
    const { machine, broker, ingest, configFile } = await startPath(onTestFinished)
    const agent = await startHere(configFile, onTestFinished)
    await until(() => expect(statesIn(ingest.records()).at(-1)?.code).toBe('RUNNING'))
    machine.run(false)
    await until(() => expect(statesIn(ingest.records()).at(-1)?.code).toBe('IDLE'))
    const idle = statesIn(ingest.records()).at(-1) as StateRecord
    await until(() =>
      expect(statusesOf(broker, AGENT).at(-1)).toMatchObject({
        online: true,
        config: { rev: 3 },
        machines: { 'lathe-1': { kind: 'nc-lathe', code: 'IDLE', since: idle.since } },
      }),
    )
    await until(() => expect(ticksIn(ingest.records()).length).toBeGreaterThan(5))
    const health = await fetch(`${agent.addresses.http}/healthz`)
    expect(health.status).toBe(200)
    expect(await health.json()).toMatchObject({ ok: true, brokerConnected: true, 'machine.lathe-1.state': 'IDLE' })
    expect(await (await fetch(`${agent.addresses.http}/metrics`)).text()).toContain(
      'nakama_edge_agent_batches_sent_total',
    )
    const ticks = ticksIn(ingest.records())
    expect(ticks).toEqual(range(1, ticks.length))
    expect(ingest.records()[0]?.type).toMatch(/gap|profile|samples/)
    await agent.stop()
    expect(statusesOf(broker, AGENT).at(-1)?.online).toBe(false)
  })

  it('explains its machines on a terminal, and says how it is when it is not there', async ({ onTestFinished }) => {
    const { machine, ingest, configFile } = await startPath(onTestFinished)
    const agent = await startHere(configFile, onTestFinished)
    await until(() => expect(statesIn(ingest.records()).at(-1)?.code).toBe('RUNNING'))
    const { port } = new URL(agent.addresses.http as string)
    const content = configText(machine.port, 1).replace(
      'http: { host: 127.0.0.1, port: 0 }',
      `http: { host: 127.0.0.1, port: ${port} }`,
    )
    const sameAddress = await writeConfig(content, onTestFinished)
    const explained = await runMain(['--explain', '--config', sameAddress, '--machine', 'lathe-1'])
    expect(explained).toMatchObject({ code: 0, err: '' })
    expect(explained.out).toMatch(/■ 旋盤1号機（NC旋盤 NC lathe, lathe-1）\n {2}運転中 \/ Running/)
    expect(explained.out).toMatch(/「運転」の条件：cycle = true \/ rule running\n/)
    expect(explained.out).toMatch(/\* cycle = ON\n {6}tick = \d+\n$/)
    await agent.stop()
    expect(await runMain(['--explain', '--config', sameAddress])).toMatchObject({
      ...{ code: 2, out: '' },
      err: expect.stringContaining(`AGENT_SILENT: http://127.0.0.1:${port}: expected an agent that runs`),
    })
    expect((await runMain(['--explain', '--config', sameAddress, '--machine', 'mill'])).err).toBe(
      'EXPLAIN_BAD_ARGUMENT: --machine: expected one of lathe-1, got "mill"\n',
    )
  })

  it('loses nothing when the broker dies and an empty one takes its place', async ({ onTestFinished }) => {
    const { machine, broker, ingest, configFile } = await startPath(onTestFinished)
    await startHere(configFile, onTestFinished)
    await until(() => expect(ticksIn(ingest.records()).length).toBeGreaterThan(5))
    await broker.stop()
    const atDeath = machine.ticks()
    await until(() => expect(machine.ticks()).toBeGreaterThan(atDeath + 15))
    const second = await startTestBroker(broker.port)
    onTestFinished(second.stop)
    const wanted = machine.ticks()
    await until(() => expect(ticksIn(ingest.records()).at(-1)).toBeGreaterThanOrEqual(wanted))
    const ticks = ticksIn(ingest.records())
    expect(ticks).toEqual(range(1, ticks.length))
  })

  it('that is killed loses no reading of more than a second before, counts none twice, and tells the gap', async ({
    onTestFinished,
  }) => {
    const { machine, ingest, configFile } = await startPath(onTestFinished)
    const first = await startProcess(configFile, onTestFinished)
    await until(() => expect(ticksIn(ingest.records()).length).toBeGreaterThan(3))
    // What is now journaled is not acknowledged before the kill.
    ingest.mute(true)
    const muted = machine.ticks()
    await until(() => expect(machine.ticks()).toBeGreaterThan(muted + 25))
    first.kill('SIGKILL')
    await once(first, 'exit')
    const atKill = machine.ticks()
    ingest.mute(false)
    await startProcess(configFile, onTestFinished)
    await until(() => expect(ticksIn(ingest.records()).at(-1)).toBeGreaterThan(atKill + 3))
    const records = ingest.records()
    const ticks = ticksIn(records)
    const before = ticks.filter(tick => tick <= atKill)
    const after = ticks.filter(tick => tick > atKill)
    expect(before).toEqual(range(1, before.length))
    expect(before.length).toBeGreaterThanOrEqual(atKill - PROMISE_MS / POLL_MS)
    expect(after).toEqual(range(atKill + 1, after.at(-1) as number))
    const times = records.flatMap(record => (record.type === 'samples' ? record.at : []))
    const gaps = records.filter(record => record.type === 'gap').filter(({ why }) => why !== 'journal-new')
    expect(gaps.map(({ why, machine, what }) => `${why} ${machine} ${what}`)).toEqual(['agent-stopped lathe-1 all'])
    expect(gaps).toMatchObject([{ from: times[before.length - 1], to: times[before.length] }])
  })
})
