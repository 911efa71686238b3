import type { Lane } from '@nakama/contract'
import { createLog } from '@nakama/service'
import { createLatencies, type Latencies } from './latencies.ts'
import { AGENT, type FleetServer, shopId } from './server.ts'
import { createVirtualAgent, type VirtualAgent } from './virtual-agent.ts'

export interface FleetOptions {
  readonly server: FleetServer
  readonly shops: number
  readonly machines: number
  readonly signals: number
  readonly random: () => number
}

export interface Fleet {
  readonly agents: readonly VirtualAgent[]
  /** From append to ack, of every batch acknowledged since it was last cleared. */
  readonly latencies: Latencies
  /** Gives every agent the readings of a time without a network: `seconds` of them, up to now. */
  collect(seconds: number): void
  connect(): void
  /** Readings once a second, the agents spread evenly over it. */
  startReading(): void
  stopReading(): void
  readonly connected: number
  readonly values: number
  /** Batches not acknowledged, over all agents. */
  readonly waiting: { readonly events: number; readonly samples: number }
  /** Whether of all agents everything is acknowledged that a lane had before `at`. */
  isAcknowledged(lane: Lane, at: number): boolean
  /** A few of the shops, with the times at which each of their machines was read. */
  readonly watched: ReadonlyMap<string, readonly number[]>
  stop(): Promise<void>
}

const SLICE_MS = 20
const WATCHED = 5

export const createFleet = ({ server, shops, machines, signals, random }: FleetOptions): Fleet => {
  const log = createLog('fleet', 'silent')
  const latencies = createLatencies()
  const onAcked = (ms: readonly number[]): void => {
    for (const each of ms) latencies.add(each)
  }
  const agents = Array.from({ length: shops }, (_, i) =>
    createVirtualAgent({
      ...{ shop: shopId(i), agent: AGENT, brokerUrl: server.brokerUrl, password: server.password },
      ...{ machines, signals, random, log, onAcked },
    }),
  )
  // Evenly over all, from the first to the last.
  const watched = new Map<string, number[]>(
    Array.from({ length: Math.min(WATCHED, shops) }, (_, i) => [
      shopId(Math.round((i * (shops - 1)) / Math.max(1, Math.min(WATCHED, shops) - 1))),
      [],
    ]),
  )
  const read = (index: number, at: number): void => {
    watched.get(shopId(index))?.push(at)
    ;(agents[index] as VirtualAgent).read(at)
  }
  let reading = false
  let turn = 0
  let before = performance.now()

  const slice = (): void => {
    const now = performance.now()
    // Whose second has come round since the slice before; a late slice catches up.
    let due = Math.min(agents.length, Math.floor(((now - before) * agents.length) / 1_000))
    before += (due * 1_000) / agents.length
    if (now - before > 1_000) before = now
    for (; due > 0; due--) {
      if (reading) read(turn % agents.length, Date.now())
      turn += 1
    }
    for (const agent of agents) agent.pump(Date.now())
  }
  const timer = setInterval(slice, SLICE_MS)

  return {
    agents,
    latencies,
    collect(seconds) {
      const now = Date.now()
      for (const index of agents.keys()) {
        for (let ago = seconds; ago > 0; ago--) read(index, now - ago * 1_000)
      }
    },
    connect() {
      for (const agent of agents) agent.connect()
    },
    startReading() {
      reading = true
      before = performance.now()
    },
    stopReading() {
      reading = false
    },
    get connected() {
      return agents.filter(agent => agent.connected).length
    },
    get values() {
      return agents.reduce((sum, agent) => sum + agent.values, 0)
    },
    get waiting() {
      const waiting = agents.map(agent => agent.waiting)
      return {
        events: waiting.reduce((sum, { events }) => sum + events, 0),
        samples: waiting.reduce((sum, { samples }) => sum + samples, 0),
      }
    },
    isAcknowledged: (lane, at) => agents.every(agent => agent.oldestAt(lane) >= at),
    watched,
    async stop() {
      clearInterval(timer)
      await Promise.all(agents.map(agent => agent.stop()))
    },
  }
}
