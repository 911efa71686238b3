import { type Ack, INTERVALS, LANES, type Lane, LIMITS } from '@nakama/contract'
import { backoffMs } from '@nakama/service'
import type { QueuedBatch, Stream } from '../journal/batch-queue.ts'
import { acknowledge, bytesOf, EMPTY_LANE, follow, type LaneFlow, rewind, sent } from './lane-flow.ts'

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
  readonly suspect: { readonly name: string; readonly closes: number } | undefined
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
export const ENVELOPE_MAX_BYTES = 128
/** Leaves room for the MQTT header with the topic. */
export const MESSAGE_MAX_BYTES = LIMITS.packetMaxBytes - 256

/**
 * What to send, when to send it again, and what may be forgotten. The rules:
 *
 * - In flight over both lanes at most the window, except that a batch larger than it may go alone; `events` before
 *   `samples`; within a lane seq after seq, and an epoch only when the one before is acknowledged.
 * - Only an ack deletes. It must name the store that ingest's presence names, an epoch that the journal has, and a seq that
 *   was sent.
 * - No ack in time, or the connection lost: everything in flight counts as lost, and the oldest goes again, alone, until an
 *   ack makes progress. So the batch that a connection closes on is singled out; after `closesMax` times it is given up.
 *   A cut network or a twin that pushes us out closes connections too: what the broker has taken is not to blame.
 * - Without presence of ingest only the oldest batch goes, every `probeMs`. An ack proves presence too.
 *
 * After a `delete` the journal has changed: look again.
 */
export const step = (
  pace: FlowPace,
  before: FlowState,
  input: FlowInput,
  world: World,
): { readonly state: FlowState; readonly outputs: FlowOutput[] } => {
  const outputs: FlowOutput[] = []
  const say: Say = output => outputs.push(output)
  let state = mapLanes(before, (flow, lane) => follow(flow, headOf(world.streams, lane)))
  state = take(pace, state, input, world, say)
  state = expire(state, world, say)
  state = pump(state, world, say)
  return { state, outputs }
}

/** When to look again though nothing else happens, by the clock of `World.now`; undefined: never. */
export const lookAt = (state: FlowState, now: number): number | undefined => {
  if (!state.up) return undefined
  const dues = LANES.map(lane => state.lanes[lane]).filter(lane => lane.flights.length > 0)
  const times = [state.rereadAt, ...(state.awake ? dues.map(lane => lane.dueAt) : [state.probeAt])]
  const coming = times.filter(time => time > now)
  return coming.length === 0 ? undefined : Math.min(...coming)
}

export const inFlightBytes = ({ lanes }: FlowState): number =>
  bytesOf(lanes.events.flights) + bytesOf(lanes.samples.flights)

type Say = (output: FlowOutput) => void

const take = (pace: FlowPace, state: FlowState, input: FlowInput, world: World, say: Say): FlowState => {
  switch (input.type) {
    case 'up':
      return { ...state, up: true, probeAt: probeTime(pace, world) }
    case 'down':
      return takeDown(pace, state, input.byBroker, world.now, say)
    case 'presence':
      return takePresence(pace, state, input.online, input.store, world, say)
    case 'ack':
      return takeAck(pace, state, input.ack, world, say)
    case 'heard':
      return input.saidAt > state.sentAt ? { ...state, sentAt: Number.NEGATIVE_INFINITY } : state
    case 'batches':
      return takeBatches(pace, { ...state, reading: false }, input.want, input.batches, world, say)
    case 'look':
      return state
  }
}

const takeDown = (pace: FlowPace, state: FlowState, byBroker: boolean, now: number, say: Say): FlowState => {
  const lone = loneFlight(state)
  let { suspect } = state
  if (byBroker && lone !== undefined && now - state.sentAt <= pace.suspectMs) {
    const name = `${lone.lane}/${lone.epoch}/${lone.seq}`
    suspect = { name, closes: suspect?.name === name ? suspect.closes + 1 : 1 }
    if (suspect.closes >= pace.closesMax) {
      say({ type: 'dead-letter', ...lone })
      suspect = undefined
    }
  }
  const shaken = mapLanes(state, lane => ({ ...rewind(lane), doubt: lane.doubt || lane.flights.length > 0 }))
  return { ...shaken, up: false, awake: false, windowBytes: LIMITS.windowFirstBytes, suspect }
}

const takePresence = (
  pace: FlowPace,
  before: FlowState,
  online: boolean,
  store: string,
  world: World,
  say: Say,
): FlowState => {
  const isNew = before.store !== undefined && before.store !== store
  // The last word of an ingest that is gone names no store for the one that is there.
  const state = online || before.store === undefined ? { ...before, store } : before
  if (!online) return { ...mapLanes(state, rewind), awake: false, probeAt: probeTime(pace, world) }
  if (isNew) say({ type: 'new-store', store })
  if (isNew || !state.awake) return { ...mapLanes(state, lane => ({ ...rewind(lane), attempt: 0 })), awake: true }
  return mapLanes(state, lane => (lane.doubt ? { ...lane, attempt: 0, dueAt: world.now } : lane))
}

const takeAck = (pace: FlowPace, before: FlowState, ack: Ack, { streams, now }: World, say: Say): FlowState => {
  const { lane: name, epoch, seq } = ack
  const flow = before.lanes[name]
  const stream = streams.find(each => each.lane === name && each.epoch === epoch)
  const ignore = (why: IgnoredAck): void => say({ type: 'ack-ignored', why })
  if (before.store !== undefined && before.store !== ack.store) {
    ignore('other-store')
    return before
  }
  if (stream === undefined || flow.epoch !== epoch || seq > flow.sentUpTo) {
    ignore(stream === undefined ? 'unknown-epoch' : 'never-sent')
    return before
  }
  const windowBytes = Math.min(ack.window, LIMITS.windowMaxBytes)
  const state = { ...before, awake: true, store: ack.store, windowBytes }
  if (seq < stream.oldest) {
    ignore('repeated')
    return state
  }
  say({ type: 'delete', lane: name, epoch, seq })
  return withLane(state, name, acknowledge(flow, seq, now + pace.ackTimeoutMs))
}

const takeBatches = (
  pace: FlowPace,
  state: FlowState,
  want: Want,
  found: readonly QueuedBatch[],
  { streams, now, random }: World,
  say: Say,
): FlowState => {
  const flow = state.lanes[want.lane]
  const stream = headOf(streams, want.lane)
  // Asked for before an ack, a loss or a new connection.
  const isStale = !state.up || want.epoch !== flow.epoch || want.fromSeq !== flow.next
  if (stream === undefined || isStale) return state
  const [first] = found
  if (first === undefined) return { ...state, rereadAt: now + pace.rereadMs }
  if (first.seq !== flow.next && flow.flights.length > 0) {
    return withLane(state, want.lane, { ...flow, next: first.seq, pastHole: true })
  }
  const batches = fitting(state, found)
  if (batches.length === 0) return withLane(state, want.lane, { ...flow, nextBytes: wireBytes(first) })
  const resent = batches.filter(batch => batch.seq <= flow.sentUpTo).length
  say({ type: 'publish', lane: want.lane, epoch: flow.epoch, oldest: stream.oldest, batches, resent })
  if (state.suspect !== undefined) say({ type: 'ask' })
  const backoff = flow.attempt === 0 ? 0 : backoffMs(flow.attempt - 1, pace.backoffFirstMs, pace.backoffMaxMs, random)
  const flights = batches.map(batch => ({ seq: batch.seq, bytes: wireBytes(batch) }))
  const next = withLane(state, want.lane, sent(flow, flights, now + pace.ackTimeoutMs + backoff))
  return { ...next, sentAt: now, probeAt: now + pace.probeMs }
}

/** Those that may go now, from the first on. */
const fitting = (state: FlowState, found: readonly QueuedBatch[]): readonly QueuedBatch[] => {
  const inFlight = inFlightBytes(state)
  if (isCareful(state)) return inFlight > 0 ? [] : found.slice(0, 1)
  const room = Math.min(state.windowBytes - inFlight, MESSAGE_MAX_BYTES)
  let bytes = 0
  const end = found.findIndex((batch, at) => {
    bytes += wireBytes(batch)
    const isConsecutive = at === 0 || batch.seq === (found[at - 1] as QueuedBatch).seq + 1
    return !isConsecutive || (bytes > room && !(at === 0 && inFlight === 0))
  })
  return end === -1 ? found : found.slice(0, end)
}

/** Time: what is not acknowledged is sent again. */
const expire = (state: FlowState, { now }: World, say: Say): FlowState => {
  if (!state.up) return state
  if (!state.awake) return now >= state.probeAt ? mapLanes(state, rewind) : state
  return mapLanes(state, (lane, name) => {
    if (lane.flights.length === 0 || now < lane.dueAt) return lane
    say({ type: 'unanswered', lane: name })
    return { ...rewind(lane), doubt: true, attempt: lane.attempt + 1 }
  })
}

/** Asks the journal for what may go next. */
const pump = (state: FlowState, { streams, now }: World, say: Say): FlowState => {
  const isHeld = !state.up || state.reading || now < state.rereadAt || (!state.awake && now < state.probeAt)
  const name = LANES.find(lane => hasMore(state.lanes[lane], headOf(streams, lane)))
  if (isHeld || name === undefined) return state
  const { epoch, next, nextBytes } = state.lanes[name]
  const inFlight = inFlightBytes(state)
  const careful = isCareful(state)
  const room = careful ? 0 : Math.min(state.windowBytes - inFlight, MESSAGE_MAX_BYTES)
  if (inFlight > 0 && (room <= 0 || nextBytes > room)) return state
  say({ type: 'read', want: { lane: name, epoch, fromSeq: next, maxBytes: Math.max(1, room) } })
  return { ...state, reading: true }
}

const hasMore = (lane: LaneFlow, head: Stream | undefined): boolean =>
  head !== undefined && lane.next <= head.newest && !(lane.pastHole && lane.flights.length > 0)

/** Nothing else may be in flight beside one batch. */
const isCareful = ({ awake, lanes }: FlowState): boolean => !awake || lanes.events.doubt || lanes.samples.doubt

const loneFlight = ({ lanes }: FlowState): { lane: Lane; epoch: string; seq: number } | undefined => {
  const all = LANES.flatMap(lane => lanes[lane].flights.map(({ seq }) => ({ lane, epoch: lanes[lane].epoch, seq })))
  return all.length === 1 ? all[0] : undefined
}

const headOf = (streams: readonly Stream[], lane: Lane): Stream | undefined =>
  streams.find(stream => stream.lane === lane)

const wireBytes = (batch: QueuedBatch): number => batch.bytes + ENVELOPE_MAX_BYTES

/** Full jitter, so that five hundred agents that lost the same ingest do not probe as one. */
const probeTime = (pace: FlowPace, { now, random }: World): number => now + Math.floor(random() * pace.probeMs)

const mapLanes = (state: FlowState, change: (lane: LaneFlow, name: Lane) => LaneFlow): FlowState => {
  const events = change(state.lanes.events, 'events')
  const samples = change(state.lanes.samples, 'samples')
  if (events === state.lanes.events && samples === state.lanes.samples) return state
  return { ...state, lanes: { events, samples } }
}

const withLane = (state: FlowState, name: Lane, lane: LaneFlow): FlowState => ({
  ...state,
  lanes: { ...state.lanes, [name]: lane },
})
