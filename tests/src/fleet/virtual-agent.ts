import {
  type AgentId,
  agentTopic,
  CONTRACT_VERSION,
  decodeAck,
  INTERVALS,
  type Lane,
  type MachineStatus,
  type NakamaRecord,
  randomHex,
  type StateCode,
} from '@nakama/contract'
import { type Log, type MqttLink, openMqttLink } from '@nakama/service'
import { createMemoryQueue } from './queue.ts'

export interface VirtualAgentOptions extends AgentId {
  readonly brokerUrl: string
  readonly password: string
  readonly machines: number
  readonly signals: number
  readonly random: () => number
  readonly log: Log
  /** Milliseconds from append to ack, of each batch. */
  readonly onAcked: (latenciesMs: readonly number[]) => void
}

/** An agent without machines and without a disk: it makes its readings up, and keeps the promise in memory. */
export interface VirtualAgent {
  /** One reading of every machine, taken at `at`, in one batch. */
  read(at: number): void
  /** Sends what may be sent; called often. */
  pump(now: number): void
  connect(): void
  readonly waiting: { readonly events: number; readonly samples: number }
  /** When the oldest unacknowledged batch was appended; plus infinity when there is none. */
  oldestAt(lane: Lane): number
  readonly connected: boolean
  readonly values: number
  stop(): Promise<void>
}

const KIND = 'nc-lathe'
const ACK_TIMEOUT_MS = 10_000
const STATES: readonly StateCode[] = ['RUNNING', 'IDLE', 'SETUP', 'PAUSED']
/** A machine changes its state about so often. */
const CHANGE_EVERY_MS = 120_000

export const createVirtualAgent = (options: VirtualAgentOptions): VirtualAgent => {
  const { shop, agent, random, log } = options
  const username = `agent:${shop}:${agent}`
  const conn = randomHex(random)
  const queue = createMemoryQueue(randomHex(random))
  const machines = Array.from({ length: options.machines }, (_, i) => ({
    id: machineId(i),
    code: undefined as StateCode | undefined,
    since: 0,
    saidAt: 0,
  }))
  let link: MqttLink | undefined
  let values = 0
  let progressAt = 0
  let statusAt = 0

  const status = (now: number): void => {
    statusAt = now
    const said = Object.fromEntries(
      machines.map(({ id, code, since }): [string, MachineStatus] => [
        id,
        { kind: KIND, name: id, code: code ?? 'OFFLINE', since },
      ]),
    )
    link?.publish({ ...statusMessage({ shop, agent }, conn, now), payload: statusOnline(conn, now, said) })
  }

  return {
    read(at) {
      const samples: NakamaRecord[] = []
      const events: NakamaRecord[] = []
      for (const machine of machines) {
        if (machine.code === undefined || random() < 1_000 / CHANGE_EVERY_MS) {
          const next = STATES[Math.floor(random() * STATES.length)] as StateCode
          if (next !== machine.code) Object.assign(machine, { code: next, since: at, saidAt: 0 })
        }
        const { id, code, since, saidAt } = machine
        if (at - saidAt >= INTERVALS.stateHeartbeatMs) {
          events.push({ type: 'state', at, machine: id, kind: KIND, code: code as StateCode, since })
          machine.saidAt = at
        }
        const signals = Object.fromEntries(
          Array.from({ length: options.signals }, (_, i) => [`signal${i}`, [Math.round(random() * 10_000) / 10]]),
        )
        samples.push({ type: 'samples', machine: id, kind: KIND, at: [at], signals })
      }
      const now = Date.now()
      if (events.length > 0) queue.append(events, 'events', now)
      queue.append(samples, 'samples', now)
      values += options.machines * options.signals
    },
    pump(now) {
      if (link?.connected !== true) return
      if (now - statusAt >= INTERVALS.statusMs) status(now)
      if (queue.inFlightBytes > 0 && now - progressAt > ACK_TIMEOUT_MS) {
        queue.rewind()
        progressAt = now
      }
      for (let payload = queue.take(); payload !== undefined; payload = queue.take()) {
        if (queue.inFlightBytes === 0) progressAt = now
        link.publish({ topic: agentTopic({ shop, agent }, 'records'), payload, qos: 0, retain: false })
      }
    },
    connect() {
      link = openMqttLink({
        ...{ url: options.brokerUrl, username, clientId: username, password: options.password, random, log },
        keepAliveS: INTERVALS.keepAliveS,
        subscriptions: [agentTopic({ shop, agent }, 'ack')],
        will: () => statusMessage({ shop, agent }, conn, Date.now()),
        onUp: () => {
          queue.rewind()
          progressAt = Date.now()
          status(progressAt)
        },
        onDown: () => queue.rewind(),
        onMessage(_topic, payload) {
          const decoded = decodeAck(payload)
          if (!decoded.ok) return
          const now = Date.now()
          progressAt = now
          options.onAcked(queue.acknowledge(decoded.value, now))
        },
      })
    },
    oldestAt: lane => queue.oldestAt(lane),
    get waiting() {
      return queue.waiting
    },
    get connected() {
      return link?.connected ?? false
    },
    get values() {
      return values
    },
    async stop() {
      await link?.stop()
    },
  }
}

export const machineId = (index: number): string => `machine-${index + 1}`

const statusMessage = (of: AgentId, conn: string, at: number) =>
  ({
    topic: agentTopic(of, 'status'),
    payload: JSON.stringify({ v: CONTRACT_VERSION, online: false, conn, at }),
    qos: 1,
    retain: true,
  }) as const

const statusOnline = (conn: string, at: number, machines: { [id: string]: MachineStatus }): string =>
  JSON.stringify({
    ...{ v: CONTRACT_VERSION, online: true, conn, at, version: 'fleet' },
    clock: { synchronised: true },
    journal: { bytes: 0, maxBytes: 0, oldestAt: null },
    config: { rev: 0 },
    taking: { value: true, until: null, rev: 0 },
    machines,
  })
