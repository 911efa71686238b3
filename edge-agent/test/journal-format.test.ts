import { LANES } from '@nakama/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ACKS_BYTES,
  decodeSlots,
  encodeSlot,
  isAtOrBefore,
  SLOT_BYTES,
  slotOffset,
} from '../src/journal/acks-format.ts'
import {
  alignSection,
  encodeHead,
  encodeRecords,
  HEAD_BYTES,
  type ScannedSegment,
  SEGMENT_BYTES,
  type SectionHeader,
  scanSegment,
} from '../src/journal/format.ts'

const FIRST: SectionHeader = {
  lane: 'samples',
  segment: '0011223344556677',
  epoch: '8899aabbccddeeff',
  opening: 3,
  life: 7,
  firstSeq: 258,
  previous: { opening: 2, seq: 99 },
  boot: '000000000000',
  at: 1_700_000_000_000,
}
const SECOND: SectionHeader = {
  ...FIRST,
  epoch: '1032547698badcfe',
  opening: 4,
  firstSeq: 1,
  previous: { opening: 3, seq: 259 },
  at: 1_700_000_060_000,
}

// Made by another program (Python's zlib and struct) from the description in FORMAT.md.
const FIRST_HEX =
  '4e4b4a310100000000112233445566778899aabbccddeeff0300000007000000020100000000020000006300000000000068e5cf8b0100000000000026137bb7'
const SECOND_HEX =
  '4e4b4a310100000000112233445566771032547698badcfe0400000007000000010000000000030000000301000000006052e6cf8b01000000000000bd2c90b3'
const RECORDS_HEX = '090000008019b4185b7b2261223a317d5d02000000a8ce2c4a5b5d0000000000000000'
const EVENTS_SLOT_HEX = '050000000000030000004d00000000000068e5cf8b01000000000000bf7e7d02'
const SAMPLES_SLOT_HEX = '060000000000030000009210000000000068e5cf8b01000000000000538916d9'

const payloadsOf = (bytes: Buffer, scan: ScannedSegment): string[][] =>
  scan.type === 'segment'
    ? scan.sections.map(({ batches }) =>
        batches.map(({ offset, bytes: length }) => bytes.toString('utf8', offset, offset + length)),
      )
    : []

/** A whole segment file: sections with their payloads, as the writer would lay them down over what was there before. */
const layDown = (file: Buffer, sections: readonly { header: SectionHeader; payloads: readonly string[] }[]): Buffer => {
  let segmentCrc = 0
  let start = 0
  for (const { header, payloads } of sections) {
    const { bytes, crc } = encodeHead(header, segmentCrc)
    if (start === 0) segmentCrc = crc
    bytes.copy(file, start)
    const records = encodeRecords(
      payloads.map(payload => Buffer.from(payload)),
      crc,
    )
    records.copy(file, start + HEAD_BYTES)
    start = alignSection(start + HEAD_BYTES + records.length)
  }
  return file
}

const PAYLOADS = [['[{"a":1}]', '[{"b":22}]'], [`[{"d":"${'x'.repeat(600)}"}]`, '[{"e":1}]'], ['[{"f":6}]']]
const THIRD: SectionHeader = { ...SECOND, epoch: 'aaaaaaaaaaaaaaaa', opening: 5, previous: { opening: 4, seq: 2 } }
const SECTIONS = [FIRST, SECOND, THIRD].map((header, i) => ({ header, payloads: PAYLOADS[i]! }))
const SHORT_BYTES = 12_288

const wholeFile = (): Buffer => layDown(Buffer.alloc(SHORT_BYTES), SECTIONS)

/** What is found is what was written, only less; what is not found is seen to be missing. */
const expectNothingWrong = (bytes: Buffer): void => {
  const scan = scanSegment(bytes)
  const found = payloadsOf(bytes, scan)
  if (scan.type !== 'segment') return
  // Plain comparisons: this is called for every octet.
  const openings = scan.sections.map(({ header }) => header.opening)
  if (openings.some((opening, i) => opening <= (openings[i - 1] ?? 0))) throw new Error(`openings ${openings}`)
  openings.forEach((opening, i) => {
    const written = PAYLOADS[opening - FIRST.opening]!
    if (found[i]!.some((payload, n) => payload !== written[n])) throw new Error(`opening ${opening}: ${found[i]}`)
  })
}

/** Whether a reader can see that something is missing: by the end of the last section or by the links between them. */
const isLossSeen = (bytes: Buffer): boolean => {
  const scan = scanSegment(bytes)
  if (scan.type !== 'segment') return scan.type === 'corrupt'
  if (scan.sections.at(-1)?.clean === false) return true
  return scan.sections.some(({ header }, i) => {
    const before = scan.sections[i - 1]
    if (before === undefined) return header.opening !== FIRST.opening
    const last = { opening: before.header.opening, seq: before.header.firstSeq + before.batches.length - 1 }
    return !isAtOrBefore(header.previous, last)
  })
}

const isComplete = (bytes: Buffer): boolean =>
  JSON.stringify(payloadsOf(bytes, scanSegment(bytes))) === JSON.stringify(PAYLOADS)

describe('the bytes of a segment', () => {
  it('are as FORMAT.md describes them', () => {
    const first = encodeHead(FIRST, 0)
    expect(first.bytes.toString('hex', 0, 64)).toBe(FIRST_HEX)
    expect(first.bytes.toString('hex', 512, 576)).toBe(FIRST_HEX)
    expect(first.bytes.length).toBe(HEAD_BYTES + 8)
    expect(first.crc).toBe(0xb77b1326)
    expect(encodeHead(SECOND, first.crc).bytes.toString('hex', 0, 64)).toBe(SECOND_HEX)
    const records = encodeRecords([Buffer.from('[{"a":1}]'), Buffer.from('[]')], first.crc)
    expect(records.toString('hex')).toBe(RECORDS_HEX)
  })

  it('are read back as they were written, section by section', () => {
    const bytes = wholeFile()
    const scan = scanSegment(bytes)
    expect(payloadsOf(bytes, scan)).toEqual(PAYLOADS)
    if (scan.type !== 'segment') throw new Error(scan.type)
    expect(scan.sections.map(({ header }) => header)).toEqual([FIRST, SECOND, THIRD])
    expect(scan.sections.map(({ clean }) => clean)).toEqual([true, true, true])
    expect(scan.sections.map(({ batches }) => batches.map(({ seq }) => seq))).toEqual([[258, 259], [1, 2], [1]])
  })

  it('are blank only if nobody ever wrote to them', () => {
    expect(scanSegment(Buffer.alloc(SEGMENT_BYTES)).type).toBe('blank')
    expect(scanSegment(Buffer.alloc(SEGMENT_BYTES - 1)).type).toBe('corrupt')
    expect(scanSegment(Buffer.alloc(0)).type).toBe('corrupt')
    const used = Buffer.alloc(SEGMENT_BYTES)
    used[700_000] = 1
    expect(scanSegment(used).type).toBe('corrupt')
  })

  it('show no loss where a header was cut off, which had no records yet', () => {
    const first = encodeHead(FIRST, 0)
    const second = encodeHead({ ...SECOND, segment: FIRST.segment }, first.crc).bytes
    for (let length = 1; length < 64; length++) {
      const fresh = Buffer.alloc(SEGMENT_BYTES)
      first.bytes.copy(fresh, 0, 0, length)
      expect(scanSegment(fresh)).toEqual({ type: 'blank' })
      fresh[HEAD_BYTES] = 1
      expect(scanSegment(fresh)).toEqual({ type: 'corrupt' })

      const begun = layDown(Buffer.alloc(SEGMENT_BYTES), SECTIONS.slice(0, 1))
      second.copy(begun, 4096, 0, length)
      expect(scanSegment(begun)).toMatchObject({ sections: [{ clean: true }] })
      begun[4096 + HEAD_BYTES] = 1
      if (length > 16) expect(scanSegment(begun)).toMatchObject({ sections: [{ clean: false }] })
    }
  })

  it('show nothing of a former life of the file', () => {
    const former = { ...FIRST, segment: 'ffffffffffffffff', life: 1 }
    const file = layDown(Buffer.alloc(SHORT_BYTES), [
      { header: former, payloads: PAYLOADS[0]! },
      { header: { ...SECOND, segment: former.segment, life: 1 }, payloads: PAYLOADS[1]! },
    ])
    const bytes = layDown(file, [{ header: FIRST, payloads: ['[{"a":1}]'] }])
    const scan = scanSegment(bytes)
    expect(payloadsOf(bytes, scan)).toEqual([['[{"a":1}]']])
    expect(scan).toMatchObject({ sections: [{ clean: true }] })
  })

  it('show nothing of a former life even where a record was cut off just before an old one', () => {
    const old = layDown(Buffer.alloc(SHORT_BYTES), [
      { header: { ...FIRST, segment: 'ffffffffffffffff' }, payloads: PAYLOADS[0]! },
    ])
    const { bytes: head } = encodeHead(FIRST, 0)
    head.copy(old, 0, 0, HEAD_BYTES)
    expect(payloadsOf(old, scanSegment(old))).toEqual([[]])
    expect(scanSegment(old)).toMatchObject({ sections: [{ clean: false }] })
  })
})

describe('a segment that was cut', () => {
  it('gives at every length what was whole, and shows that the rest is missing', () => {
    const whole = wholeFile()
    const used = whole.findLastIndex(octet => octet !== 0) + 1
    const scan = scanSegment(whole)
    const ends = scan.type === 'segment' ? scan.sections.map(section => section.end + 8) : []
    // Octets after a section's end mark and before enough of the next header to know it by.
    const isBetween = (length: number): boolean => ends.some(end => length >= end && length < alignSection(end) + 16)
    for (let length = 0; length < used; length++) {
      const bytes = whole.subarray(0, length)
      expectNothingWrong(bytes)
      if (isComplete(bytes)) throw new Error(`complete at ${length}`)
      // A cut between two sections is seen by what follows in the next file, or not at all: the end was meant.
      if (!isLossSeen(bytes) && !isBetween(length)) throw new Error(`loss not seen at ${length}`)
    }
  }, 20_000)
})

describe('a segment in which bits have flipped', () => {
  it('loses nothing to one flip in a header', () => {
    const whole = wholeFile()
    for (const start of [0, 4096, 8192]) {
      for (let bit = 0; bit < 64 * 8; bit++) {
        const bytes = Buffer.from(whole)
        bytes[start + (bit >> 3)]! ^= 1 << (bit & 7)
        expect(isComplete(bytes)).toBe(true)
      }
    }
  })

  it('never shows a wrong record for one flip anywhere, and shows what is missing', () => {
    const whole = wholeFile()
    const used = whole.findLastIndex(octet => octet !== 0) + 1 + 8
    for (let place = 0; place < used; place++) {
      const bytes = Buffer.from(whole)
      bytes[place]! ^= 1 << (place % 8)
      expectNothingWrong(bytes)
      if (!isComplete(bytes) && !isLossSeen(bytes)) throw new Error(`loss not seen at ${place}`)
    }
  }, 20_000)

  it('never shows a wrong record for many', () => {
    const whole = wholeFile()
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: SHORT_BYTES - 1 }), fc.integer({ min: 1, max: 255 })), {
          maxLength: 20,
        }),
        flips => {
          const bytes = Buffer.from(whole)
          for (const [place, mask] of flips) bytes[place]! ^= mask
          expectNothingWrong(bytes)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('is read without an error whatever is in it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 9_000 }), fc.boolean(), (noise, isHeaded) => {
        const bytes = Buffer.from(noise)
        if (isHeaded) encodeHead(FIRST, 0).bytes.copy(bytes)
        expect(payloadsOf(bytes, scanSegment(bytes)).flat()).toEqual([])
      }),
    )
  })
})

describe('the slots of the acks', () => {
  const events = { opening: 3, seq: 77, owedSince: 1_700_000_000_000 }
  const samples = { opening: 3, seq: 4_242, owedSince: 1_700_000_000_000 }

  it('are as FORMAT.md describes them', () => {
    expect(encodeSlot('events', 5, events).toString('hex')).toBe(EVENTS_SLOT_HEX)
    expect(encodeSlot('samples', 6, samples).toString('hex')).toBe(SAMPLES_SLOT_HEX)
    expect(LANES.flatMap(lane => [slotOffset(lane, 2), slotOffset(lane, 3)])).toEqual([0, 32, 64, 96])
  })

  it('take turns, so that a write that was cut anywhere leaves the one before', () => {
    for (let length = 0; length < SLOT_BYTES; length++) {
      const file = Buffer.alloc(ACKS_BYTES)
      encodeSlot('events', 5, events).copy(file, slotOffset('events', 5))
      encodeSlot('events', 4, { ...events, seq: 70 }).copy(file, slotOffset('events', 4))
      const newer = encodeSlot('events', 6, { ...events, seq: 2 ** 40 - 1 })
      newer.copy(file, slotOffset('events', 6), 0, length)
      expect(decodeSlots(file, 'events')).toEqual({ generation: 5, acked: events })
      newer.copy(file, slotOffset('events', 6))
      expect(decodeSlots(file, 'events')).toEqual({ generation: 6, acked: { ...events, seq: 2 ** 40 - 1 } })
    }
  })

  it('pass for nothing when a bit has flipped, nor for the other lane', () => {
    const file = Buffer.alloc(ACKS_BYTES)
    encodeSlot('samples', 6, samples).copy(file, slotOffset('events', 6))
    const none = { generation: 0, acked: { opening: 0, seq: 0, owedSince: undefined } }
    expect(decodeSlots(file, 'events')).toEqual(none)
    for (let bit = 0; bit < SLOT_BYTES * 8; bit++) {
      const slot = encodeSlot('events', 6, events)
      slot[bit >> 3]! ^= 1 << (bit & 7)
      slot.copy(file, slotOffset('events', 6))
      expect(decodeSlots(file, 'events')).toEqual(none)
    }
    expect(decodeSlots(Buffer.alloc(10), 'events')).toEqual(none)
  })
})
