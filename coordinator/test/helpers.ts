import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  agentTopic,
  CONTRACT_VERSION,
  type Desired,
  decodeDesired,
  type IngestStatus,
  ingestTopic,
  type MachineStatus,
  type StateCode,
  type StatusOffline,
  type StatusOnline,
} from '@nakama/contract'
import { createLog, createMetrics, type RunningService } from '@nakama/service'
import { Aedes } from 'aedes'
import { connectAsync, type MqttClient } from 'mqtt'
import { afterEach, vi } from 'vitest'
import { type CoordinatorConfig, type Register, startCoordinator } from '../src/index.ts'

const cleanUp: (() => Promise<unknown>)[] = []

/** Undone after the test, the last first. */
export const later = (step: () => Promise<unknown>): void => {
  cleanUp.push(step)
}

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
})

export const temporaryDir = async (): Promise<string> => {
  const dir = await mkdtemp(join(tmpdir(), 'coordinator-'))
  later(() => rm(dir, { recursive: true, force: true }))
  return dir
}

export const silent = createLog('coordinator', 'silent')

/** Two shops, four machines; the second shop has two agents. */
export const REGISTER: Register = [
  {
    id: 'tanaka',
    name: '田中製作所',
    nameEn: 'Tanaka Works',
    town: '大森南三丁目',
    area: '大森',
    areaEn: 'Omori',
    phone: '03-0000-0001',
    agents: ['pi'],
    machines: [
      { id: 'lathe-1', kind: 'nc-lathe', name: 'NC旋盤 1号機' },
      { id: 'constructor', kind: 'vertical-mc', name: '立形MC' },
    ],
  },
  {
    id: 'sato',
    name: '佐藤精機',
    town: '東糀谷二丁目',
    area: '羽田',
    agents: ['pi-1', 'pi-2'],
    machines: [
      { id: 'lathe-1', kind: 'nc-lathe', name: 'NC旋盤', agent: 'pi-1' },
      { id: 'mill-1', kind: 'milling-machine', name: 'フライス盤', agent: 'pi-2' },
    ],
  },
]

export const statusOnline = (
  machines: { readonly [id: string]: readonly [StateCode, number] },
  more: Partial<StatusOnline> = {},
): StatusOnline => ({
  v: CONTRACT_VERSION,
  online: true,
  conn: 'conn-1',
  at: Date.now(),
  version: '0.1.0',
  clock: { synchronised: true },
  journal: { bytes: 0, maxBytes: 1_000_000, oldestAt: null },
  config: { rev: 0 },
  taking: { value: true, until: null, rev: 0 },
  ...more,
  machines: Object.fromEntries(
    Object.entries(machines).map(([id, [code, since]]) => [
      id,
      { kind: 'nc-lathe', name: id, code, since } satisfies MachineStatus,
    ]),
  ),
})

export const statusOffline = (conn = 'conn-1'): StatusOffline => ({
  v: CONTRACT_VERSION,
  online: false,
  conn,
  at: Date.now(),
})

export interface TestBroker {
  readonly port: number
  readonly broker: Aedes
  /** Kills it: every connection ends, everything retained is lost. */
  stop(): Promise<void>
}

/** A real broker on a real socket. */
export const startBroker = async (port = 0): Promise<TestBroker> => {
  const broker = await Aedes.createBroker()
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    broker.handle(socket)
  })
  broker.on('connectionError', () => {})
  broker.on('clientError', () => {})
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  let stopped = false
  const stop = async (): Promise<void> => {
    if (stopped) return
    stopped = true
    for (const socket of sockets) socket.destroy()
    server.close()
    await new Promise<void>(resolve => broker.close(resolve))
  }
  later(stop)
  return { broker, port: (server.address() as AddressInfo).port, stop }
}

/** Plays an agent: says what it is told to say, hears what is desired of it. */
export interface TestAgent {
  readonly client: MqttClient
  readonly desired: Desired[]
  say(status: StatusOnline): Promise<unknown>
  sayText(text: string): Promise<unknown>
}

export const connectAgent = async (port: number, shop: string, agent: string, conn = 'conn-1'): Promise<TestAgent> => {
  const topic = agentTopic({ shop, agent }, 'status')
  const client = await dial(port, `agent:${shop}:${agent}:${conn}`, {
    topic,
    payload: Buffer.from(JSON.stringify(statusOffline(conn))),
    qos: 1,
    retain: true,
  })
  const desired: Desired[] = []
  client.on('message', (_topic, payload) => {
    const decoded = decodeDesired(payload.toString())
    if (decoded.ok) desired.push(decoded.value)
  })
  await client.subscribeAsync(agentTopic({ shop, agent }, 'desired'), { qos: 1 })
  const sayText = (text: string) => client.publishAsync(topic, text, { qos: 1, retain: true })
  return { client, desired, sayText, say: status => sayText(JSON.stringify({ ...status, conn })) }
}

export const connectIngest = async (
  port: number,
  store: string,
): Promise<{ say(online: boolean): Promise<unknown> }> => {
  const client = await dial(port, 'ingest:main')
  return {
    say: online => {
      const status: IngestStatus = { v: CONTRACT_VERSION, online, id: 'main', store, at: Date.now() }
      return client.publishAsync(ingestTopic('main'), JSON.stringify(status), { qos: 1, retain: true })
    },
  }
}

const dial = async (
  port: number,
  clientId: string,
  will?: { topic: string; payload: Buffer; qos: 1; retain: true },
) => {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
    clientId,
    reconnectPeriod: 0,
    ...(will === undefined ? {} : { will }),
  })
  client.on('error', () => {})
  later(async () => {
    client.end(true)
  })
  return client
}

export interface TestCoordinator extends RunningService {
  readonly url: string
  /** Moves its clock on by this much. */
  advance(ms: number): void
}

export interface TestCoordinatorOptions {
  readonly brokerPort: number
  readonly dir?: string
  readonly register?: Register
  readonly http?: Partial<CoordinatorConfig['http']>
}

/** The whole service in this process: real listener, real connection to the broker, real files; only its clock is ours. */
export const start = async (options: TestCoordinatorOptions): Promise<TestCoordinator> => {
  const dir = options.dir ?? (await temporaryDir())
  process.env.COORDINATOR_TEST_PASSWORD = 'secret'
  let offsetMs = 0
  const service = await startCoordinator({
    config: {
      id: 'main',
      broker: {
        url: `mqtt://127.0.0.1:${options.brokerPort}`,
        username: 'coordinator:main',
        password: { env: 'COORDINATOR_TEST_PASSWORD' },
      },
      http: { host: '127.0.0.1', port: 0, requestsPerMinuteMax: 1_000_000, ...options.http },
      dataDir: 'data',
      store: { type: 'embedded', file: 'store.sqlite' },
      register: options.register ?? REGISTER,
    },
    configFile: join(dir, 'coordinator.yaml'),
    log: silent,
    metrics: createMetrics('coordinator'),
    now: () => Date.now() + offsetMs,
    // Back-off without waiting.
    random: () => 0.01,
  })
  later(() => service.stop())
  return {
    ...service,
    url: service.addresses.http as string,
    advance: ms => {
      offsetMs += ms
    },
  }
}

/** Until it holds, for at most 10 s. */
export const eventually = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { timeout: 10_000, interval: 20 })
