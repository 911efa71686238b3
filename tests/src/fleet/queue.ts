import { type Ack, encodeBatch, joinBatches, LANES, type Lane, LIMITS, type NakamaRecord } from '@nakama/contract'

interface Batch {
  readonly seq: number
  readonly recordsJson: string
  readonly bytes: number
  readonly appendedAt: number
}

interface LaneQueue {
  /** Not acknowledged, ascending by seq without holes. */
  readonly batches: Batch[]
  /** The next to send. */
  next: number
  lastSeq: number
}

/** The journal of a virtual agent: in memory, under one epoch, and otherwise with the same promise as a real one's. */
export interface MemoryQueue {
  append(records: readonly NakamaRecord[], lane: Lane, now: number): void
  /** What may go now, as the payload of a `records` message; undefined when the window is full or nothing waits. */
  take(): string | undefined
  /** What was acknowledged: for each batch the milliseconds since it was appended. */
  acknowledge(ack: Ack, now: number): number[]
  /** Everything unacknowledged is to be sent again. */
  rewind(): void
  readonly waiting: { readonly [lane in Lane]: number }
  /** When the oldest unacknowledged batch was appended; plus infinity when there is none. */
  oldestAt(lane: Lane): number
  readonly inFlightBytes: number
}

const MESSAGE_MAX_BYTES = LIMITS.packetMaxBytes - 4_096

export const createMemoryQueue = (epoch: string): MemoryQueue => {
  const lanes: { readonly [lane in Lane]: LaneQueue } = {
    events: { batches: [], next: 1, lastSeq: 0 },
    samples: { batches: [], next: 1, lastSeq: 0 },
  }
  let windowBytes: number = LIMITS.windowFirstBytes
  let inFlightBytes = 0

  return {
    append(records, lane, now) {
      const queue = lanes[lane]
      const recordsJson = JSON.stringify(records)
      queue.lastSeq += 1
      queue.batches.push({ seq: queue.lastSeq, recordsJson, bytes: recordsJson.length, appendedAt: now })
    },
    take() {
      const lines: string[] = []
      let bytes = 0
      for (const lane of LANES) {
        const queue = lanes[lane]
        const oldest = queue.batches[0]?.seq ?? 0
        for (let at = queue.next - oldest; at < queue.batches.length; at++) {
          const batch = queue.batches[at] as Batch
          // One that is larger than the window goes alone.
          if (inFlightBytes > 0 && inFlightBytes + batch.bytes > windowBytes) break
          if (bytes > 0 && bytes + batch.bytes > MESSAGE_MAX_BYTES) break
          lines.push(encodeBatch({ lane, epoch, seq: batch.seq }, oldest, batch.recordsJson))
          bytes += batch.bytes
          inFlightBytes += batch.bytes
          queue.next = batch.seq + 1
        }
      }
      return lines.length === 0 ? undefined : joinBatches(lines)
    },
    acknowledge(ack, now) {
      if (ack.epoch !== epoch) return []
      windowBytes = ack.window
      const queue = lanes[ack.lane]
      const done = queue.batches.findIndex(batch => batch.seq > ack.seq)
      const gone = queue.batches.splice(0, done === -1 ? queue.batches.length : done)
      for (const { seq, bytes } of gone) if (seq < queue.next) inFlightBytes -= bytes
      queue.next = Math.max(queue.next, ack.seq + 1)
      return gone.map(({ appendedAt }) => now - appendedAt)
    },
    rewind() {
      inFlightBytes = 0
      for (const lane of LANES) lanes[lane].next = lanes[lane].batches[0]?.seq ?? lanes[lane].lastSeq + 1
    },
    oldestAt: lane => lanes[lane].batches[0]?.appendedAt ?? Number.POSITIVE_INFINITY,
    get waiting() {
      return { events: lanes.events.batches.length, samples: lanes.samples.batches.length }
    },
    get inFlightBytes() {
      return inFlightBytes
    },
  }
}
