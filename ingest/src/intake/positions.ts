import type { BatchEnvelope, Lane } from '@nakama/contract'

/** A batch as it came. Its records stay text until they are stored: as objects they would take five times the room. */
export interface Arrival {
  readonly batch: Pick<BatchEnvelope, 'lane' | 'epoch' | 'seq' | 'oldest'>
  /** As on the wire. */
  readonly text: Uint8Array
}

/** One lane and epoch of one agent. Always stored ≤ taken, and nothing held is ≤ taken + 1. */
export interface Stream {
  readonly lane: Lane
  readonly epoch: string
  /** Everything up to here is in the store, or was acknowledged before (`oldest` says so). */
  readonly stored: number
  /** Everything up to here has been handed on. */
  readonly taken: number
  readonly held: ReadonlyMap<number, Arrival>
}

/** Where one agent stands. Needs no disk: `oldest` in every batch brings it back. */
export interface Positions {
  /** Least recently used first. */
  readonly streams: readonly Stream[]
  readonly heldBytes: number
}

export const NO_POSITIONS: Positions = { streams: [], heldBytes: 0 }

export interface PositionLimits {
  /** Batches that came before their turn, per agent. */
  readonly heldMaxBytes: number
  /** Lanes and epochs remembered per agent. */
  readonly streamsMax: number
}

export type PositionInput =
  | ({ readonly type: 'arrived' } & Arrival)
  | { readonly type: 'stored'; readonly lane: Lane; readonly epoch: string; readonly seq: number }
  /** Taken, but neither this one nor anything behind it is in hand any more. */
  | { readonly type: 'let-go'; readonly lane: Lane; readonly epoch: string; readonly seq: number }

export type PositionOutput =
  | ({ readonly type: 'take' } & Arrival)
  | { readonly type: 'ack'; readonly lane: Lane; readonly epoch: string; readonly seq: number }
  | { readonly type: 'held' | 'ignored' | 'no-room' }

/**
 * Takes what is next in its lane and epoch, holds what came before its turn, acknowledges again what is stored already.
 * The agent sends everything else again.
 */
export const step = (
  limits: PositionLimits,
  before: Positions,
  input: PositionInput,
): { readonly state: Positions; readonly outputs: PositionOutput[] } => {
  if (input.type === 'stored') return stored(before, input)
  if (input.type === 'let-go') return letGo(before, input)
  const { batch, text } = input
  const { lane, epoch, seq, oldest } = batch
  const stream = skipTo(find(before, batch) ?? { lane, epoch, stored: 0, taken: 0, held: new Map() }, oldest - 1)
  if (seq <= stream.stored) {
    return { state: put(limits, before, stream), outputs: [{ type: 'ack', lane, epoch, seq: stream.stored }] }
  }
  if (seq <= stream.taken || stream.held.has(seq)) {
    return { state: put(limits, before, stream), outputs: [{ type: 'ignored' }] }
  }
  if (seq > stream.taken + 1) {
    if (before.heldBytes + text.length > limits.heldMaxBytes) {
      return { state: put(limits, before, stream), outputs: [{ type: 'no-room' }] }
    }
    const held = new Map(stream.held).set(seq, { batch, text })
    return { state: put(limits, before, { ...stream, held }), outputs: [{ type: 'held' }] }
  }
  const { stream: next, taken } = takeInTurn({ ...stream, taken: seq })
  return {
    state: put(limits, before, next),
    outputs: [{ batch, text }, ...taken].map(arrival => ({ type: 'take', ...arrival })),
  }
}

const stored = (
  before: Positions,
  { lane, epoch, seq }: { readonly lane: Lane; readonly epoch: string; readonly seq: number },
): { readonly state: Positions; readonly outputs: PositionOutput[] } => {
  const stream = find(before, { lane, epoch })
  // Forgotten meanwhile: what is stored is stored all the same.
  if (stream === undefined) return { state: before, outputs: [{ type: 'ack', lane, epoch, seq }] }
  const next = { ...stream, stored: Math.max(stream.stored, seq), taken: Math.max(stream.taken, seq) }
  return {
    state: { ...before, streams: before.streams.map(other => (other === stream ? next : other)) },
    outputs: [{ type: 'ack', lane, epoch, seq: next.stored }],
  }
}

const letGo = (
  before: Positions,
  { seq, ...id }: Pick<Stream, 'lane' | 'epoch'> & { readonly seq: number },
): { readonly state: Positions; readonly outputs: PositionOutput[] } => {
  const stream = find(before, id)
  const streams = before.streams.map(other =>
    other === stream ? { ...other, taken: Math.max(other.stored, seq - 1) } : other,
  )
  return { state: { ...before, streams }, outputs: [] }
}

const find = ({ streams }: Positions, { lane, epoch }: Pick<Stream, 'lane' | 'epoch'>): Stream | undefined =>
  streams.find(stream => stream.lane === lane && stream.epoch === epoch)

/** The journal has nothing up to `seq` any more: it is stored, or was given up with a gap record. */
const skipTo = (stream: Stream, seq: number): Stream => {
  if (seq <= stream.stored) return stream
  const held = new Map([...stream.held].filter(([heldSeq]) => heldSeq > seq))
  return { ...stream, stored: seq, taken: Math.max(stream.taken, seq), held }
}

const takeInTurn = (stream: Stream): { readonly stream: Stream; readonly taken: Arrival[] } => {
  if (stream.held.size === 0) return { stream, taken: [] }
  const held = new Map(stream.held)
  const taken: Arrival[] = []
  let last = stream.taken
  for (let next = held.get(last + 1); next !== undefined; next = held.get(last + 1)) {
    taken.push(next)
    held.delete(++last)
  }
  return { stream: { ...stream, taken: last, held }, taken }
}

const put = ({ streamsMax }: PositionLimits, { streams }: Positions, stream: Stream): Positions => {
  const others = streams.filter(other => other.lane !== stream.lane || other.epoch !== stream.epoch)
  const kept = [...others, stream].slice(-streamsMax)
  let heldBytes = 0
  for (const { held } of kept) for (const { text } of held.values()) heldBytes += text.length
  return { streams: kept, heldBytes }
}
