import type { Stream } from '../journal/batch-queue.ts'

/** A batch that was sent over the present connection and is not acknowledged. */
export interface Flight {
  readonly seq: number
  /** On the wire. */
  readonly bytes: number
}

/** How far one lane is sent. Of its epochs only the oldest that is not wholly acknowledged is looked at. */
export interface LaneFlow {
  readonly epoch: string
  /** Ascending. */
  readonly flights: readonly Flight[]
  /** The seq to send next. */
  readonly next: number
  /** Its size on the wire, once it is known not to fit; 0: unknown. */
  readonly nextBytes: number
  /** The newest seq that this process ever sent of this epoch; 0: none. */
  readonly sentUpTo: number
  /** What is before `next` is missing for ever: it goes once nothing before the hole is in flight, with an `oldest` after it. */
  readonly pastHole: boolean
  /** Something went unanswered, or the connection closed on it: one batch at a time until an ack makes progress. */
  readonly doubt: boolean
  /** Timeouts since the last progress. */
  readonly attempt: number
  /** With something in flight: when its patience ends. */
  readonly dueAt: number
}

export const EMPTY_LANE: LaneFlow = {
  epoch: '',
  flights: [],
  next: 1,
  nextBytes: 0,
  sentUpTo: 0,
  pastHole: false,
  doubt: false,
  attempt: 0,
  dueAt: 0,
}

/** The same lane, by what the journal has now: its next epoch once the former is gone, nothing that was given up. */
export const follow = (lane: LaneFlow, head: Stream | undefined): LaneFlow => {
  if (head === undefined) return lane
  if (head.epoch !== lane.epoch) return { ...EMPTY_LANE, epoch: head.epoch, next: head.oldest }
  const [first] = lane.flights
  const isBehind = lane.next < head.oldest || (first !== undefined && first.seq < head.oldest)
  const left = isBehind ? dropUpTo(lane, head.oldest - 1) : lane
  // Doubt about what was given up would hold up the other lane for nothing.
  return left.doubt && head.oldest > head.newest ? { ...left, doubt: false, attempt: 0 } : left
}

/** Everything up to `seq` is acknowledged. */
export const acknowledge = (lane: LaneFlow, seq: number, dueAt: number): LaneFlow => ({
  ...dropUpTo(lane, seq),
  doubt: false,
  attempt: 0,
  dueAt,
})

/** Whatever is in flight counts as lost and is sent again. */
export const rewind = (lane: LaneFlow): LaneFlow =>
  lane.flights.length === 0
    ? lane
    : { ...lane, flights: [], next: (lane.flights[0] as Flight).seq, nextBytes: 0, pastHole: false }

/** @param dueAt when the first of them must be acknowledged, if nothing was in flight before. */
export const sent = (lane: LaneFlow, flights: readonly Flight[], dueAt: number): LaneFlow => {
  const last = (flights.at(-1) as Flight).seq
  return {
    ...lane,
    flights: [...lane.flights, ...flights],
    next: last + 1,
    nextBytes: 0,
    sentUpTo: Math.max(lane.sentUpTo, last),
    pastHole: false,
    dueAt: lane.flights.length === 0 ? dueAt : lane.dueAt,
  }
}

export const bytesOf = (flights: readonly Flight[]): number => flights.reduce((sum, { bytes }) => sum + bytes, 0)

const dropUpTo = (lane: LaneFlow, seq: number): LaneFlow => {
  const flights = lane.flights.filter(flight => flight.seq > seq)
  return lane.next > seq ? { ...lane, flights } : { ...lane, flights, next: seq + 1, nextBytes: 0, pastHole: false }
}
