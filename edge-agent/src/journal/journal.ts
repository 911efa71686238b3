import { type GapRecord, type Lane, moveBootTimes, NakamaError, type NakamaRecord, randomHex } from '@nakama/contract'
import type { Log, Metrics } from '@nakama/service'
import { openAcksFile } from './acks-file.ts'
import { createAcksSaver } from './acks-saver.ts'
import type { BatchQueue } from './batch-queue.ts'
import { type Board, openBoard } from './board.ts'
import { NO_BOOT } from './boots.ts'
import { SEGMENT_BYTES } from './format.ts'
import { createHeadroom, type Headroom } from './headroom.ts'
import { createIntake } from './intake.ts'
import { openLane, type ToldLoss } from './lane.ts'
import { inOneFlight } from './one-flight.ts'
import { readJournal } from './opening.ts'
import { createQueue } from './queue.ts'
import { createReader } from './reader.ts'
import type { Loss } from './recovery.ts'
import { createRoom } from './room.ts'
import { createStats, type JournalStats } from './stats.ts'
import { openStorage, type Storage } from './storage.ts'
import type { Newest } from './times.ts'
import { createWriter } from './writer.ts'

export interface JournalOptions {
  /** Folder of the journal's files; made if it is not there. One process at a time. */
  readonly dir: string
  /** Bound on the disk, at least `JOURNAL_MIN_BYTES`. */
  readonly maxBytes: number
  /** Of the file system, left to others. Default: as `createHeadroom` has it. */
  readonly minFreeBytes?: number | undefined
  /** Of the system, twelve hex digits: what carries boot times belongs to it. Default: none, and no boot times. */
  readonly boot?: string
  /** Of the board that the process runs on. Default: unknown, and nothing is compared. */
  readonly boardSerial?: string | undefined
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
  readonly board: Board
  /** What the file system has left, and what of it is left to others. */
  readonly disk: Pick<Headroom, 'freeBytes' | 'minFreeBytes'>
  /** Never throws and never waits. Records form batches per lane (`laneOf`) and are durable within a second. */
  append(record: NakamaRecord): void
  /** How far the boot times of the present boot are to be moved; undefined while nobody knows, and they have to wait. */
  readonly bootShiftMs: number | undefined
  /**
   * Keeps that, once for each boot, durably and before anything is sent with it; former boots that were never synchronised
   * get their bounds. False when the disk has refused it for now.
   */
  keepBootShift(shiftMs: number): Promise<boolean>
  stats(): JournalStats
  /** Resolves when everything appended before is durable: true; or when the disk has refused it for now: false. */
  flush(): Promise<boolean>
  /** Flushes and lets go of every file and of the folder. Idempotent. */
  close(): Promise<void>
}

export const JOURNAL_MIN_BYTES = 8 * SEGMENT_BYTES

/** Files other than segments: acks. Dead letters have a bound of their own. */
const OTHER_BYTES = 4096

/** Records that come together go together: the machines of one agent are read within a moment. */
const GATHER_MS = 50
/** And about once a second at most. With the gathering and a slow card this stays within the promised second. */
const SPACING_MS = 800
const RETRY_MS = 1_000

/**
 * Opens the journal in whatever condition its files are, under a new epoch; what former epochs left unacknowledged is
 * queued. Afterwards a disk that refuses is logged, counted and tried again, and nothing throws.
 *
 * @throws NakamaError `JOURNAL_UNUSABLE` when the folder cannot be used at all, `JOURNAL_IN_USE` while another process has it.
 */
export const openJournal = async (options: JournalOptions): Promise<Journal & BatchQueue> => {
  const { dir, maxBytes, now, random, log, metrics } = options
  if (maxBytes < JOURNAL_MIN_BYTES) {
    const expected = `expected at least ${JOURNAL_MIN_BYTES} bytes`
    throw new NakamaError('JOURNAL_UNUSABLE', `${dir}: ${expected} for the journal, got ${maxBytes}`)
  }
  const storage = options.storage ?? (await openStorage(dir, log))
  const board = await openBoard(storage, options.boardSerial, log)
  const acks = await openAcksFile(storage)
  const boot = options.boot ?? NO_BOOT
  const found = await readJournal(storage, acks.found, boot, now(), log)
  const { boots } = found
  const epoch = randomHex(random)
  const opening = found.opening + 1
  const bookOf = (lane: Lane) =>
    openLane({ lane, epoch, opening, boot, segments: found.segments[lane], acked: acks.found[lane] })
  const books = { events: bookOf('events'), samples: bookOf('samples') }

  /** As records after the boot was synchronised have to tell it. */
  const told = (time: number): number => boots.tell(time, boot) ?? time
  const intake = createIntake({ books, now, told, log, metrics })
  let listener: (() => void) | undefined
  let closing: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let closedAt = Number.NEGATIVE_INFINITY

  const schedule = (delayMs: number): void => {
    if (closing !== undefined) return
    timer ??= setTimeout(() => {
      timer = undefined
      void flush()
    }, delayMs)
  }

  const append = (record: NakamaRecord): void => {
    if (closing !== undefined) {
      intake.refuse(record, 'the journal is closed')
      return
    }
    if (intake.add(record)) {
      listener?.()
      void commit()
    }
    schedule(Math.max(GATHER_MS, closedAt + SPACING_MS - performance.now()))
  }

  const closeBatches = (): void => {
    intake.closeBatches()
    closedAt = performance.now()
    listener?.()
  }

  const flush = (): Promise<boolean> => {
    closeBatches()
    return commit()
  }

  const addGap = (loss: Loss, why: GapRecord['why']): ToldLoss => {
    intake.addGap(loss, why)
    closeBatches()
    schedule(GATHER_MS)
    return { from: loss.from, seq: books.events.newestSeq }
  }

  const queue = createQueue({
    books,
    boots,
    reader: createReader(storage),
    storage,
    onLoss: addGap,
    onGap: gap => intake.add(moveBootTimes(gap, boots.shiftMs ?? 0) as GapRecord),
    onDeleted: () => acksSaver.saveSoon(),
    log,
    metrics,
  })

  const acksSaver = createAcksSaver({
    acks,
    ackedOf(lane) {
      const { position, owedSince } = books[lane].settled(books.events.durableSeq)
      return { ...position, owedSince: told(owedSince ?? intake.gathering(lane).oldestAt ?? now()) }
    },
    log,
  })
  const headroom = createHeadroom({ storage, minFreeBytes: options.minFreeBytes, log, metrics })
  const room = createRoom({
    ...{ storage, books, headroom },
    maxSegments: Math.floor((maxBytes - OTHER_BYTES) / SEGMENT_BYTES),
    free: found.free,
    onGiveUp: queue.tellLossOf,
    saveAcks: acksSaver.save,
  })
  const writer = createWriter({ storage, books, room, epoch, opening, boot, life: found.life, random, log, metrics })

  const commit = inOneFlight(async () => {
    const isDurable = await writer.commit()
    if (!isDurable) schedule(RETRY_MS)
    return isDurable
  })

  const partsOf = (lane: Lane) => [queue.unacked(lane), intake.gathering(lane)]
  const stats = createStats({ maxBytes, partsOf, told, metrics })

  for (const loss of found.losses) intake.addGap(loss, 'journal-corrupt')
  closeBatches()
  room.condemn(found.corrupt, books.events.newestSeq)
  await commit()
  await acksSaver.save()
  // Once read, the time of the oldest record is known to `stats`.
  for (const { lane, epoch: of, oldest } of queue.streams()) await queue.read(lane, of, oldest, 1)

  return {
    ...queue,
    epoch,
    lastJournaled: found.lastJournaled,
    board,
    disk: headroom,
    append,
    get bootShiftMs() {
      return boots.shiftMs
    },
    async keepBootShift(shiftMs) {
      try {
        await boots.keep(shiftMs, found.lastJournaled.realAt)
      } catch (error) {
        log.warn({ err: error, code: 'JOURNAL_CLOCK' }, 'the time of this boot cannot be kept yet')
        return false
      }
      listener?.()
      return true
    },
    flush,
    stats,
    onChange(next) {
      listener = next
      return () => {
        if (listener === next) listener = undefined
      }
    },
    close() {
      closing ??= (async () => {
        clearTimeout(timer)
        acksSaver.stop()
        await flush()
        // What the last commit itself had to say.
        await flush()
        await writer.close()
        await acksSaver.save()
        storage.close()
      })()
      return closing
    },
  }
}
