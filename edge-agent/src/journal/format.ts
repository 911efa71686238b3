import { crc32 } from 'node:zlib'
import { LANES, type Lane } from '@nakama/contract'

/*
 * The journal's bytes, as FORMAT.md describes them: pure encoding and scanning, no I/O. Integers are little-endian.
 */

export const SEGMENT_BYTES = 1024 * 1024
/** Sections begin on such a boundary, so that a new epoch never rewrites the sector of an older one's last record. */
export const SECTION_ALIGN_BYTES = 4096
const HEADER_BYTES = 64
/** A header stands twice, in two sectors: without it nothing behind it can be read. */
const COPY_OFFSET = 512
/** Both, and what lies between. The first record follows. */
export const HEAD_BYTES = COPY_OFFSET + HEADER_BYTES
/** `u32 length | u32 crc32` before each payload. */
export const RECORD_OVERHEAD_BYTES = 8
/** Eight zero octets after the last record: an end that was meant. */
export const END_MARK_BYTES = 8

export interface SectionHeader {
  readonly lane: Lane
  /** Of the file's present life: 16 hex digits, random, new whenever the file is recycled. */
  readonly segment: string
  readonly epoch: string
  /** Counts the openings of this journal: epochs are random, this orders them. */
  readonly opening: number
  /** Counts the lives of all files of this journal: the order in which they were begun. */
  readonly life: number
  readonly firstSeq: number
  /** The lane's last batch before this section, by opening and seq; zeros for the first ever. What is missing shows here. */
  readonly previous: { readonly opening: number; readonly seq: number }
  /** Time of the record for which it was begun. */
  readonly at: number
  /** Of the system, when it was begun: twelve hex digits. */
  readonly boot: string
}

/** Where one batch lies within its segment. */
export interface Extent {
  readonly seq: number
  readonly offset: number
  readonly bytes: number
}

export interface ScannedSection {
  readonly header: SectionHeader
  readonly start: number
  /** Seeds the first record's CRC. */
  readonly crc: number
  readonly batches: readonly Extent[]
  /** Offset after the last good record. */
  readonly end: number
  /** Whether the end mark stood there: otherwise something after `end` was torn or has rotted. */
  readonly clean: boolean
}

export type ScannedSegment =
  | { readonly type: 'segment'; readonly crc: number; readonly sections: readonly ScannedSection[] }
  /** Never used: zeros as it was made, but perhaps for a header that was cut off. */
  | { readonly type: 'blank' }
  /** Has been used, but its header cannot be believed. */
  | { readonly type: 'corrupt' }

/**
 * Reads a whole segment file of whatever content and length. A record counts only if its CRC holds, seeded with that of
 * the header of its own section, which is seeded with the segment's: nothing of a former life of the file, and nothing of
 * a former epoch, can pass for a record.
 */
export const scanSegment = (bytes: Buffer): ScannedSegment => {
  const first = decodeHead(bytes, 0, 0)
  if (first === undefined) return isUnusedFrom(bytes, HEAD_BYTES) ? BLANK : CORRUPT
  const { segment } = first.header
  const sections = [scanSection(bytes, 0, first)]
  for (let start = alignSection(sections[0]!.end); start < bytes.length; start += SECTION_ALIGN_BYTES) {
    const next = decodeHead(bytes, start, first.crc)
    if (next !== undefined && next.header.segment === segment) {
      const section = scanSection(bytes, start, next)
      sections.push(section)
      start = alignSection(section.end) - SECTION_ALIGN_BYTES
    } else if (
      (wasHeaderOf(bytes, start, segment) || wasHeaderOf(bytes, start + COPY_OFFSET, segment)) &&
      !isUnusedFrom(bytes, start + HEAD_BYTES)
    ) {
      sections.push({ ...(sections.pop() as ScannedSection), clean: false })
    }
  }
  return { type: 'segment', crc: first.crc, sections }
}

/** Only a header of this life has this id, or nearly; whatever else lies on a boundary is of a former one, or payload. */
const wasHeaderOf = (bytes: Buffer, start: number, segment: string): boolean => {
  const id = Buffer.from(segment, 'hex')
  const found = bytes.subarray(start + SEGMENT_AT, start + SEGMENT_AT + id.length)
  return found.filter((octet, i) => octet === id[i]).length >= id.length - 1
}

const UNUSED = Buffer.alloc(SEGMENT_BYTES)

/** No record was ever there: a header is durable before its first record is written, so that nothing is lost with it. */
const isUnusedFrom = (bytes: Buffer, offset: number): boolean =>
  bytes.length === SEGMENT_BYTES && bytes.subarray(offset).equals(UNUSED.subarray(offset))

const CORRUPT: ScannedSegment = { type: 'corrupt' }
const BLANK: ScannedSegment = { type: 'blank' }

/** The first boundary at or after `offset` at which a section may begin. */
export const alignSection = (offset: number): number => Math.ceil(offset / SECTION_ALIGN_BYTES) * SECTION_ALIGN_BYTES

interface DecodedHeader {
  readonly header: SectionHeader
  readonly crc: number
}

const scanSection = (bytes: Buffer, start: number, { header, crc }: DecodedHeader): ScannedSection => {
  const batches: Extent[] = []
  let offset = start + HEAD_BYTES
  for (;;) {
    if (offset + RECORD_OVERHEAD_BYTES > bytes.length) {
      return { header, start, crc, batches, end: offset, clean: false }
    }
    const length = bytes.readUInt32LE(offset)
    const expected = bytes.readUInt32LE(offset + 4)
    if (length === 0) return { header, start, crc, batches, end: offset, clean: expected === 0 }
    const from = offset + RECORD_OVERHEAD_BYTES
    if (length > bytes.length - from || recordCrc(bytes.subarray(from, from + length), crc) !== expected) {
      return { header, start, crc, batches, end: offset, clean: false }
    }
    batches.push({ seq: header.firstSeq + batches.length, offset: from, bytes: length })
    offset = from + length
  }
}

const recordCrc = (payload: Buffer, sectionCrc: number): number => crc32(payload, sectionCrc)

/** Records as they follow each other in a section, with the end mark that the next write will overwrite. */
export const encodeRecords = (payloads: readonly Buffer[], sectionCrc: number): Buffer => {
  const parts: Buffer[] = []
  for (const payload of payloads) {
    const head = Buffer.alloc(RECORD_OVERHEAD_BYTES)
    head.writeUInt32LE(payload.length, 0)
    head.writeUInt32LE(recordCrc(payload, sectionCrc), 4)
    parts.push(head, payload)
  }
  parts.push(Buffer.alloc(END_MARK_BYTES))
  return Buffer.concat(parts)
}

// Octets of a header. Seqs and times take six.
const MAGIC = Buffer.from('NKJ1')
const LANE_AT = 4
const SEGMENT_AT = 8
const EPOCH_AT = 16
const OPENING_AT = 24
const LIFE_AT = 28
const FIRST_SEQ_AT = 32
const PREVIOUS_OPENING_AT = 38
const PREVIOUS_SEQ_AT = 42
const TIME_AT = 48
const BOOT_AT = 54
const CRC_AT = 60

/**
 * @param segmentCrc the CRC of the segment's first header; 0 for that header itself.
 * @returns the octets before a section's first record, with an end mark in that one's place, and the CRC that seeds the records'.
 */
export const encodeHead = (header: SectionHeader, segmentCrc: number): { bytes: Buffer; crc: number } => {
  const bytes = Buffer.alloc(HEAD_BYTES + END_MARK_BYTES)
  MAGIC.copy(bytes)
  bytes[LANE_AT] = LANES.indexOf(header.lane)
  bytes.write(header.segment, SEGMENT_AT, 'hex')
  bytes.write(header.epoch, EPOCH_AT, 'hex')
  bytes.writeUInt32LE(header.opening, OPENING_AT)
  bytes.writeUInt32LE(header.life, LIFE_AT)
  bytes.writeUIntLE(header.firstSeq, FIRST_SEQ_AT, 6)
  bytes.writeUInt32LE(header.previous.opening, PREVIOUS_OPENING_AT)
  bytes.writeUIntLE(header.previous.seq, PREVIOUS_SEQ_AT, 6)
  bytes.writeUIntLE(timeOf(header.at), TIME_AT, 6)
  bytes.write(header.boot, BOOT_AT, 'hex')
  const crc = crc32(bytes.subarray(0, CRC_AT), segmentCrc)
  bytes.writeUInt32LE(crc, CRC_AT)
  bytes.copy(bytes, COPY_OFFSET, 0, HEADER_BYTES)
  return { bytes, crc }
}

const timeOf = (at: number): number => Math.min(Math.max(0, Math.floor(at)), 2 ** 48 - 1)

const decodeHead = (bytes: Buffer, start: number, segmentCrc: number): DecodedHeader | undefined =>
  decodeHeader(bytes, start, segmentCrc) ?? decodeHeader(bytes, start + COPY_OFFSET, segmentCrc)

const decodeHeader = (bytes: Buffer, start: number, segmentCrc: number): DecodedHeader | undefined => {
  if (start + HEADER_BYTES > bytes.length) return undefined
  const octets = bytes.subarray(start, start + HEADER_BYTES)
  if (!octets.subarray(0, MAGIC.length).equals(MAGIC)) return undefined
  const crc = octets.readUInt32LE(CRC_AT)
  const lane = LANES[octets[LANE_AT]!]
  if (lane === undefined || crc32(octets.subarray(0, CRC_AT), segmentCrc) !== crc) return undefined
  return {
    crc,
    header: {
      lane,
      segment: octets.toString('hex', SEGMENT_AT, SEGMENT_AT + 8),
      epoch: octets.toString('hex', EPOCH_AT, EPOCH_AT + 8),
      opening: octets.readUInt32LE(OPENING_AT),
      life: octets.readUInt32LE(LIFE_AT),
      firstSeq: octets.readUIntLE(FIRST_SEQ_AT, 6),
      previous: {
        opening: octets.readUInt32LE(PREVIOUS_OPENING_AT),
        seq: octets.readUIntLE(PREVIOUS_SEQ_AT, 6),
      },
      at: octets.readUIntLE(TIME_AT, 6),
      boot: octets.toString('hex', BOOT_AT, BOOT_AT + 6),
    },
  }
}
