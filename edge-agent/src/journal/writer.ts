import { isBootTime, LANES, type Lane, randomHex } from '@nakama/contract'
import type { Log, Metrics } from '@nakama/service'
import { createAttempt } from './attempt.ts'
import {
  alignSection,
  END_MARK_BYTES,
  encodeHead,
  encodeRecords,
  HEAD_BYTES,
  RECORD_OVERHEAD_BYTES,
  SEGMENT_BYTES,
} from './format.ts'
import type { LaneBook, RecentBatch } from './lane.ts'
import { endOf, isEmpty, type Section, type Segment, sectionsOf } from './recovery.ts'
import type { Room } from './room.ts'
import type { Storage, StorageFile } from './storage.ts'

/** A section begins in a segment that has at least this left, else in the next one. */
const SECTION_MIN_BYTES = 128 * 1024

const PASSES_MAX = 64
/** Passes of a commit in which nothing could be written: one makes room, one writes what was given up for it. */
const IDLE_PASSES_MAX = 3

export interface WriterOptions {
  readonly storage: Pick<Storage, 'open'>
  readonly books: { readonly [lane in Lane]: LaneBook }
  readonly room: Room
  readonly epoch: string
  readonly opening: number
  readonly boot: string
  /** Of the newest segment begun so far. */
  readonly life: number
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

export interface Writer {
  /** Writes and syncs everything that waits, makes room for what will come. Never rejects; false when something still waits. */
  commit(): Promise<boolean>
  close(): Promise<void>
}

/** Where a lane is being written to. */
interface Place {
  readonly file: StorageFile
  readonly segment: Segment
  readonly section: Section
  dirty: boolean
}

/** The one writer of the segments: group commit and roll-over. */
export const createWriter = (options: WriterOptions): Writer => {
  const { storage, books, room, epoch, opening, boot } = options
  const places = new Map<Lane, Place>()
  /** After a refusal nobody knows what a segment holds: its lane goes on in a fresh file, whose later life wins. */
  const refused = new Set<Lane>()
  let life = options.life
  let writtenBytes = 0

  const attempt = createAttempt(options)
  const written = options.metrics.counter('journal_written_bytes', 'Octets handed to the disk')
  const syncs = options.metrics.seconds('journal_sync', 'Time of a sync of the card')

  const sync = async (file: StorageFile): Promise<void> => {
    const end = syncs.startTimer()
    await file.sync()
    end()
  }

  const write = async (file: StorageFile, bytes: Buffer, offset: number): Promise<void> => {
    await file.write(bytes, offset)
    written.inc(bytes.length)
    writtenBytes += bytes.length
  }

  const syncLane = async (lane: Lane): Promise<void> => {
    const place = places.get(lane)
    if (place === undefined || !place.dirty) return
    await sync(place.file)
    place.dirty = false
    books[lane].markDurable()
  }

  const leave = async (lane: Lane): Promise<void> => {
    await syncLane(lane)
    const place = places.get(lane)
    places.delete(lane)
    await place?.file.close()
  }

  const abandon = async (lane: Lane): Promise<void> => {
    const place = places.get(lane)
    if (place === undefined) return
    places.delete(lane)
    refused.add(lane)
    if (books[lane].abandon(place.segment)) room.giveBack(place.segment.name)
    await place.file.close().catch(() => {})
  }

  /** Begins a section for this batch, behind the others of a segment or at the beginning of a file. */
  const enter = async (lane: Lane, batch: RecentBatch, name: string, into?: Segment): Promise<void> => {
    const before = sectionsOf(books[lane].segments).findLast(section => !isEmpty(section))
    const of = into ?? { id: randomHex(options.random), life: ++life, crc: 0 }
    const head = {
      lane,
      epoch,
      opening,
      firstSeq: batch.seq,
      previous: before === undefined ? books[lane].acked : endOf(before),
      at: batch.firstAt,
      boot,
    }
    const last = into?.sections.at(-1)
    const start = last === undefined ? 0 : alignSection(last.end + END_MARK_BYTES)
    const { bytes, crc } = encodeHead({ ...head, segment: of.id, life: of.life }, of.crc)
    const file = await storage.open(name)
    try {
      await write(file, bytes, start)
      // Records must never reach the card before the header that they belong to.
      await sync(file)
    } catch (error) {
      await file.close().catch(() => {})
      throw error
    }
    const section: Section = {
      ...head,
      hasBootTimes: isBootTime(batch.firstAt),
      start,
      crc,
      lastSeq: batch.seq - 1,
      end: start + HEAD_BYTES,
      firstAt: undefined,
      lastAt: undefined,
    }
    const segment = into ?? { ...of, name, crc, sections: [] }
    segment.sections.push(section)
    if (into === undefined) books[lane].segments.push(segment)
    places.set(lane, { file, segment, section, dirty: false })
  }

  /** Where this batch goes; undefined when no file is free. */
  const placeFor = async (lane: Lane, batch: RecentBatch): Promise<Place | undefined> => {
    const place = places.get(lane)
    if (place !== undefined && batch.seq === place.section.lastSeq + 1 && roomIn(place.section) >= sizeOf(batch)) {
      return place
    }
    await leave(lane)
    const last = books[lane].segments.at(-1)
    if (last !== undefined && !refused.has(lane) && hasRoomForSection(last)) {
      refused.add(lane)
      await enter(lane, batch, last.name, last)
      refused.delete(lane)
      return places.get(lane)
    }
    const name = room.take()
    if (name === undefined) return undefined
    try {
      await enter(lane, batch, name)
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOENT') room.giveBack(name)
      throw error
    }
    refused.delete(lane)
    return places.get(lane)
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
      // The first head takes the end mark's place, last of all: a process killed in between leaves the end as it was.
      await write(place.file, bytes.subarray(RECORD_OVERHEAD_BYTES), section.end + RECORD_OVERHEAD_BYTES)
      await write(place.file, bytes.subarray(0, RECORD_OVERHEAD_BYTES), section.end)
      section.firstAt = Math.min(section.firstAt ?? waiting[0].firstAt, ...batches.map(batch => batch.firstAt))
      section.lastAt = Math.max(section.lastAt ?? 0, ...batches.map(batch => batch.lastAt))
      section.end += bytes.length - END_MARK_BYTES
      section.lastSeq += batches.length
      book.markWritten(section.lastSeq)
    }
  }

  const commitLane = async (lane: Lane): Promise<void> => {
    try {
      await writeLane(lane)
      await syncLane(lane)
    } catch (error) {
      await abandon(lane)
      throw error
    }
  }

  const isWaiting = (): boolean => LANES.some(lane => books[lane].unwritten().length > 0)

  return {
    async commit() {
      for (let pass = 0, idle = 0; pass < PASSES_MAX && idle < IDLE_PASSES_MAX; pass++) {
        const before = writtenBytes
        await attempt('make room', room.make)
        const isEventsGood = await attempt('write events', () => commitLane('events'))
        const isSamplesGood = await attempt('write samples', () => commitLane('samples'))
        if (!isEventsGood || !isSamplesGood || !isWaiting()) break
        if (books.events.unwritten().length > 0) room.releaseAll()
        idle = writtenBytes === before ? idle + 1 : 0
      }
      return !isWaiting()
    },
    async close() {
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

/** As many as go there, one behind the other. */
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
