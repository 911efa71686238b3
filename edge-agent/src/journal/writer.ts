import { LANES, type Lane, messageOf } from '@nakama/contract'
import type { Log, Metrics } from '@nakama/service'
import type { AcksFile } from './acks-file.ts'
import {
  alignSection,
  END_MARK_BYTES,
  encodeHeader,
  encodeRecords,
  HEADER_BYTES,
  RECORD_OVERHEAD_BYTES,
  SEGMENT_BYTES,
} from './format.ts'
import type { LaneBook, RecentBatch } from './lane.ts'
import { endOf, isEmpty, type Section, type Segment, sectionsOf } from './recovery.ts'
import type { Storage, StorageFile } from './storage.ts'

/** Lost acks are only repeated, so they are not worth a write to the card each second. */
const ACKS_SAVE_MS = 10_000

/** Segments made ready before they are needed: one for each lane. */
const SPARE_SEGMENTS = 2

/** A section begins in a segment that has at least this left, else in the next one. */
const SECTION_MIN_BYTES = 128 * 1024

const PASSES_MAX = 64

export interface WriterOptions {
  readonly storage: Storage
  readonly books: { readonly [lane in Lane]: LaneBook }
  readonly epoch: string
  readonly opening: number
  readonly maxSegments: number
  /** Files that may be overwritten, oldest first. */
  readonly free: readonly string[]
  readonly acks: AcksFile
  /** The journal is full and this segment goes: journals the gap and says the seq of its batch, undefined when there is none. */
  readonly onGiveUp: (lane: Lane, segment: Segment) => Promise<number | undefined>
  readonly now: () => number
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

export interface Writer {
  /** Writes and syncs everything that waits, makes room for what will come. Never rejects; false when the disk refused. */
  commit(): Promise<boolean>
  /** These files may be overwritten once the events up to `afterSeq`, which tell what they held, are durable. */
  hold(names: readonly string[], afterSeq: number): void
  close(): Promise<void>
}

interface HeldFile {
  readonly name: string
  readonly afterSeq: number
}

interface Place {
  readonly file: StorageFile
  readonly segment: Segment
  readonly section: Section
  dirty: boolean
}

/** The one writer of the journal's files: group commit, roll-over, recycling. */
export const createWriter = (options: WriterOptions): Writer => {
  const { storage, books, epoch, opening, maxSegments, now, log } = options
  const places = new Map<Lane, Place>()
  const free = [...options.free]
  let held: HeldFile[] = []
  let acksSavedAt = performance.now()
  /** After a sync that failed nobody knows what a segment holds: its lane goes on in a fresh one. */
  const abandoned = new Set<Segment>()
  let failing: string | undefined

  const errors = options.metrics.counter('journal_errors', 'Times that the disk refused something', ['what'])
  const written = options.metrics.counter('journal_written_bytes', 'Octets handed to the disk')
  const syncs = options.metrics.seconds('journal_sync', 'Time of a sync of the card')

  const fail = (what: string, error: unknown): void => {
    errors.inc({ what })
    const text = messageOf(error)
    if (failing !== text) log.error({ err: error, code: 'JOURNAL_DISK' }, `journal: ${what} failed; trying on`)
    failing = text
  }

  const sync = async (file: StorageFile): Promise<void> => {
    const end = syncs.startTimer()
    await file.sync()
    end()
  }

  const write = async (file: StorageFile, bytes: Buffer, offset: number): Promise<void> => {
    await file.write(bytes, offset)
    written.inc(bytes.length)
  }

  const leave = async (lane: Lane): Promise<void> => {
    const place = places.get(lane)
    places.delete(lane)
    await place?.file.close()
  }

  const syncLane = async (lane: Lane): Promise<void> => {
    const place = places.get(lane)
    if (place === undefined || !place.dirty) return
    try {
      await sync(place.file)
    } catch (error) {
      abandoned.add(place.segment)
      books[lane].rewind()
      await leave(lane).catch(() => {})
      throw error
    }
    place.dirty = false
    books[lane].markDurable()
  }

  const header = (lane: Lane, segment: string, firstSeq: number) => {
    const before = sectionsOf(books[lane].segments).findLast(section => !isEmpty(section))
    const previous = before === undefined ? books[lane].acked : endOf(before)
    return { lane, segment, epoch, opening, firstSeq, previous, at: now() }
  }

  const enter = async (lane: Lane, name: string, firstSeq: number, into?: Segment): Promise<Place> => {
    const last = into?.sections.at(-1)
    const start = last === undefined ? 0 : alignSection(last.end + END_MARK_BYTES)
    const head = header(lane, into?.id ?? randomHex(options.random), firstSeq)
    const { bytes, crc } = encodeHeader(head, into?.crc ?? 0)
    const file = await storage.open(name)
    try {
      await write(file, Buffer.concat([bytes, Buffer.alloc(END_MARK_BYTES)]), start)
      await sync(file)
    } catch (error) {
      await file.close().catch(() => {})
      throw error
    }
    const { segment: id, ...rest } = head
    const segment: Segment = into ?? { name, id, crc, sections: [] }
    const section: Section = {
      ...rest,
      start,
      crc,
      lastSeq: firstSeq - 1,
      end: start + HEADER_BYTES,
      firstAt: undefined,
      lastAt: undefined,
    }
    segment.sections.push(section)
    if (into === undefined) books[lane].segments.push(segment)
    const place = { file, segment, section, dirty: false }
    places.set(lane, place)
    return place
  }

  /** A place where this batch goes next; undefined when no segment is free. */
  const placeFor = async (lane: Lane, batch: RecentBatch): Promise<Place | undefined> => {
    const place = places.get(lane)
    if (place !== undefined && batch.seq === place.section.lastSeq + 1 && roomIn(place.section) >= sizeOf(batch)) {
      return place
    }
    await syncLane(lane)
    await leave(lane)
    const last = books[lane].segments.at(-1)
    if (last !== undefined && !abandoned.has(last) && hasRoomForSection(last)) {
      return enter(lane, last.name, batch.seq, last)
    }
    const name = free[0]
    if (name === undefined) return undefined
    const fresh = await enter(lane, name, batch.seq)
    free.shift()
    return fresh
  }

  const writeLane = async (lane: Lane): Promise<void> => {
    const book = books[lane]
    for (let waiting = book.unwritten(); waiting[0] !== undefined; waiting = book.unwritten()) {
      const place = await placeFor(lane, waiting[0])
      if (place === undefined) return
      const { section } = place
      const batches = fitting(waiting, roomIn(section))
      const bytes = encodeRecords(
        batches.map(batch => Buffer.from(batch.recordsJson)),
        section.crc,
      )
      place.dirty = true
      await write(place.file, bytes, section.end)
      const newest = batches.at(-1) as RecentBatch
      section.firstAt ??= waiting[0].firstAt
      section.lastAt = newest.lastAt
      section.end += bytes.length - END_MARK_BYTES
      section.lastSeq = newest.seq
      book.markWritten(newest.seq)
    }
  }

  const saveAcks = (): Promise<void> => {
    acksSavedAt = performance.now()
    return options.acks.save({ events: books.events.acked, samples: books.samples.acked })
  }

  /** @param all the record of what was given up has itself no room: better without it than to stand still. */
  const releaseHeld = (all = false): void => {
    const isFree = ({ afterSeq }: HeldFile): boolean => all || afterSeq <= books.events.durableSeq
    free.push(...held.filter(isFree).map(file => file.name))
    held = held.filter(file => !isFree(file))
  }

  const hold = (names: readonly string[], afterSeq: number): void => {
    held.push(...names.map(name => ({ name, afterSeq })))
  }

  const fileCount = (): number =>
    books.events.segments.length + books.samples.segments.length + free.length + held.length

  const giveUpOldest = async (): Promise<boolean> => {
    const lane = books.samples.canGiveUp ? 'samples' : books.events.canGiveUp ? 'events' : undefined
    const segment = lane === undefined ? undefined : books[lane].segments[0]
    if (lane === undefined || segment === undefined) return false
    const afterSeq = await options.onGiveUp(lane, segment)
    books[lane].giveUpOldest()
    hold([segment.name], afterSeq ?? 0)
    return true
  }

  /** Sees to it that the next roll-over finds a segment: recycled, new, or given up, in that order. */
  const makeRoom = async (): Promise<void> => {
    for (const lane of LANES) {
      for (let done = books[lane].releaseDone(); done !== undefined; done = books[lane].releaseDone()) {
        abandoned.delete(done)
        free.push(done.name)
      }
    }
    releaseHeld()
    while (free.length + held.length < SPARE_SEGMENTS || fileCount() > maxSegments) {
      if (fileCount() < maxSegments) {
        const name = await unusedName(storage)
        await storage.create(name, SEGMENT_BYTES)
        free.push(name)
      } else if (fileCount() > maxSegments && free.length > 0) await storage.remove(free.pop() as string)
      else if (!(await giveUpOldest())) return
    }
  }

  const attempt = async (what: string, work: () => Promise<void>): Promise<boolean> => {
    try {
      await work()
      return true
    } catch (error) {
      fail(what, error)
      return false
    }
  }

  const isWaiting = (): boolean => LANES.some(lane => books[lane].unwritten().length > 0)

  return {
    async commit() {
      let good = true
      for (let pass = 0; pass < PASSES_MAX; pass++) {
        for (const lane of LANES) {
          const isWritten = await attempt('write', () => writeLane(lane))
          const isSynced = await attempt('sync', () => syncLane(lane))
          good = good && isWritten && isSynced
          releaseHeld(good && lane === 'events' && free.length === 0 && books.events.unwritten().length > 0)
        }
        good = (await attempt('make room', makeRoom)) && good
        const canGoOn = free.length + held.length > 0
        if (!good || !isWaiting() || !canGoOn) break
      }
      if (performance.now() - acksSavedAt >= ACKS_SAVE_MS) good = (await attempt('save acks', saveAcks)) && good
      if (good && failing !== undefined) {
        failing = undefined
        log.info('journal: the disk takes writes again')
      }
      return good
    },
    hold,
    async close() {
      await attempt('save acks', saveAcks)
      for (const lane of LANES) await attempt('close', () => leave(lane))
    },
  }
}

const sizeOf = (batch: RecentBatch): number => RECORD_OVERHEAD_BYTES + batch.bytes

const roomIn = (section: Section): number => SEGMENT_BYTES - END_MARK_BYTES - section.end

const hasRoomForSection = (segment: Segment): boolean => {
  const end = segment.sections.at(-1)?.end ?? 0
  return alignSection(end + END_MARK_BYTES) + SECTION_MIN_BYTES <= SEGMENT_BYTES
}

const fitting = (waiting: readonly RecentBatch[], room: number): RecentBatch[] => {
  const batches: RecentBatch[] = []
  let left = room
  for (const batch of waiting) {
    left -= sizeOf(batch)
    const isNext = batches.length === 0 || batch.seq === (batches.at(-1) as RecentBatch).seq + 1
    if (left < 0 || !isNext) break
    batches.push(batch)
  }
  return batches
}

export const randomHex = (random: () => number): string =>
  [0, 1]
    .map(() =>
      Math.floor(random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0'),
    )
    .join('')

export const isSegmentName = (name: string): boolean => /^\d{6}\.segment$/.test(name)

const unusedName = async (storage: Storage): Promise<string> => {
  const numbers = (await storage.list()).filter(isSegmentName).map(name => Number.parseInt(name, 10))
  return `${String(Math.max(0, ...numbers) + 1).padStart(6, '0')}.segment`
}
