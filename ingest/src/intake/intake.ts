import { type Ack, type AgentId, CONTRACT_VERSION, decodeEnvelopes, LIMITS } from '@nakama/contract'
import type { Log } from '@nakama/service'
import type { DeadLetter } from '../commit/dead-letters.ts'
import { type AheadBatch, streamKey, type TakenBatch } from '../commit/group.ts'
import type { IngestMetrics } from '../metrics.ts'
import type { Agent, Agents } from './agents.ts'
import { type Arrival, type PositionInput, step } from './positions.ts'
import { NO_TWINS, stepTwins } from './twins.ts'
import { grantWindow, WINDOW_LIMITS } from './window.ts'

export interface IntakeOptions {
  readonly storeId: string
  readonly agents: Agents
  /** Hands on what is next in its turn. */
  readonly submit: (batch: TakenBatch) => void
  readonly bury: (letter: DeadLetter) => void
  readonly publishAck: (to: AgentId, ack: Ack) => void
  /** Waiting for the store. */
  readonly queuedBytes: () => number
  /** Waiting, over all agents. Half as much more may be held. */
  readonly queueMaxBytes: number
  readonly now: () => number
  readonly log: Log
  readonly metrics: IngestMetrics
}

/** From `records` messages to batches in their turn, and from what is stored to acks. */
export interface Intake {
  records(from: AgentId, payload: string): void
  stored(batches: readonly TakenBatch[]): void
  /** Nothing of this is acknowledged; the agent sends it again. */
  ahead(first: AheadBatch, batches: readonly TakenBatch[]): void
  /** Agents that are far ahead of ingest's clock, among those that send. */
  aheadOfUs(): { readonly agents: number; readonly of: number }
}

const STREAMS_MAX = 16
/** Of one agent, taken and not yet stored: nobody who keeps to the window comes near it. */
const IN_HAND_MAX_BYTES = 2 * LIMITS.windowMaxBytes + LIMITS.packetMaxBytes
/** An agent that sent within this time shares the total window. */
const SENDING_MS = 60_000
/** Above this part of the queue's limit windows go back to the first. */
const PRESSED_AT = 0.25
const SENDERS_COUNTED_MS = 1_000
/** An alarm that goes on is counted, and told again only so often. */
const ALARM_TOLD_MS = 10 * 60_000
/** An agent that gets no ack asks again within this time. */
const AHEAD_MS = 2 * 60_000

export const createIntake = (options: IntakeOptions): Intake => {
  const { agents, now, log, metrics } = options
  // What all may send at once must find room, or most of it would come in vain.
  const totalBytes = Math.min(WINDOW_LIMITS.totalBytes, Math.floor(options.queueMaxBytes / 2))
  const windowLimits = { ...WINDOW_LIMITS, totalBytes }
  // What the held wait for may never come. So they have bounds of their own, and keep nobody else out.
  const heldTotalBytes = Math.floor(options.queueMaxBytes / 2)
  let senders = { count: 0, countedAt: 0 }

  const feed = (agent: Agent, input: PositionInput): number => {
    const heldByOthers = agents.heldBytes - agent.positions.heldBytes
    const heldMaxBytes = Math.min(LIMITS.windowMaxBytes, heldTotalBytes - heldByOthers)
    const { state, outputs } = step({ heldMaxBytes, streamsMax: STREAMS_MAX }, agent.positions, input)
    agents.place(agent, state)
    let acked = -1
    for (const output of outputs) {
      if (output.type === 'take') take(agent, output)
      else if (output.type === 'ack') acked = output.seq
      else metrics.batches.inc({ outcome: output.type })
    }
    return acked
  }

  const take = (agent: Agent, { batch, text }: Arrival): void => {
    const { lane, epoch, seq } = batch
    metrics.batches.inc({ outcome: 'taken' })
    const twins = stepTwins(agent.twins.get(lane) ?? NO_TWINS, epoch, now())
    agent.twins.set(lane, twins.state)
    if (twins.alarm) {
      metrics.twins.inc()
    }
    if (twins.alarm && now() - agent.twinsToldAt >= ALARM_TOLD_MS) {
      agent.twinsToldAt = now()
      log.error({ ...agent.id, code: 'AGENT_TWINS' }, 'two journals of one agent send in turn: was its card copied?')
    }
    agent.inHandBytes += text.length
    options.submit({ from: agent.id, lane, epoch, seq, text })
  }

  const acknowledge = (agent: Agent, { lane, epoch, seq }: Pick<Ack, 'lane' | 'epoch' | 'seq'>): void => {
    const at = now()
    if (at - senders.countedAt >= SENDERS_COUNTED_MS) {
      let count = 0
      for (const { sentAt } of agents.all()) if (at - sentAt < SENDING_MS) count++
      senders = { count, countedAt: at }
    }
    const pressed = options.queuedBytes() > options.queueMaxBytes * PRESSED_AT
    agent.windowBytes = grantWindow(windowLimits, agent.windowBytes, senders.count, pressed)
    metrics.acks.inc()
    const window = agent.windowBytes
    options.publishAck(agent.id, { v: CONTRACT_VERSION, store: options.storeId, lane, epoch, seq, window, at })
  }

  return {
    records(from, payload) {
      const bytes = Buffer.byteLength(payload)
      // The journal of the agent has it: it comes again when there is room.
      if (options.queuedBytes() + bytes > options.queueMaxBytes) {
        metrics.shed.inc({ why: 'queue-full' })
        return
      }
      const agent = agents.of(from)
      if (agent.inHandBytes + bytes > IN_HAND_MAX_BYTES) {
        metrics.shed.inc({ why: 'agent-too-fast' })
        return
      }
      metrics.receivedBytes.inc(bytes)
      agent.sentAt = now()
      const again = new Map<string, Pick<Ack, 'lane' | 'epoch' | 'seq'>>()
      for (const decoded of decodeEnvelopes(payload)) {
        if (decoded.ok) {
          const { envelope, line } = decoded
          const { lane, epoch } = envelope
          const seq = feed(agent, { type: 'arrived', batch: envelope, text: Buffer.from(line) })
          if (seq >= 0) {
            metrics.batches.inc({ outcome: 'stored-before' })
            again.set(`${lane}/${epoch}`, { lane, epoch, seq })
          }
          continue
        }
        metrics.batches.inc({ outcome: decoded.why })
        if (decoded.why === 'malformed') {
          options.bury({ reason: 'malformed', why: decoded.problem, ...agent.id, what: decoded.line })
        } else if (!agent.warnedOfVersion) {
          agent.warnedOfVersion = true
          const why = decoded.problem
          log.error({ ...agent.id, reason: why, code: 'BATCH_TOO_NEW' }, 'not acknowledged: ingest must be upgraded')
        }
      }
      for (const ack of again.values()) acknowledge(agent, ack)
    },
    stored(batches) {
      const newest = new Map<string, TakenBatch>()
      for (const batch of batches) {
        const { from, text } = batch
        const agent = agents.of(from)
        agent.inHandBytes = Math.max(0, agent.inHandBytes - text.length)
        // Of one stream the batches come in order: the last one stands for all.
        newest.set(streamKey(batch), batch)
      }
      for (const { from, lane, epoch, seq } of newest.values()) {
        const agent = agents.of(from)
        acknowledge(agent, { lane, epoch, seq: feed(agent, { type: 'stored', lane, epoch, seq }) })
      }
    },
    ahead({ batch, why }, batches) {
      const { from, lane, epoch, seq } = batch
      const agent = agents.of(from)
      for (const { text } of batches) agent.inHandBytes = Math.max(0, agent.inHandBytes - text.length)
      feed(agent, { type: 'let-go', lane, epoch, seq })
      metrics.batches.inc({ outcome: 'ahead' }, batches.length)
      agent.aheadAt = now()
      if (now() - agent.aheadToldAt < ALARM_TOLD_MS) return
      agent.aheadToldAt = now()
      log.error(
        { ...agent.id, reason: why, code: 'BATCH_AHEAD' },
        'not acknowledged: is our clock wrong, or the agent’s?',
      )
    },
    aheadOfUs() {
      const at = now()
      let ahead = 0
      let of = 0
      for (const { aheadAt, sentAt } of agents.all()) {
        if (Math.abs(at - aheadAt) < AHEAD_MS) ahead++
        if (Math.abs(at - sentAt) < AHEAD_MS) of++
      }
      return { agents: ahead, of }
    },
  }
}
