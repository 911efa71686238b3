import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  type Ack,
  type AgentId,
  agentTopic,
  type BatchEnvelope,
  decodeBatches,
  decodeStatus,
  everyAgentFilter,
  type IngestStatus,
  ingestTopic,
  LIMITS,
  moveBootTimes,
  type NakamaRecord,
  parseTopic,
  type Status,
} from '@nakama/contract'
import { createLog, openMqttLink } from '@nakama/service'
import { Aedes } from 'aedes'
import { createModelIngest } from './uplink-model.ts'

export const SILENT = createLog('test', 'silent')

export interface Heard {
  readonly topic: string
  readonly payload: string
  readonly retain: boolean
  readonly qos: number
  readonly client: string | undefined
}

/** A broker that remembers what was published. `refuse` closes the connection of whoever publishes what it does not like. */
export const startTestBroker = async (port = 0, refuse: (payload: string) => boolean = () => false) => {
  const broker = await Aedes.createBroker()
  const sockets = new Set<Socket>()
  const published: Heard[] = []
  const connected: string[] = []
  broker.authorizePublish = (_client, packet, done) =>
    done(refuse(packet.payload.toString()) ? new Error('refused') : null)
  broker.on('publish', (packet, client) => {
    if (packet.topic.startsWith('$SYS')) return
    const { topic, payload, retain, qos } = packet
    published.push({ topic, payload: payload.toString(), retain, qos, client: client?.id })
  })
  const clients = new Map<Duplex, string>()
  broker.on('clientReady', client => {
    connected.push(client.id)
    clients.set(client.conn, client.id)
  })
  let accepted = 0
  const server = createServer(socket => {
    accepted++
    sockets.add(socket)
    socket.on('close', () => {
      sockets.delete(socket)
      clients.delete(socket)
    })
    broker.handle(socket)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  let stopping: Promise<void> | undefined
  return {
    port: (server.address() as AddressInfo).port,
    published,
    on: (topic: string) => published.filter(message => message.topic === topic),
    /** Connections of anybody, whatever came of them. */
    accepted: () => accepted,
    connectsOf: (id: string) => connected.filter(each => each === id).length,
    say: (topic: string, payload: string, retain = false) =>
      new Promise<void>(resolve => {
        broker.publish({ cmd: 'publish', topic, payload, qos: 0, retain, dup: false }, () => resolve())
      }),
    /** As a crash of the broker: every connection ends without a word, every message that it kept is gone. */
    stop() {
      stopping ??= (async () => {
        for (const socket of sockets) socket.destroy()
        server.close()
        await new Promise<void>(resolve => broker.close(resolve))
      })()
      return stopping
    },
    /** Ends this client's connection without a word; what was sent before still arrives. */
    cut(id: string) {
      for (const socket of sockets) if (clients.get(socket) === id) socket.end()
    },
  }
}

export type TestBroker = Awaited<ReturnType<typeof startTestBroker>>

export interface TestIngestOptions {
  readonly port: number
  readonly store: string
  readonly id?: string
  readonly window?: number
  readonly presence?: boolean
}

/** A small ingest behind a real connection: stores in memory, in order, and acknowledges what it has. */
export const startTestIngest = ({
  port,
  store,
  id = 'one',
  window = LIMITS.windowMaxBytes,
  presence = true,
}: TestIngestOptions) => {
  const stored: BatchEnvelope[] = []
  const problems: string[] = []
  const engines = new Map<string, ReturnType<typeof createModelIngest<BatchEnvelope>>>()
  let mute = false
  let questions = 0
  const status = (online: boolean): string =>
    JSON.stringify({ v: 1, online, id, store, at: Date.now() } satisfies IngestStatus)
  const engineOf = (name: string) => {
    const engine = engines.get(name) ?? createModelIngest<BatchEnvelope>(store, window, batch => stored.push(batch))
    engines.set(name, engine)
    return engine
  }
  const say = (topic: string, payload: string, retain: boolean): boolean =>
    link.publish({ topic, payload, qos: 0, retain })
  const link = openMqttLink({
    url: `mqtt://127.0.0.1:${port}`,
    clientId: `ingest:${id}`,
    username: `ingest:${id}`,
    password: 'x',
    keepAliveS: 15,
    subscriptions: [everyAgentFilter('records')],
    ...(presence
      ? { will: () => ({ topic: ingestTopic(id), payload: status(false), qos: 1 as const, retain: true }) }
      : {}),
    onUp: () => {
      if (presence) say(ingestTopic(id), status(true), true)
    },
    onDown: () => {},
    onMessage: (topic, payload) => {
      const from = parseTopic(topic)
      if (from?.type !== 'agent' || mute) return
      for (const decoded of decodeBatches(payload)) {
        if (!decoded.ok) {
          problems.push(decoded.problem)
          continue
        }
        const { lane, epoch, seq, oldest } = decoded.batch
        if (seq === 0) {
          questions += 1
          const ack: Ack = { v: 1, store, lane, epoch, seq, window, at: Date.now() }
          say(agentTopic(from, 'ack'), JSON.stringify(ack), false)
          continue
        }
        const acks: Ack[] = engineOf(topic).take({ lane, epoch, oldest, batches: [decoded.batch] })
        for (const ack of acks) say(agentTopic(from, 'ack'), JSON.stringify({ ...ack, at: Date.now() }), false)
      }
    },
    random: () => 0.01,
    log: SILENT,
  })
  return {
    stored,
    problems,
    /** In real time, as far as it was told. */
    records: () =>
      stored.flatMap(({ records, shiftMs = 0 }) =>
        records.map(record => moveBootTimes(record, shiftMs) as NakamaRecord),
      ),
    /** Asked for nothing but the time. */
    get questions() {
      return questions
    },
    /** Hears, and says nothing. */
    mute(on: boolean) {
      mute = on
    },
    get connected() {
      return link.connected
    },
    stop: () => link.stop(),
  }
}

export type TestIngest = ReturnType<typeof startTestIngest>

export const statusesOf = (broker: TestBroker, id: AgentId): Status[] =>
  broker.on(agentTopic(id, 'status')).map(({ payload }) => {
    const decoded = decodeStatus(payload)
    if (!decoded.ok) throw new Error(decoded.problem)
    return decoded.value
  })

/** A wire between client and server that can be made to swallow everything without closing. */
export const startTap = async (to: number) => {
  const sockets = new Set<Socket>()
  let accepted = 0
  let swallowedUpTo = 0
  const server = createServer(client => {
    const nth = ++accepted
    const upstream = connect(to, '127.0.0.1')
    for (const [from, into] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on('data', bytes => {
        if (nth > swallowedUpTo) into.write(bytes)
      })
      from.on('error', () => {})
      from.on('close', () => into.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    accepted: () => accepted,
    /** The present connections go silent for ever; later ones are sound. */
    swallow() {
      swallowedUpTo = accepted
    },
    stop: () =>
      new Promise<void>(resolve => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}
