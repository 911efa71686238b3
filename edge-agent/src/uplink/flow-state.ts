import { type Ack, type BatchId, INTERVALS, type Lane, LIMITS } from '@nakama/contract'
import type { QueuedBatch, Stream } from '../journal/batch-queue.ts'
import { bytesOf, EMPTY_LANE, type LaneFlow } from './lane-flow.ts'

/** Durations in milliseconds. */
export interface FlowPace {
  /** Patience for an ack, lengthened at each further try by full jitter between nothing and the back-off's ceiling. */
  readonly ackTimeoutMs: number
  readonly backoffFirstMs: number
  readonly backoffMaxMs: number
  readonly probeMs: number
  /** A connection that closes this soon after a lone batch, which the broker has not proved to have taken, may have closed on it. */
  readonly suspectMs: number
  readonly closesMax: number
  /** After a read that gave nothing. */
  readonly rereadMs: number
}

export const FLOW_PACE: FlowPace = {
  ackTimeoutMs: 10_000,
  backoffFirstMs: 1_000,
  backoffMaxMs: 30_000,
  probeMs: INTERVALS.probeMs,
  suspectMs: 2_000,
  closesMax: 5,
  rereadMs: 1_000,
}

/** Batches that are wanted of the journal, for its `read`. */
export interface Want {
  readonly lane: Lane
  readonly epoch: string
  readonly fromSeq: number
  readonly maxBytes: number
}

export type FlowInput =
  /** Connected and subscribed. */
  | { readonly type: 'up' }
  /** @param byBroker not we have ended it. */
  | { readonly type: 'down'; readonly byBroker: boolean }
  | { readonly type: 'presence'; readonly online: boolean; readonly store: string }
  | { readonly type: 'ack'; readonly ack: Ack }
  /** Our own status, said at `saidAt`, has come back: the broker has taken everything that was sent before. */
  | { readonly type: 'heard'; readonly saidAt: number }
  /** The journal's answer to the one `read` that was asked for. */
  | { readonly type: 'batches'; readonly want: Want; readonly batches: readonly QueuedBatch[] }
  /** Time has passed, or the journal has changed. */
  | { readonly type: 'look' }

export type IgnoredAck = 'other-store' | 'unknown-epoch' | 'never-sent' | 'repeated'

export type FlowOutput =
  | { readonly type: 'read'; readonly want: Want }
  | {
      readonly type: 'publish'
      readonly lane: Lane
      readonly epoch: string
      readonly oldest: number
      readonly batches: readonly QueuedBatch[]
      /** How many of them were sent before. */
      readonly resent: number
    }
  | { readonly type: 'delete'; readonly lane: Lane; readonly epoch: string; readonly seq: number }
  | { readonly type: 'dead-letter'; readonly lane: Lane; readonly epoch: string; readonly seq: number }
  | { readonly type: 'new-store'; readonly store: string }
  | { readonly type: 'ack-ignored'; readonly why: IgnoredAck }
  /** No ack in time: ingest may be slow, or the connection dead. */
  | { readonly type: 'unanswered'; readonly lane: Lane }
  /** What was just sent is under suspicion: a status said now would prove it innocent. */
  | { readonly type: 'ask' }

export interface FlowState {
  readonly up: boolean
  /** Ingest has said that it is there, or has acknowledged something, in this connection. */
  readonly awake: boolean
  readonly store: string | undefined
  readonly windowBytes: number
  readonly lanes: { readonly [lane in Lane]: LaneFlow }
  /** At most one read at a time. */
  readonly reading: boolean
  readonly rereadAt: number
  /** While not awake: when the oldest batch goes out again. */
  readonly probeAt: number
  /** The newest batch that the broker may not have taken yet; minus infinity: there is none. */
  readonly sentAt: number
  /** The batch that was alone in flight at the last closes of the connection. */
  readonly suspect: (BatchId & { readonly closes: number }) | undefined
}

export const FLOW_START: FlowState = {
  up: false,
  awake: false,
  store: undefined,
  windowBytes: LIMITS.windowFirstBytes,
  lanes: { events: EMPTY_LANE, samples: EMPTY_LANE },
  reading: false,
  rereadAt: 0,
  probeAt: 0,
  sentAt: Number.NEGATIVE_INFINITY,
  suspect: undefined,
}

export interface World {
  /** As the journal has them now. */
  readonly streams: readonly Stream[]
  /** Milliseconds of a clock that nobody sets. */
  readonly now: number
  /** In [0, 1). */
  readonly random: () => number
}

/** What the envelope and the line break add to a batch's records, at most. */
export const ENVELOPE_MAX_BYTES = 192
/** Leaves room for the MQTT header with the topic. */
export const MESSAGE_MAX_BYTES = LIMITS.packetMaxBytes - 256

export type Say = (output: FlowOutput) => void

export const inFlightBytes = ({ lanes }: FlowState): number =>
  bytesOf(lanes.events.flights) + bytesOf(lanes.samples.flights)

/** Nothing else may be in flight beside one batch. */
export const isCareful = ({ awake, lanes }: FlowState): boolean => !awake || lanes.events.doubt || lanes.samples.doubt

export const headOf = (streams: readonly Stream[], lane: Lane): Stream | undefined =>
  streams.find(stream => stream.lane === lane)

export const wireBytes = (batch: QueuedBatch): number => batch.bytes + ENVELOPE_MAX_BYTES

/** The same state when no lane changes. */
export const mapLanes = (state: FlowState, change: (lane: LaneFlow, name: Lane) => LaneFlow): FlowState => {
  const events = change(state.lanes.events, 'events')
  const samples = change(state.lanes.samples, 'samples')
  if (events === state.lanes.events && samples === state.lanes.samples) return state
  return { ...state, lanes: { events, samples } }
}

export const withLane = (state: FlowState, name: Lane, lane: LaneFlow): FlowState => ({
  ...state,
  lanes: { ...state.lanes, [name]: lane },
})
