import { type Ack, encodeBatch, joinBatches, type Lane, laneOf, type NakamaRecord } from '@nakama/contract'

interface Stream {
  readonly lane: Lane
  readonly epoch: string
  readonly batches: string[]
  acked: number
}

/** An agent's journal, in memory: it keeps every batch until the ack, and forgets nothing else. */
export interface Journal {
  /** Appends records as one batch per lane. */
  append(epoch: string, records: readonly NakamaRecord[]): void
  /** For records that no honest agent writes. */
  appendRaw(epoch: string, lane: Lane, records: readonly unknown[]): void
  ack(ack: Pick<Ack, 'lane' | 'epoch' | 'seq'>): void
  /** Everything not yet acknowledged, each batch as a line of its own, `oldest` as of now. */
  unacked(): string[]
  readonly done: boolean
}

export const epochOf = (n: number): string => (0xabc0 + n).toString(16).padStart(16, '0')

export const openJournal = (): Journal => {
  const streams: Stream[] = []
  const streamOf = (epoch: string, lane: Lane): Stream => {
    const found = streams.find(stream => stream.epoch === epoch && stream.lane === lane)
    if (found !== undefined) return found
    const stream = { lane, epoch, batches: [], acked: 0 }
    streams.push(stream)
    return stream
  }
  const appendRaw = (epoch: string, lane: Lane, records: readonly unknown[]): void => {
    if (records.length > 0) streamOf(epoch, lane).batches.push(JSON.stringify(records))
  }
  return {
    append(epoch, records) {
      for (const lane of ['events', 'samples'] as const) {
        appendRaw(
          epoch,
          lane,
          records.filter(record => laneOf(record) === lane),
        )
      }
    },
    appendRaw,
    ack({ epoch, lane, seq }) {
      const stream = streamOf(epoch, lane)
      if (seq > stream.batches.length) throw new Error(`ack of ${seq}, but only ${stream.batches.length} were sent`)
      stream.acked = Math.max(stream.acked, seq)
    },
    unacked: () =>
      streams.flatMap(({ lane, epoch, batches, acked }) =>
        batches.map((records, i) => encodeBatch({ lane, epoch, seq: i + 1 }, acked + 1, records)).slice(acked),
      ),
    get done() {
      return streams.every(({ batches, acked }) => acked === batches.length)
    },
  }
}

export const message = (lines: readonly string[]): string => joinBatches(lines)
