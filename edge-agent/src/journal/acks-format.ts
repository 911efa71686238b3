import { crc32 } from 'node:zlib'
import { LANES, type Lane } from '@nakama/contract'

/** Everything of a lane up to this place is stored elsewhere: earlier openings wholly, this one up to `seq`. */
export interface Position {
  readonly opening: number
  readonly seq: number
}

export interface Acked extends Position {
  /** Time before which nothing was owed when this was written: how old what is lost can be. Undefined when nobody knows. */
  readonly owedSince: number | undefined
}

export const NOWHERE: Position = { opening: 0, seq: 0 }

export const isAtOrBefore = (a: Position, b: Position): boolean =>
  a.opening < b.opening || (a.opening === b.opening && a.seq <= b.seq)

export const SLOT_BYTES = 32
export const ACKS_BYTES = LANES.length * 2 * SLOT_BYTES

// Octets of a slot.
const GENERATION_AT = 0
const OPENING_AT = 6
const SEQ_AT = 10
const TIME_AT = 16
const CRC_AT = 28

/** Where a lane's slot of this generation lies: two take turns, so that a torn write leaves the one before. */
export const slotOffset = (lane: Lane, generation: number): number =>
  (LANES.indexOf(lane) * 2 + (generation % 2)) * SLOT_BYTES

export const encodeSlot = (lane: Lane, generation: number, { opening, seq, owedSince }: Acked): Buffer => {
  const slot = Buffer.alloc(SLOT_BYTES)
  slot.writeUIntLE(generation, GENERATION_AT, 6)
  slot.writeUInt32LE(opening, OPENING_AT)
  slot.writeUIntLE(seq, SEQ_AT, 6)
  slot.writeUIntLE(Math.max(0, Math.floor(owedSince ?? 0)), TIME_AT, 6)
  slot.writeUInt32LE(slotCrc(slot, lane), CRC_AT)
  return slot
}

export interface Slot {
  /** Counts the writes; 0 when there is no good slot. */
  readonly generation: number
  readonly acked: Acked
}

/** The newest good slot of a lane. */
export const decodeSlots = (bytes: Buffer, lane: Lane): Slot => {
  let best: Slot = { generation: 0, acked: { ...NOWHERE, owedSince: undefined } }
  for (const turn of [0, 1]) {
    const start = slotOffset(lane, turn)
    const slot = bytes.subarray(start, start + SLOT_BYTES)
    if (slot.length < SLOT_BYTES || slotCrc(slot, lane) !== slot.readUInt32LE(CRC_AT)) continue
    const generation = slot.readUIntLE(GENERATION_AT, 6)
    if (generation <= best.generation) continue
    const position = { opening: slot.readUInt32LE(OPENING_AT), seq: slot.readUIntLE(SEQ_AT, 6) }
    best = { generation, acked: { ...position, owedSince: slot.readUIntLE(TIME_AT, 6) } }
  }
  return best
}

/** Seeded, so that neither zeros nor the other lane's slot pass. */
const slotCrc = (slot: Buffer, lane: Lane): number => crc32(slot.subarray(0, CRC_AT), LANES.indexOf(lane) + 1)
