import { crc32 } from 'node:zlib'
import { LANES, type Lane } from '@nakama/contract'

/** Everything of a lane up to this place is stored elsewhere: earlier openings wholly, this one up to `seq`. */
export interface Position {
  readonly opening: number
  readonly seq: number
}

export const NOWHERE: Position = { opening: 0, seq: 0 }

export const isAtOrBefore = (a: Position, b: Position): boolean =>
  a.opening < b.opening || (a.opening === b.opening && a.seq <= b.seq)

export const SLOT_BYTES = 32
export const ACKS_BYTES = LANES.length * 2 * SLOT_BYTES

const GENERATION_AT = 0
const OPENING_AT = 8
const SEQ_AT = 16
const CRC_AT = 28

/** Where a lane's slot of this generation lies: two take turns, so that a torn write leaves the one before. */
export const slotOffset = (lane: Lane, generation: number): number =>
  (LANES.indexOf(lane) * 2 + (generation % 2)) * SLOT_BYTES

export const encodeSlot = (lane: Lane, generation: number, position: Position): Buffer => {
  const slot = Buffer.alloc(SLOT_BYTES)
  slot.writeBigUInt64LE(BigInt(generation), GENERATION_AT)
  slot.writeUInt32LE(position.opening, OPENING_AT)
  slot.writeBigUInt64LE(BigInt(position.seq), SEQ_AT)
  slot.writeUInt32LE(slotCrc(slot, lane), CRC_AT)
  return slot
}

/** The newest good slot of a lane; generation 0 at `NOWHERE` when there is none. */
export const decodeSlots = (bytes: Buffer, lane: Lane): { generation: number; position: Position } => {
  let best = { generation: 0, position: NOWHERE }
  for (const turn of [0, 1]) {
    const start = slotOffset(lane, turn)
    const slot = bytes.subarray(start, start + SLOT_BYTES)
    if (slot.length < SLOT_BYTES || slotCrc(slot, lane) !== slot.readUInt32LE(CRC_AT)) continue
    const generation = Number(slot.readBigUInt64LE(GENERATION_AT))
    if (generation > best.generation) {
      best = {
        generation,
        position: { opening: slot.readUInt32LE(OPENING_AT), seq: Number(slot.readBigUInt64LE(SEQ_AT)) },
      }
    }
  }
  return best
}

/** Seeded, so that neither zeros nor the other lane's slot pass. */
const slotCrc = (slot: Buffer, lane: Lane): number => crc32(slot.subarray(0, CRC_AT), LANES.indexOf(lane) + 1)
