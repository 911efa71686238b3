import { LANES, type Lane } from '@nakama/contract'
import { ACKS_BYTES, decodeSlots, encodeSlot, isAtOrBefore, type Position, slotOffset } from './acks-format.ts'
import type { Storage } from './storage.ts'

type Positions = { readonly [lane in Lane]: Position }

export interface AcksFile {
  /** As it was at the opening. */
  readonly found: Positions
  /** Keeps what is new. May reject; then the next call tries again. */
  save(positions: Positions): Promise<void>
}

const NAME = 'acks'

/** How far each lane is acknowledged. A file that is missing or has rotted costs only repetition: nothing is lost by it. */
export const openAcksFile = async (storage: Storage): Promise<AcksFile> => {
  const bytes = await storage.read(NAME).catch(() => Buffer.alloc(0))
  const slots = { events: decodeSlots(bytes, 'events'), samples: decodeSlots(bytes, 'samples') }
  const found = { events: slots.events.position, samples: slots.samples.position }
  let isThere = bytes.length >= ACKS_BYTES
  return {
    found,
    async save(positions) {
      const changed = LANES.filter(lane => !isAtOrBefore(positions[lane], slots[lane].position))
      if (changed.length === 0) return
      if (!isThere) await storage.create(NAME, ACKS_BYTES)
      isThere = true
      const file = await storage.open(NAME)
      try {
        const next = changed.map(lane => ({
          lane,
          slot: { generation: slots[lane].generation + 1, position: positions[lane] },
        }))
        for (const { lane, slot } of next) {
          await file.write(encodeSlot(lane, slot.generation, slot.position), slotOffset(lane, slot.generation))
        }
        await file.sync()
        for (const { lane, slot } of next) slots[lane] = slot
      } finally {
        await file.close()
      }
    },
  }
}
