import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as dial, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog, createMetrics, type RunningService } from '@nakama/service'
import { connect, type IClientOptions, type MqttClient } from 'mqtt'
import mqttPacket, { type Packet } from 'mqtt-packet'
import { expect, vi } from 'vitest'
import { type BrokerConfig, startBroker } from '../src/index.ts'
import type { DEFAULT_LIMITS } from '../src/limits.ts'
import { ROLES } from '../src/rules.ts'

export const AGENT = 'agent:kamata:pi'
export const OTHER = 'agent:haneda:pi'
export const INGEST = 'ingest:one'
export const INGEST_TWO = 'ingest:two'
export const COORDINATOR = 'coordinator:ota'
const EVERYBODY = [AGENT, OTHER, INGEST, INGEST_TWO, COORDINATOR]

export const passwordOf = (username: string): string => `secret of ${username}`

const cleanUp: (() => unknown)[] = []

export const onCleanUp = (step: () => unknown): void => {
  cleanUp.push(step)
}

/** For `afterEach`. */
export const tidyUp = async (): Promise<void> => {
  for (const step of cleanUp.splice(0).reverse()) await step()
}

export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'nakama-broker-'))
  onCleanUp(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export interface TestBroker {
  readonly port: number
  readonly url: string
  readonly http: string
  readonly service: RunningService
  /** One sample of the metrics, 0 before it was first counted: `dropped_total{reason="lost"}`. */
  metric(sample: string): Promise<number>
  /** Of all roles and none. */
  connections(): Promise<number>
}

export const startTestBroker = async (
  limits: { -readonly [name in keyof typeof DEFAULT_LIMITS]?: number } = {},
  more: Partial<BrokerConfig> = {},
): Promise<TestBroker> => {
  const folder = temporaryFolder()
  const credentials = EVERYBODY.map((username, index) => {
    writeFileSync(join(folder, `${index}.secret`), `${passwordOf(username)}\n`)
    return { username, password: { file: `${index}.secret` } }
  })
  const metrics = createMetrics('broker')
  const service = await startBroker({
    config: {
      listen: { host: '127.0.0.1', port: 0 },
      http: { host: '127.0.0.1', port: 0 },
      credentials,
      limits,
      ...more,
    },
    configFile: join(folder, 'broker.yaml'),
    log: createLog('broker', 'silent'),
    metrics,
    now: Date.now,
    random: Math.random,
  })
  onCleanUp(() => service.stop())
  const { mqtt: url, http } = service.addresses as { mqtt: string; http: string }
  const metric = async (sample: string): Promise<number> => {
    const line = (await metrics.text()).split('\n').find(text => text.startsWith(`nakama_broker_${sample} `))
    return line === undefined ? 0 : Number(line.split(' ').at(-1))
  }
  return {
    port: Number(new URL(url).port),
    url,
    http,
    service,
    metric,
    async connections() {
      const counts = await Promise.all([...ROLES, 'none'].map(role => metric(`connections{role="${role}"}`)))
      return counts.reduce((sum, count) => sum + count, 0)
    },
  }
}

/** An ordinary MQTT client that does not come back. */
export const openClient = (port: number, username: string, more: IClientOptions = {}): MqttClient => {
  const client = connect(`mqtt://127.0.0.1:${port}`, {
    clientId: username,
    username,
    password: passwordOf(username),
    keepalive: 15,
    protocolVersion: 4,
    reconnectPeriod: 0,
    connectTimeout: 5_000,
    ...more,
  })
  client.on('error', () => {})
  onCleanUp(() => client.end(true))
  return client
}

export const connected = async (port: number, username: string, more: IClientOptions = {}): Promise<MqttClient> => {
  const client = openClient(port, username, more)
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve())
    client.once('error', reject)
    client.once('close', () => reject(new Error('closed')))
  })
  return client
}

export const closed = (client: MqttClient): Promise<void> => new Promise(resolve => client.once('close', resolve))

/** What it heard, as `topic payload`, with `!` behind what the broker had retained. */
export const listen = async (client: MqttClient, ...filters: string[]): Promise<string[]> => {
  const heard: string[] = []
  client.on('message', (topic, payload, { retain }) => heard.push(`${topic} ${payload}${retain ? '!' : ''}`))
  if (filters.length > 0) await client.subscribeAsync(filters, { qos: 1 })
  return heard
}

export interface RawClient {
  readonly socket: Socket
  /** All packets from the broker, in order. */
  readonly packets: Packet[]
  readonly closed: boolean
  send(packet: Packet): void
  /** The next packet of that kind that was not yet taken. */
  next(cmd: Packet['cmd']): Promise<Packet>
  waitClosed(): Promise<void>
}

/** Bytes and packets as one likes, also wrong ones. */
export const openRaw = async (port: number): Promise<RawClient> => {
  const socket = dial({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {})
  onCleanUp(() => socket.destroy())
  await once(socket, 'connect')
  const parser = mqttPacket.parser()
  const packets: Packet[] = []
  let taken = 0
  let closed = false
  socket.on('data', chunk => parser.parse(chunk))
  socket.on('close', () => {
    closed = true
  })
  parser.on('packet', packet => packets.push(packet))
  return {
    socket,
    packets,
    get closed() {
      return closed
    },
    send: packet => void socket.write(mqttPacket.generate(packet)),
    async next(cmd) {
      return vi.waitFor(() => {
        const index = packets.findIndex((packet, at) => at >= taken && packet.cmd === cmd)
        expect(index, `no ${cmd} came`).not.toBe(-1)
        taken = index + 1
        return packets[index] as Packet
      }, WAIT)
    },
    waitClosed: () => vi.waitFor(() => expect(closed).toBe(true), WAIT),
  }
}

export const connectPacket = (username: string, more: object = {}): Packet => ({
  cmd: 'connect',
  protocolId: 'MQTT',
  protocolVersion: 4,
  clientId: username,
  username,
  password: Buffer.from(passwordOf(username)),
  clean: true,
  keepalive: 15,
  ...more,
})

/** A raw client that was let in. */
export const openRawAs = async (port: number, username: string, more: object = {}): Promise<RawClient> => {
  const raw = await openRaw(port)
  raw.send(connectPacket(username, more))
  expect(await raw.next('connack')).toMatchObject({ returnCode: 0, sessionPresent: false })
  return raw
}

export const WAIT = { timeout: 5_000, interval: 10 }

/** Waits until the broker has done everything that this client sent before. */
export const settled = async (raw: RawClient): Promise<void> => {
  raw.send({ cmd: 'pingreq' })
  await raw.next('pingresp')
}
