import { isBootTime, type Lane } from '@nakama/contract'
import { isAtOrBefore, type Position } from './acks-format.ts'
import type { QueuedBatch, Stream } from './batch-queue.ts'
import type { ClosedBatch } from './batcher.ts'
import { endOf, isEmpty, type Section, type Segment, sectionsOf } from './recovery.ts'

/** Batches kept in memory, so that what is sent at once needs no reading. What is not yet durable is kept in any case. */
const RECENT_MAX_BYTES = 256 * 1024

/** Of each lane this many segments stay although all is acknowledged: they know when each machine was last read. */
export const KEPT_SEGMENTS = 2

/** A loss that the events tell of: from when on, and in which of their batches. */
export interface ToldLoss {
  readonly from: number
  readonly seq: number
}

export interface RecentBatch extends ClosedBatch, QueuedBatch {}

interface OwnStream {
  readonly opening: number
  readonly boot: string
  readonly epoch: string
  oldest: number
  newest: number
}

export interface LaneOptions {
  readonly lane: Lane
  readonly epoch: string
  readonly opening: number
  readonly boot: string
  /** As found at the opening, oldest first. */
  readonly segments: Segment[]
  readonly acked: Position
}

export type LaneBook = ReturnType<typeof openLane>

/** The book of one lane: which batches there are, where they lie, and how far they are written and acknowledged. No I/O. */
export const openLane = ({ lane, epoch, opening, boot, segments, acked: found }: LaneOptions) => {
  let acked = found
  const streams: OwnStream[] = []
  /** Losses that may not yet be told durably, and how far the lane was done before each. */
  const untold: (ToldLoss & { readonly before: Position })[] = []
  const recent: RecentBatch[] = []
  let recentBytes = 0
  let waitingBytes = 0
  let writtenSeq = 0
  let durableSeq = 0

  const firstFrom = (of: OwnStream, seq: number): number => {
    const onDisk = sectionsOf(segments).filter(section => section.opening === of.opening && section.lastSeq >= seq)
    const inMemory = of.opening === opening ? recent.find(batch => batch.seq >= seq) : undefined
    const candidates = onDisk.filter(section => !isEmpty(section)).map(section => Math.max(section.firstSeq, seq))
    if (inMemory !== undefined) candidates.push(inMemory.seq)
    return candidates.length === 0 ? of.newest + 1 : Math.min(...candidates)
  }

  const lastOf = (of: OwnStream): number =>
    sectionsOf(segments).findLast(section => section.opening === of.opening && !isEmpty(section))?.lastSeq ?? 0

  /** After anything was given up: streams span what is still there; former epochs without anything are no more. */
  const recount = (): void => {
    for (const stream of streams) {
      if (stream !== present) stream.newest = lastOf(stream)
      stream.oldest = firstFrom(stream, stream.oldest)
    }
    const left = streams.filter(stream => stream.opening === opening || stream.oldest <= stream.newest)
    streams.splice(0, streams.length, ...left)
  }

  const forget = (index: number): void => {
    const [gone] = recent.splice(index, 1)
    if (gone !== undefined) recentBytes -= gone.bytes
  }

  const trim = (): void => {
    for (let first = recent[0]; first !== undefined && first.seq <= durableSeq; first = recent[0]) {
      if (!isAcked(first.seq) && recentBytes <= RECENT_MAX_BYTES) return
      forget(0)
    }
  }

  const recountWaiting = (): void => {
    waitingBytes = unwritten().reduce((sum, batch) => sum + batch.bytes, 0)
  }

  const unwritten = (): RecentBatch[] => recent.filter(batch => batch.seq > writtenSeq)

  const isAcked = (seq: number): boolean => isAtOrBefore({ opening, seq }, acked)

  const advance = (to: Position, loss: ToldLoss | undefined): void => {
    if (loss !== undefined) untold.push({ ...loss, before: acked })
    acked = to
  }

  const isDone = (segment: Segment): boolean =>
    segment.sections.every(section => isEmpty(section) || isAtOrBefore(endOf(section), acked))

  /** Whether the newest record is elsewhere than in the oldest segment. */
  const hasLater = (): boolean => segments.slice(1).some(segment => !segment.sections.every(isEmpty))

  const unackedSections = (): Section[] =>
    sectionsOf(segments).filter(section => !isEmpty(section) && !isAtOrBefore(endOf(section), acked))

  const headOf = (): OwnStream | undefined => streams.find(stream => stream.oldest <= stream.newest)

  const oldestUnacked = (): number | null => {
    const head = headOf()
    if (head === undefined) return null
    const inMemory = head === present ? recent.find(batch => batch.seq === head.oldest) : undefined
    return inMemory?.firstAt ?? unackedSections()[0]?.firstAt ?? null
  }

  for (const section of unackedSections()) {
    const last = streams.at(-1)
    if (last?.opening === section.opening) last.newest = section.lastSeq
    else {
      // What was deleted was acknowledged, even where the ack's own file is older than that.
      const oldest = section.opening === acked.opening ? Math.max(acked.seq + 1, section.firstSeq) : section.firstSeq
      streams.push({
        opening: section.opening,
        boot: section.boot,
        epoch: section.epoch,
        oldest,
        newest: section.lastSeq,
      })
    }
  }
  const present: OwnStream = { opening, boot, epoch, oldest: 1, newest: 0 }
  streams.push(present)

  return {
    lane,
    segments,
    get acked() {
      return acked
    },
    /** Of the present epoch. */
    get newestSeq() {
      return present.newest
    },
    get durableSeq() {
      return durableSeq
    },
    streams: (): Stream[] =>
      streams.map(stream => ({ lane, epoch: stream.epoch, oldest: stream.oldest, newest: stream.newest })),
    bootOf: (ofEpoch: string): string | undefined => streams.find(stream => stream.epoch === ofEpoch)?.boot,
    /** Whether the oldest batch of a stream has times of its boot's own clock; only later ones can be without. */
    beginsInBootTime(ofEpoch: string): boolean {
      const stream = streams.find(each => each.epoch === ofEpoch)
      if (stream === undefined) return false
      const inMemory = stream === present ? recent.find(batch => batch.seq >= stream.oldest) : undefined
      if (inMemory?.seq === stream.oldest) return isBootTime(inMemory.firstAt)
      const sections = sectionsOf(segments).filter(section => section.opening === stream.opening && !isEmpty(section))
      return sections.find(section => section.lastSeq >= stream.oldest)?.hasBootTimes ?? false
    },

    add(batch: ClosedBatch): number {
      present.newest += 1
      recent.push({ ...batch, seq: present.newest })
      recentBytes += batch.bytes
      waitingBytes += batch.bytes
      trim()
      return present.newest
    },

    /**
     * @param loss when it was not acknowledged, but given up.
     * @returns false when it is not the lane's oldest stream, or nothing new.
     */
    deleteUpTo(ofEpoch: string, seq: number, loss?: ToldLoss): boolean {
      const head = streams[0]
      if (head?.epoch !== ofEpoch || seq < head.oldest || seq > head.newest) return false
      advance({ opening: head.opening, seq }, loss)
      head.oldest = firstFrom(head, seq + 1)
      if (head.opening !== opening && head.oldest > head.newest) streams.shift()
      trim()
      return true
    },
    /**
     * How far the lane is done, and the time of the oldest record beyond, as far as it may be written down: what was given up
     * counts only once the events up to `durableSeq` tell of it.
     */
    settled(durableSeq: number): { readonly position: Position; readonly owedSince: number | null } {
      while (untold[0] !== undefined && untold[0].seq <= durableSeq) untold.shift()
      const times = [...untold.map(loss => loss.from), oldestUnacked()].filter(time => time !== null)
      return { position: untold[0]?.before ?? acked, owedSince: times.length === 0 ? null : Math.min(...times) }
    },

    unwritten,
    /** Octets of these. */
    get waitingBytes() {
      return waitingBytes
    },
    markWritten(seq: number): void {
      writtenSeq = seq
      recountWaiting()
    },
    markDurable(): void {
      durableSeq = writtenSeq
      trim()
    },
    /**
     * The disk refused something of this segment, so that what was written to it since the last sync may be anywhere: it is
     * to be written again, elsewhere. True when nothing else is in it: it then leaves the book.
     */
    abandon(segment: Segment): boolean {
      writtenSeq = durableSeq
      recountWaiting()
      for (const section of segment.sections) {
        if (section.opening === opening) section.lastSeq = Math.min(section.lastSeq, durableSeq)
      }
      if (!segment.sections.every(isEmpty)) return false
      segments.splice(segments.indexOf(segment), 1)
      return true
    },

    /** Gives up the oldest of what waits to be written until `maxBytes` are left. What of it was not acknowledged. */
    dropUnwritten(maxBytes: number): readonly ClosedBatch[] {
      const lost: RecentBatch[] = []
      for (const batch of unwritten()) {
        if (waitingBytes <= maxBytes) break
        waitingBytes -= batch.bytes
        forget(recent.indexOf(batch))
        if (!isAcked(batch.seq)) lost.push(batch)
      }
      recount()
      return lost
    },

    /** What is in memory from the first batch at or after `seq` on, if that one is. */
    recentFrom(ofEpoch: string, seq: number): readonly RecentBatch[] {
      if (ofEpoch !== epoch) return []
      const start = recent.findIndex(batch => batch.seq >= seq)
      return start === -1 || firstFrom(present, seq) !== recent[start]?.seq ? [] : recent.slice(start)
    },
    /** Where the first batch at or after `seq` lies on the disk. */
    locate(ofEpoch: string, seq: number): { segment: Segment; section: Section; seq: number } | undefined {
      for (const segment of segments) {
        const section = segment.sections.find(each => each.epoch === ofEpoch && each.lastSeq >= seq && !isEmpty(each))
        if (section !== undefined) return { segment, section, seq: Math.max(seq, section.firstSeq) }
      }
      return undefined
    },

    /** A segment that nobody needs any more, oldest first; it leaves the book. */
    releaseDone(): Segment | undefined {
      const [first] = segments
      if (first === undefined || segments.length <= KEPT_SEGMENTS || !isDone(first) || !hasLater()) return undefined
      return segments.shift()
    },
    /** Whether the oldest segment can be given up. */
    get canGiveUp(): boolean {
      return hasLater()
    },
    giveUp(segment: Segment, loss?: ToldLoss): void {
      const end = segment.sections.findLast(section => !isEmpty(section))
      if (end !== undefined && !isAtOrBefore(endOf(end), acked)) advance(endOf(end), loss)
      segments.splice(segments.indexOf(segment), 1)
      recount()
    },
    /** Batches after `lastSeq` of this section cannot be read. */
    cut(section: Section, lastSeq: number): void {
      section.lastSeq = Math.min(section.lastSeq, lastSeq)
      recount()
    },

    /** Of what is not acknowledged: the first batch, octets, and time of the oldest record as far as the book knows. */
    unacked(): { head: { epoch: string; seq: number } | undefined; bytes: number; oldestAt: number | null } {
      const head = headOf()
      if (head === undefined) return { head: undefined, bytes: 0, oldestAt: null }
      const bytes = unackedSections().reduce((sum, section) => sum + section.end - section.start, 0)
      return { head: { epoch: head.epoch, seq: head.oldest }, bytes: bytes + waitingBytes, oldestAt: oldestUnacked() }
    },
  }
}
