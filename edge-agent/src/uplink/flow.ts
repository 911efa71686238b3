import { type Ack, type BatchId, LANES, LIMITS } from '@nakama/contract'
import { backoffMs } from '@nakama/service'
import type { QueuedBatch } from '../journal/batch-queue.ts'
import { fitting, pump } from './flow-room.ts'
import {
  type FlowInput,
  type FlowOutput,
  type FlowPace,
  type FlowState,
  headOf,
  type IgnoredAck,
  mapLanes,
  type Say,
  type Want,
  type World,
  wireBytes,
  withLane,
} from './flow-state.ts'
import { acknowledge, follow, rewind, sent } from './lane-flow.ts'

/**
 * What to send, when to send it again, and what may be forgotten. The rules:
 *
 * - In flight over both lanes at most the window, except that a batch larger than it may go alone; `events` before
 *   `samples`; within a lane seq after seq, and an epoch only when the one before is acknowledged.
 * - Only an ack deletes. It must name the store that ingest's presence names, an epoch that the journal has, and a seq that
 *   was sent; of a former epoch it may name a later one, which only the card has lost.
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
    suspect = { ...lone, closes: isSame(suspect, lone) ? suspect.closes + 1 : 1 }
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
  // A former life may have sent more than a torn card kept: ingest then has all that is left of that epoch, and says so.
  const isFormer = streams.findLast(each => each.lane === name)?.epoch !== epoch
  const upTo = isFormer ? Math.min(seq, flow.sentUpTo) : seq
  if (stream === undefined || flow.epoch !== epoch || upTo > flow.sentUpTo) {
    ignore(stream === undefined ? 'unknown-epoch' : 'never-sent')
    return before
  }
  const windowBytes = Math.min(ack.window, LIMITS.windowMaxBytes)
  const state = { ...before, awake: true, store: ack.store, windowBytes }
  if (upTo < stream.oldest) {
    ignore('repeated')
    return state
  }
  say({ type: 'delete', lane: name, epoch, seq: upTo })
  return withLane(state, name, acknowledge(flow, upTo, now + pace.ackTimeoutMs))
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
  if (isSame(state.suspect, { ...want, seq: first.seq })) say({ type: 'ask' })
  const backoff = flow.attempt === 0 ? 0 : backoffMs(flow.attempt - 1, pace.backoffFirstMs, pace.backoffMaxMs, random)
  const flights = batches.map(batch => ({ seq: batch.seq, bytes: wireBytes(batch) }))
  const next = withLane(state, want.lane, sent(flow, flights, now + pace.ackTimeoutMs + backoff))
  return { ...next, sentAt: now, probeAt: now + pace.probeMs }
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

const isSame = <S extends BatchId>(suspect: S | undefined, batch: BatchId): suspect is S =>
  suspect?.lane === batch.lane && suspect.epoch === batch.epoch && suspect.seq === batch.seq

const loneFlight = ({ lanes }: FlowState): BatchId | undefined => {
  const all = LANES.flatMap(lane => lanes[lane].flights.map(({ seq }) => ({ lane, epoch: lanes[lane].epoch, seq })))
  return all.length === 1 ? all[0] : undefined
}

/** Full jitter, so that five hundred agents that lost the same ingest do not probe as one. */
const probeTime = (pace: FlowPace, { now, random }: World): number => now + Math.floor(random() * pace.probeMs)
