import type { Lane } from '@nakama/contract'
import type { QueuedBatch } from './batch-queue.ts'
import { type ScannedSection, scanSegment } from './format.ts'
import type { Section, Segment } from './recovery.ts'
import { readAgain, type Storage } from './storage.ts'
import { type Span, spanOfBatch } from './times.ts'

export interface SegmentReader {
  /**
   * Consecutive batches of one section from `fromSeq` on, within `maxBytes` but at least one. None when it is there no
   * more: recycled meanwhile, or no longer what was written; the caller knows which.
   * @throws what the system says when the file cannot be read
   */
  read(segment: Segment, section: Section, fromSeq: number, maxBytes: number): Promise<readonly QueuedBatch[]>
  /** Time of the records of a batch, if it was among those read last; no I/O. */
  spanOf(lane: Lane, epoch: string, seq: number): Span | undefined
}

interface Loaded {
  readonly segment: Segment
  readonly bytes: Buffer
  readonly sections: readonly ScannedSection[]
}

/** Reads whole segments, because batches are sent in the order in which they lie there; keeps one per lane in memory. */
export const createReader = (storage: Pick<Storage, 'read'>): SegmentReader => {
  const loaded = new Map<Lane, Loaded>()

  const load = async (lane: Lane, segment: Segment): Promise<Loaded> => {
    const bytes = await readAgain(storage, segment.name)
    const scan = scanSegment(bytes)
    const isThis = scan.type === 'segment' && scan.crc === segment.crc
    const copy = { segment, bytes, sections: isThis ? scan.sections : [] }
    loaded.set(lane, copy)
    return copy
  }

  return {
    async read(segment, section, fromSeq, maxBytes) {
      const { lane } = section
      let copy = loaded.get(lane)
      // A copy is of one life of one file, and of what had been written by then.
      if (copy?.segment !== segment || findBatch(copy.sections, section, fromSeq) === undefined) {
        copy = await load(lane, segment)
      }
      const { bytes } = copy
      const batches: QueuedBatch[] = []
      let total = 0
      for (let seq = fromSeq; seq <= section.lastSeq; seq++) {
        const batch = findBatch(copy.sections, section, seq)
        if (batch === undefined || (batches.length > 0 && total + batch.bytes > maxBytes)) break
        total += batch.bytes
        const recordsJson = bytes.toString('utf8', batch.offset, batch.offset + batch.bytes)
        batches.push({ seq, recordsJson, bytes: batch.bytes })
      }
      return batches
    },
    spanOf(lane, epoch, seq) {
      const copy = loaded.get(lane)
      for (const { header, batches } of copy?.sections ?? []) {
        const batch = header.epoch === epoch ? batches[seq - header.firstSeq] : undefined
        if (batch !== undefined && copy !== undefined) return spanOfExtent(copy.bytes, batch)
      }
      return undefined
    },
  }
}

export const spanOfExtent = (bytes: Buffer, { offset, bytes: length }: { offset: number; bytes: number }) =>
  spanOfBatch(bytes.toString('utf8', offset, offset + length))

const findBatch = (sections: readonly ScannedSection[], wanted: Section, seq: number) => {
  const section = sections.find(each => each.start === wanted.start && each.crc === wanted.crc)
  return section?.batches[seq - wanted.firstSeq]
}
