import { type GapRecord, LANES, type Lane, laneOf, NakamaError, type NakamaRecord } from '@nakama/contract'
import type { Log, Metrics } from '@nakama/service'
import { openAcksFile } from './acks-file.ts'
import type { BatchQueue } from './batch-queue.ts'
import { addRecord, closeBatch, type OpenBatch } from './batcher.ts'
import { SEGMENT_BYTES } from './format.ts'
import { openLane } from './lane.ts'
import { readJournal } from './opening.ts'
import { createQueue } from './queue.ts'
import { createReader } from './reader.ts'
import type { Loss } from './recovery.ts'
import { openStorage, type Storage } from './storage.ts'
import type { Newest } from './times.ts'
import { createWriter, randomHex } from './writer.ts'

export interface JournalOptions {
  /** Folder of the journal's files; made if it is not there. One process at a time. */
  readonly dir: string
  /** Bound on the disk, at least `JOURNAL_MIN_BYTES`. */
  readonly maxBytes: number
  readonly now: () => number
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
  /** Default: the folder `dir`. */
  readonly storage?: Storage
}

export interface Journal {
  /** 16 hex digits, random, new at every opening. */
  readonly epoch: string
  /** Time of the newest reading that former epochs journaled, over all and per machine; undefined on a fresh card. */
  readonly lastJournaled: Newest
  /** Never throws and never waits. Records form batches per lane (`laneOf`) and are durable within a second. */
  append(record: NakamaRecord): void
  stats(): JournalStats
  /** Resolves when everything appended before is durable: true; or when the disk has refused it for now: false. */
  flush(): Promise<boolean>
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

export const JOURNAL_MIN_BYTES = 8 * SEGMENT_BYTES

/** Files other than segments: acks. Dead letters have a bound of their own. */
const OTHER_BYTES = 4096

/** Records that come together go together: the machines of one agent are read within a moment. */
const GATHER_MS = 50
/** And about once a second at most. With the gathering and a slow card this stays within the promised second. */
const SPACING_MS = 800
const RETRY_MS = 1_000
const SAVE_ACKS_MS = 10_000

/** In memory, waiting for a disk that refuses or cannot keep up; beyond this the oldest goes, with a gap record. */
const WAITING_MAX_BYTES = 4 * 1024 * 1024
const WAITING_KEPT_BYTES = 3 * 1024 * 1024

/**
 * Opens the journal in whatever condition its files are, under a new epoch; what former epochs left unacknowledged is
 * queued. Afterwards a disk that refuses is logged, counted and tried again, and nothing throws.
 *
 * @throws NakamaError `JOURNAL_UNUSABLE` when the folder cannot be used at all.
 */
export const openJournal = async (options: JournalOptions): Promise<Journal & BatchQueue> => {
  const { maxBytes, now, random, log, metrics } = options
  if (maxBytes < JOURNAL_MIN_BYTES) {
    const expected = `expected at least ${JOURNAL_MIN_BYTES} bytes`
    throw new NakamaError('JOURNAL_UNUSABLE', `${options.dir}: ${expected} for the journal, got ${maxBytes}`)
  }
  const storage = options.storage ?? (await openStorage(options.dir))
  const acks = await openAcksFile(storage)
  const found = await readJournal(storage, acks.found, now(), log)
  const epoch = randomHex(random)
  const opening = found.opening + 1
  const bookOf = (lane: Lane) =>
    openLane({ lane, epoch, opening, segments: found.segments[lane], acked: acks.found[lane] })
  const books = { events: bookOf('events'), samples: bookOf('samples') }

  const gaps = metrics.counter('journal_gaps', 'Gap records of the journal itself', ['why'])
  const refused = metrics.counter('journal_refused_records', 'Records that could not be journaled')

  const open = new Map<Lane, OpenBatch>()
  let listener: (() => void) | undefined
  let closing: Promise<void> | undefined
  let isClosed = false
  let timer: NodeJS.Timeout | undefined
  let acksTimer: NodeJS.Timeout | undefined
  let closedAt = Number.NEGATIVE_INFINITY

  const append = (record: NakamaRecord): void => {
    if (isClosed) {
      refused.inc()
      return
    }
    const lane = laneOf(record)
    const added = addRecord(open.get(lane), record)
    if (added.open === undefined) open.delete(lane)
    else open.set(lane, added.open)
    if (added.refused !== undefined) {
      refused.inc()
      log.error({ code: 'JOURNAL_REFUSED', type: record.type }, `record cannot be journaled: ${added.refused}`)
    }
    if (added.closed.length > 0) {
      for (const batch of added.closed) books[lane].add(batch)
      boundWaiting()
      listener?.()
      void commit()
    }
    schedule(Math.max(GATHER_MS, closedAt + SPACING_MS - performance.now()))
  }

  const schedule = (delayMs: number): void => {
    if (closing !== undefined) return
    timer ??= setTimeout(() => {
      timer = undefined
      closeBatches()
      void commit()
    }, delayMs)
  }

  const closeBatches = (): void => {
    for (const lane of LANES) {
      const batch = open.get(lane)
      if (batch !== undefined) books[lane].add(closeBatch(batch))
    }
    open.clear()
    closedAt = performance.now()
    boundWaiting()
    listener?.()
  }

  const boundWaiting = (): void => {
    if (books.events.waitingBytes + books.samples.waitingBytes <= WAITING_MAX_BYTES) return
    for (const lane of ['samples', 'events'] as const) {
      const others = lane === 'samples' ? books.events.waitingBytes : books.samples.waitingBytes
      const lost = books[lane].dropUnwritten(Math.max(0, WAITING_KEPT_BYTES - others))
      if (lost !== undefined) journalLoss({ what: lane, from: lost.from, to: lost.to + 1 }, 'journal-full')
    }
  }

  const journalLoss = ({ what, from, to }: Loss, why: GapRecord['why']): void => {
    gaps.inc({ why })
    log.warn({ what, from, to, why, code: 'JOURNAL_GAP' }, 'readings are missing')
    append({ type: 'gap', at: now(), machine: null, from, to: Math.max(from, to), what, why })
  }

  const queue = createQueue({
    books,
    reader: createReader(storage),
    storage,
    onLoss: journalLoss,
    onDeleted: () => {
      acksTimer ??= setTimeout(() => {
        acksTimer = undefined
        void commit()
      }, SAVE_ACKS_MS)
    },
    log,
    metrics,
  })

  const writer = createWriter({
    storage,
    books,
    epoch,
    opening,
    maxSegments: Math.floor((maxBytes - OTHER_BYTES) / SEGMENT_BYTES),
    free: found.free,
    acks,
    onGiveUp: async (lane, segment) => {
      const lost = await queue.unackedSpan(lane, segment)
      if (lost === undefined) return undefined
      journalLoss({ what: lane, from: lost.from, to: lost.to + 1 }, 'journal-full')
      closeBatches()
      return books.events.newestSeq
    },
    now,
    random,
    log,
    metrics,
  })
  const commit = inOneFlight(async () => {
    const good = await writer.commit()
    if (!good) schedule(RETRY_MS)
    return good
  })
  for (const loss of found.losses) journalLoss(loss, 'journal-corrupt')
  closeBatches()
  writer.hold(found.corrupt, books.events.newestSeq)
  await commit()
  for (const { lane, epoch: of, oldest } of queue.streams()) await queue.read(lane, of, oldest, 1)

  return {
    ...queue,
    epoch,
    lastJournaled: found.lastJournaled,
    append,
    stats() {
      const { bytes, oldestAt } = queue.unacked()
      const gathering = [...open.values()]
      const times = [...(oldestAt === null ? [] : [oldestAt]), ...gathering.map(batch => batch.firstAt)]
      return {
        bytes: gathering.reduce((sum, batch) => sum + batch.bytes, bytes),
        maxBytes,
        oldestAt: times.length === 0 ? null : Math.min(...times),
      }
    },
    flush() {
      closeBatches()
      return commit()
    },
    onChange(next) {
      listener = next
      return () => {
        if (listener === next) listener = undefined
      }
    },
    close() {
      closing ??= (async () => {
        clearTimeout(timer)
        clearTimeout(acksTimer)
        closeBatches()
        await commit()
        // What the last commit itself had to say.
        closeBatches()
        await commit()
        isClosed = true
        await writer.close()
      })()
      return closing
    },
  }
}

/** Runs work once at a time; who calls while it runs gets the run after this one, shared with all the others who wait. */
const inOneFlight = <T>(work: () => Promise<T>): (() => Promise<T>) => {
  let current: Promise<T> | undefined
  let next: Promise<T> | undefined
  const run = (): Promise<T> => {
    if (current === undefined) {
      current = work().finally(() => {
        current = undefined
      })
      return current
    }
    next ??= current
      .catch(() => {})
      .then(() => {
        next = undefined
        return run()
      })
    return next
  }
  return run
}
