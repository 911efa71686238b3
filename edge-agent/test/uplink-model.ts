import { type Ack, LANES, type Lane } from '@nakama/contract'
import type { QueuedBatch, Stream } from '../src/journal/batch-queue.ts'
import type { Want } from '../src/uplink/flow-state.ts'

interface ModelStream {
  readonly lane: Lane
  readonly epoch: string
  batches: QueuedBatch[]
  newest: number
  oldest: number
}

/** What `BatchQueue` promises, over arrays. Epochs are in the order in which they are first added to. */
export const createModelJournal = () => {
  const all: ModelStream[] = []
  let failures = 0
  const find = (lane: Lane, epoch: string): ModelStream | undefined =>
    all.find(stream => stream.lane === lane && stream.epoch === epoch)
  const isDone = (stream: ModelStream): boolean => stream.batches.length === 0
  const present = (lane: Lane): ModelStream | undefined => all.findLast(stream => stream.lane === lane)
  const listed = (lane: Lane): ModelStream[] =>
    all.filter(stream => stream.lane === lane && (!isDone(stream) || stream === present(lane)))
  const recount = (stream: ModelStream): void => {
    stream.oldest = stream.batches[0]?.seq ?? stream.newest + 1
  }
  const remove = (lane: Lane, epoch: string, isGone: (seq: number) => boolean): void => {
    const stream = find(lane, epoch)
    if (stream === undefined) return
    stream.batches = stream.batches.filter(({ seq }) => !isGone(seq))
    recount(stream)
  }

  return {
    add(lane: Lane, epoch: string, bytes: number): void {
      let stream = find(lane, epoch)
      if (stream === undefined) {
        stream = { lane, epoch, batches: [], newest: 0, oldest: 1 }
        all.push(stream)
      }
      stream.newest += 1
      stream.batches.push({ seq: stream.newest, recordsJson: '[]', bytes })
      recount(stream)
    },
    streams: (): Stream[] =>
      LANES.flatMap(listed).map(({ lane, epoch, oldest, newest }) => ({ lane, epoch, oldest, newest })),
    read({ lane, epoch, fromSeq, maxBytes }: Want): QueuedBatch[] {
      if (failures > 0) {
        failures -= 1
        return []
      }
      const found: QueuedBatch[] = []
      let left = maxBytes
      for (const batch of find(lane, epoch)?.batches ?? []) {
        if (batch.seq < fromSeq) continue
        const last = found.at(-1)
        left -= batch.bytes
        if (last !== undefined && (left < 0 || batch.seq !== last.seq + 1)) break
        found.push(batch)
      }
      return found
    },
    deleteUpTo(lane: Lane, epoch: string, seq: number): void {
      if (listed(lane)[0]?.epoch !== epoch) throw new Error(`expected the oldest epoch of ${lane}, got ${epoch}`)
      remove(lane, epoch, each => each <= seq)
    },
    deadLetter(lane: Lane, epoch: string, seq: number): void {
      if (find(lane, epoch)?.oldest !== seq) throw new Error(`expected the oldest batch of ${lane}, got ${seq}`)
      remove(lane, epoch, each => each === seq)
    },
    giveUp: (lane: Lane, epoch: string, seq: number): void => remove(lane, epoch, each => each === seq),
    giveUpOldest(lane: Lane): void {
      const [head] = listed(lane)
      if (head !== undefined) remove(lane, head.epoch, each => each === head.oldest)
    },
    failReads(count: number): void {
      failures = count
    },
    /** Whether nothing that could still be sent lies between the two. */
    isNext: (lane: Lane, epoch: string, before: number, seq: number): boolean =>
      !find(lane, epoch)?.batches.some(batch => batch.seq > before && batch.seq < seq),
    isEmpty: (): boolean => all.every(isDone),
  }
}

/** Ingest as the contract describes it, with a store that commits at once. */
export const createModelIngest = <B extends { readonly seq: number }>(
  store: string,
  window: number,
  onStored: (batch: B) => void = () => {},
) => {
  const acked = new Map<string, number>()
  const stored = new Set<string>()
  const held = new Map<string, Map<number, B>>()
  return {
    take(message: { lane: Lane; epoch: string; oldest: number; batches: readonly B[] }): Ack[] {
      const { lane, epoch, oldest, batches } = message
      const name = `${lane} ${epoch}`
      const waiting = held.get(name) ?? new Map<number, B>()
      held.set(name, waiting)
      let upTo = Math.max(acked.get(name) ?? 0, oldest - 1)
      for (const batch of batches) if (batch.seq > upTo) waiting.set(batch.seq, batch)
      for (let next = waiting.get(upTo + 1); next !== undefined; next = waiting.get(upTo + 1)) {
        upTo = next.seq
        if (!stored.has(`${name} ${upTo}`)) onStored(next)
        stored.add(`${name} ${upTo}`)
      }
      for (const seq of [...waiting.keys()]) if (seq <= upTo) waiting.delete(seq)
      acked.set(name, upTo)
      return [{ v: 1, store, lane, epoch, seq: upTo, window, at: 1 }]
    },
    /** A restart: positions need not be kept, and what was held is gone. */
    forgetHeld(): void {
      held.clear()
      acked.clear()
    },
    has: (lane: Lane, epoch: string, seq: number): boolean => stored.has(`${lane} ${epoch} ${seq}`),
  }
}
