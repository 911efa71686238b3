import { LANES } from '@nakama/contract'
import type { QueuedBatch, Stream } from '../journal/batch-queue.ts'
import {
  type FlowState,
  headOf,
  inFlightBytes,
  isCareful,
  MESSAGE_MAX_BYTES,
  type Say,
  type World,
  wireBytes,
} from './flow-state.ts'
import type { LaneFlow } from './lane-flow.ts'

/** Asks the journal for what may go next. */
export const pump = (state: FlowState, { streams, now }: World, say: Say): FlowState => {
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

/** Those that may go now, from the first on. */
export const fitting = (state: FlowState, found: readonly QueuedBatch[]): readonly QueuedBatch[] => {
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

const hasMore = (lane: LaneFlow, head: Stream | undefined): boolean =>
  head !== undefined && lane.next <= head.newest && !(lane.pastHole && lane.flights.length > 0)
