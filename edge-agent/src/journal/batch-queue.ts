import type { BatchClock, Lane } from '@nakama/contract'

/** Batches of one lane and epoch that nobody has acknowledged yet: `oldest` to `newest`, none when `oldest > newest`. */
export interface Stream {
  readonly lane: Lane
  readonly epoch: string
  /** The lowest seq still in the journal. */
  readonly oldest: number
  readonly newest: number
}

export interface QueuedBatch {
  readonly seq: number
  /** A JSON array of records, as it was appended. */
  readonly recordsJson: string
  /** Octets of `recordsJson`. */
  readonly bytes: number
  /** What goes beside its boot times; undefined when it has none. */
  readonly clock?: BatchClock
}

/** What the uplink sees of the journal: unacknowledged batches, in the order in which they must go. */
export interface BatchQueue {
  /**
   * Every stream with something in it, per lane oldest epoch first; those of the present epoch always, even when empty. What
   * cannot be sent before the time of its boot is known does not show, nor does what follows it.
   */
  streams(): readonly Stream[]
  /**
   * Consecutive batches from the first one at or after `fromSeq`, within `maxBytes` but at least one; empty when there is
   * none. Never rejects: what cannot be read is given up with a gap record and a count.
   */
  read(lane: Lane, epoch: string, fromSeq: number, maxBytes: number): Promise<readonly QueuedBatch[]>
  /** Forgets everything of this stream up to `seq`. Only for a lane's oldest stream: anything else is ignored and counted. */
  deleteUpTo(lane: Lane, epoch: string, seq: number): void
  /** Moves a stream's oldest batch, which nobody can take, to the dead-letter file, and journals a gap record. Never rejects. */
  deadLetter(lane: Lane, epoch: string, seq: number): Promise<void>
  /** Called after batches were added or given up. One listener; returns a function that takes it away. */
  onChange(listener: () => void): () => void
}
