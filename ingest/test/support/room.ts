import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Ack, type AgentId, agentTopic, decodeAck, EVERY_INGEST_FILTER, joinBatches } from '@nakama/contract'
import { createLog, createMetrics, loadConfig, openMqttLink, type RunningService } from '@nakama/service'
import { Aedes } from 'aedes'
import { IngestConfig, ingestSense, startIngest } from '../../src/index.ts'
import type { Journal } from './journal.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
const RESEND_MS = 150

/** A real broker, ingest as processes of its own, and agents over MQTT, all in one temporary folder. */
export interface Room {
  readonly folder: string
  readonly storeFile: string
  configFile(id: string, more?: object): string
  spawnIngest(id: string): Promise<IngestProcess>
  /** In this process. */
  startIngest(id: string, more?: object): Promise<RunningService & { readonly url: string }>
  openAgent(id: AgentId, journal: Journal): TestAgent
  /** Everything that the broker was given, by topic. */
  heard(topic: string): string[]
  publish(topic: string, payload: string, retain?: boolean): void
  close(): Promise<void>
}

export interface IngestProcess {
  kill(): Promise<void>
}

export interface TestAgent {
  readonly acks: Ack[]
  /** Presence messages of any ingest, newest last. */
  readonly presences: string[]
  stop(): Promise<void>
}

export const openRoom = async (): Promise<Room> => {
  const folder = mkdtempSync(join(tmpdir(), 'nakama-ingest-room-'))
  writeFileSync(join(folder, 'password'), 'secret\n')
  const cleanUp: (() => Promise<unknown>)[] = []
  const broker = await Aedes.createBroker()
  const messages: { topic: string; payload: string }[] = []
  broker.on('publish', ({ topic, payload }) => void messages.push({ topic, payload: payload.toString() }))
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    broker.handle(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const brokerUrl = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`
  const storeFile = join(folder, 'store', 'nakama.db')

  const configFile = (id: string, more: object = {}): string => {
    const file = join(folder, `${id}.yaml`)
    const config = {
      id,
      broker: { url: brokerUrl, username: `ingest:${id}`, password: { file: 'password' } },
      http: { host: '127.0.0.1', port: 0 },
      store: { type: 'embedded', file: storeFile },
      dataDir: `data-${id}`,
      ...more,
    }
    writeFileSync(file, JSON.stringify(config))
    return file
  }

  return {
    folder,
    storeFile,
    configFile,
    async startIngest(id, more) {
      const file = configFile(id, more)
      const service = await startIngest({
        config: loadConfig(file, IngestConfig, ingestSense),
        configFile: file,
        log: createLog('ingest', 'silent'),
        metrics: createMetrics('ingest'),
        now: Date.now,
        random: Math.random,
      })
      cleanUp.push(service.stop)
      return { ...service, url: service.addresses.http as string }
    },
    async spawnIngest(id) {
      const child = spawn(process.execPath, [MAIN, '--config', configFile(id)], {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        env: { ...process.env, LOG_LEVEL: 'silent' },
      })
      cleanUp.push(() => kill(child))
      await once(child, 'message')
      return { kill: () => kill(child) }
    },
    openAgent(id, journal) {
      const acks: Ack[] = []
      const presences: string[] = []
      const ackTopic = agentTopic(id, 'ack')
      const link = openMqttLink({
        url: brokerUrl,
        clientId: `agent:${id.shop}:${id.agent}`,
        username: `agent:${id.shop}:${id.agent}`,
        password: 'secret',
        keepAliveS: 15,
        subscriptions: [ackTopic, EVERY_INGEST_FILTER],
        onUp: () => {},
        onDown: () => {},
        onMessage(topic, payload) {
          if (topic !== ackTopic) return void presences.push(payload)
          const ack = decodeAck(payload)
          if (!ack.ok) throw new Error(ack.problem)
          acks.push(ack.value)
          journal.ack(ack.value)
        },
        random: () => 0.01,
        log: createLog('agent', 'silent'),
      })
      const timer = setInterval(() => {
        const lines = journal.unacked()
        if (lines.length === 0) return
        const payload = joinBatches(lines.slice(0, 20))
        link.publish({ topic: agentTopic(id, 'records'), payload, qos: 0, retain: false })
      }, RESEND_MS)
      const stop = async (): Promise<void> => {
        clearInterval(timer)
        await link.stop()
      }
      cleanUp.push(stop)
      return { acks, presences, stop }
    },
    heard: topic => messages.filter(message => message.topic === topic).map(({ payload }) => payload),
    publish(topic, payload, retain = false) {
      broker.publish({ cmd: 'publish', topic, payload, qos: 0, retain, dup: false }, () => {})
    },
    async close() {
      for (const step of cleanUp.reverse()) await step()
      for (const socket of sockets) socket.destroy()
      server.close()
      await new Promise<void>(resolve => broker.close(resolve))
      rmSync(folder, { recursive: true })
    },
  }
}

const kill = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}
