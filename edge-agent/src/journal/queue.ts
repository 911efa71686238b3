import { type BatchClock, encodeBatch, type GapRecord, isBootTime, LANES, type Lane, messageOf } from '@nakama/contract'
import type { Log, Metrics } from '@nakama/service'
import { isAtOrBefore } from './acks-format.ts'
import type { BatchQueue, QueuedBatch, Stream } from './batch-queue.ts'
import { type Boots, NO_BOOT } from './boots.ts'
import { SEGMENT_BYTES } from './format.ts'
import type { LaneBook, ToldLoss } from './lane.ts'
import type { SegmentReader } from './reader.ts'
import { endOf, isEmpty, type Loss, type Segment } from './recovery.ts'
import type { Storage } from './storage.ts'
import { gapsOf, spanOfBatch } from './times.ts'

const DEAD_LETTER_FILE = 'dead-letter.jsonl'
const DEAD_LETTER_MAX_BYTES = 16 * 1024 * 1024

/** Failures to read a segment, one after another, before what is in it is given up. */
const READ_FAILURES_MAX = 3

export interface QueueOptions {
  readonly books: { readonly [lane in Lane]: LaneBook }
  readonly boots: Pick<Boots, 'clockOf' | 'tell'>
  readonly reader: SegmentReader
  readonly storage: Pick<Storage, 'appendTo'>
  /** Something is lost for good: journals it, and says in which batch of the events. */
  readonly onLoss: (loss: Loss, why: GapRecord['why']) => ToldLoss
  /** The record of an older loss is lost: journals it again. */
  readonly onGap: (gap: GapRecord) => void
  /** The acknowledged position has moved. */
  readonly onDeleted: () => void
  readonly log: Log
  readonly metrics: Metrics
}

export interface Queue extends Omit<BatchQueue, 'onChange'> {
  /** Octets of a lane that are not acknowledged, and the time of the oldest record among them. */
  unacked(lane: Lane): { readonly bytes: number; readonly oldestAt: number | null }
  /** Tells what is lost with a segment that is given up: what is not acknowledged, and the gaps that it told of itself. */
  tellLossOf(lane: Lane, segment: Segment): Promise<ToldLoss | undefined>
}

/** The reading side of the journal: what is not yet acknowledged, from memory while it is fresh, else from the disk. */
export const createQueue = ({
  books,
  boots,
  reader,
  storage,
  onLoss,
  onGap,
  onDeleted,
  log,
  metrics,
}: QueueOptions): Queue => {
  const failures = new Map<Segment, number>()
  const errors = metrics.counter('journal_read_errors', 'Times that a segment could not be read')
  const ignored = metrics.counter('journal_ignored_deletes', 'Deletions of what was not there or not yet due')
  const dead = metrics.counter('journal_dead_letters', 'Batches given up because nobody could take them')

  /** Undefined when it may go better another time. */
  const tryRead = async (
    place: NonNullable<ReturnType<LaneBook['locate']>>,
    maxBytes: number,
  ): Promise<readonly QueuedBatch[] | undefined> => {
    try {
      const batches = await reader.read(place.segment, place.section, place.seq, maxBytes)
      failures.delete(place.segment)
      return batches
    } catch (error) {
      errors.inc()
      const count = (failures.get(place.segment) ?? 0) + 1
      failures.set(place.segment, count)
      if (count === 1) log.error({ err: error, code: 'JOURNAL_READ' }, `${place.segment.name}: cannot be read`)
      if (count < READ_FAILURES_MAX) return undefined
      failures.delete(place.segment)
      return []
    }
  }

  const read: BatchQueue['read'] = async (lane, epoch, fromSeq, maxBytes) => {
    const book = books[lane]
    for (;;) {
      const recent = book.recentFrom(epoch, fromSeq)
      const boot = book.bootOf(epoch) ?? NO_BOOT
      if (recent.length > 0) {
        return withClock(within(recent, maxBytes), index => isBootTime(recent[index]!.firstAt), boots.clockOf(boot))
      }
      const place = book.locate(epoch, fromSeq)
      if (place === undefined) return []
      const batches = await tryRead(place, maxBytes)
      if (batches === undefined) return []
      if (batches.length > 0) return withClock(batches, () => place.section.hasBootTimes, boots.clockOf(boot))
      // Given up and recycled while it was being read: what comes next lies elsewhere.
      if (!book.segments.includes(place.segment)) continue
      const { section, seq } = place
      const before = reader.spanOf(lane, epoch, seq - 1)?.to
      const from = (before && boots.tell(before, boot)) ?? section.firstAt ?? section.at
      const to = Math.max(from, section.lastAt ?? from) + 1
      book.cut(section, seq - 1)
      onLoss({ what: lane, from, to }, 'journal-corrupt')
    }
  }

  /** A boot that is not synchronised yet keeps back what it has journaled, and what lies behind that. */
  const sendable = (book: LaneBook): Stream[] => {
    const all = book.streams()
    const isHeld = ({ epoch, oldest, newest }: Stream): boolean => {
      const boot = book.bootOf(epoch) ?? NO_BOOT
      if (oldest > newest || boot === NO_BOOT || boots.clockOf(boot) !== undefined) return false
      return book.beginsInBootTime(epoch)
    }
    const held = all.findIndex(isHeld)
    const present = all.at(-1)
    if (held === -1 || present === undefined) return all
    return [...all.slice(0, held), { ...present, newest: present.oldest - 1 }]
  }

  const toldSpan = (recordsJson: string, boot: string = NO_BOOT) => {
    const span = spanOfBatch(recordsJson)
    const from = span && boots.tell(span.from, boot)
    const to = span && boots.tell(span.to, boot)
    return from === undefined || to === undefined ? undefined : { from, to }
  }

  return {
    streams: () => LANES.flatMap(lane => sendable(books[lane])),
    read,
    deleteUpTo(lane, epoch, seq) {
      if (books[lane].deleteUpTo(epoch, seq)) onDeleted()
      else ignored.inc()
    },
    async deadLetter(lane, epoch, seq) {
      const isHead = (): boolean => {
        const [head] = books[lane].streams()
        return head?.epoch === epoch && head.oldest === seq
      }
      const [batch] = await read(lane, epoch, seq, 1)
      if (batch?.seq !== seq || !isHead()) return ignored.inc()
      const line = `${encodeBatch({ lane, epoch, seq }, seq, batch.recordsJson, batch.clock)}\n`
      try {
        const isKept = await storage.appendTo(DEAD_LETTER_FILE, line, DEAD_LETTER_MAX_BYTES)
        log.error({ lane, seq, isKept, code: 'JOURNAL_DEAD_LETTER' }, 'batch given up: nobody can take it')
      } catch (error) {
        log.error({ err: error, code: 'JOURNAL_DEAD_LETTER' }, `${DEAD_LETTER_FILE}: ${messageOf(error)}; batch stays`)
        return
      }
      // Meanwhile it may have been acknowledged after all.
      if (!isHead()) return
      dead.inc()
      const span = toldSpan(batch.recordsJson, books[lane].bootOf(epoch))
      const loss = span && onLoss({ what: lane, from: span.from, to: span.to + 1 }, 'dead-letter')
      books[lane].deleteUpTo(epoch, seq, loss)
      onDeleted()
    },
    unacked(lane) {
      const { bytes, oldestAt, head } = books[lane].unacked()
      const from = head && reader.spanOf(lane, head.epoch, head.seq)?.from
      const told = from && boots.tell(from, books[lane].bootOf(head.epoch) ?? NO_BOOT)
      return { bytes, oldestAt: told ?? oldestAt }
    },
    async tellLossOf(lane, segment) {
      const { acked } = books[lane]
      const left = segment.sections.filter(section => !isEmpty(section) && !isAtOrBefore(endOf(section), acked))
      const batches: { readonly boot: string; readonly recordsJson: string }[] = []
      for (const section of left) {
        const seq = section.opening === acked.opening ? Math.max(section.firstSeq, acked.seq + 1) : section.firstSeq
        const found = await reader.read(segment, section, seq, SEGMENT_BYTES).catch(() => [])
        batches.push(...found.map(({ recordsJson }) => ({ boot: section.boot, recordsJson })))
      }
      const [first] = left
      if (first === undefined) return undefined
      // The whole section's time is the honest answer where the disk gives no better one.
      const from = (batches[0] && toldSpan(batches[0].recordsJson, batches[0].boot)?.from) ?? first.firstAt ?? first.at
      const to = Math.max(from, ...left.map(section => section.lastAt ?? section.at)) + 1
      if (lane === 'events') {
        for (const boot of new Set(batches.map(batch => batch.boot))) {
          const told = (time: number): number => boots.tell(time, boot) ?? to
          for (const gap of gapsOf(batches.filter(batch => batch.boot === boot).map(batch => batch.recordsJson))) {
            onGap({ ...gap, at: told(gap.at), from: told(gap.from), to: told(gap.to) })
          }
        }
      }
      return onLoss({ what: lane, from, to }, 'journal-full')
    },
  }
}

/** What cannot be told in time yet is not read either. */
const withClock = (
  batches: readonly QueuedBatch[],
  needsClock: (index: number) => boolean,
  clock: BatchClock | undefined,
): readonly QueuedBatch[] => {
  const untold = clock === undefined ? batches.findIndex((_, index) => needsClock(index)) : -1
  const tellable = untold === -1 ? batches : batches.slice(0, untold)
  return tellable.map((batch, index) => (needsClock(index) && clock !== undefined ? { ...batch, clock } : batch))
}

const within = (batches: readonly QueuedBatch[], maxBytes: number): QueuedBatch[] => {
  const fitting: QueuedBatch[] = []
  let left = maxBytes
  for (const batch of batches) {
    const last = fitting.at(-1)
    left -= batch.bytes
    if (last !== undefined && (left < 0 || batch.seq !== last.seq + 1)) break
    fitting.push({ seq: batch.seq, recordsJson: batch.recordsJson, bytes: batch.bytes })
  }
  return fitting
}
