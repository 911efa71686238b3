import { NakamaError, type NakamaRecord } from '@nakama/contract'
import type { Log, Metrics } from '@nakama/service'
import type { BatchQueue } from './batch-queue.ts'

export interface JournalOptions {
  /** Folder of the journal's files; made if it is not there. One process at a time. */
  readonly dir: string
  /** Bound on the disk, at least `JOURNAL_MIN_BYTES`. */
  readonly maxBytes: number
  readonly now: () => number
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

export interface Journal {
  /** 16 hex digits, random, new at every opening. */
  readonly epoch: string
  /** Time of the newest reading that former epochs journaled, over all and per machine; undefined on a fresh card. */
  readonly lastJournaled: { readonly at: number | undefined; readonly byMachine: ReadonlyMap<string, number> }
  /** Never throws and never waits. Records form batches per lane (`laneOf`) and are durable within a second. */
  append(record: NakamaRecord): void
  stats(): JournalStats
  /** Resolves when everything appended before is durable, or cannot be made so now. */
  flush(): Promise<void>
  /** Flushes and lets go of every file. Idempotent. */
  close(): Promise<void>
}

export interface JournalStats {
  /** Of records not yet acknowledged. */
  readonly bytes: number
  readonly maxBytes: number
  /** Time of the oldest record not yet acknowledged; null when there is none. */
  readonly oldestAt: number | null
}

export const JOURNAL_MIN_BYTES = 8 * 1024 * 1024

export const openJournal = async (options: JournalOptions): Promise<Journal & BatchQueue> => {
  throw new NakamaError('JOURNAL_UNUSABLE', `${options.dir}: expected a journal, got none`)
}
