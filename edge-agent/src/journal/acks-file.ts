import { LANES, type Lane } from '@nakama/contract'
import { ACKS_BYTES, type Acked, decodeSlots, encodeSlot, isAtOrBefore, slotOffset } from './acks-format.ts'
import type { Storage } from './storage.ts'

type Positions = { readonly [lane in Lane]: Acked }

export interface AcksFile {
  /** As it was at the opening. */
  readonly found: Positions
  /** Keeps what is new; one call at a time. May reject; then the next call tries again. */
  save(positions: Positions): Promise<void>
}

const NAME = 'acks'

/** How far each lane is acknowledged. A file that is missing or has rotted costs only repetition: nothing is lost by it. */
export const openAcksFile = async (storage: Storage): Promise<AcksFile> => {
  const bytes = await storage.read(NAME).catch(() => Buffer.alloc(0))
  const slots = { events: decodeSlots(bytes, 'events'), samples: decodeSlots(bytes, 'samples') }
  let isThere = bytes.length >= ACKS_BYTES
  return {
    found: { events: slots.events.acked, samples: slots.samples.acked },
    async save(positions) {
      const next = LANES.filter(
        lane => slots[lane].generation === 0 || !isAtOrBefore(positions[lane], slots[lane].acked),
      ).map(lane => ({ lane, slot: { generation: slots[lane].generation + 1, acked: positions[lane] } }))
      if (next.length === 0) return
      if (!isThere) await storage.create(NAME, Buffer.alloc(ACKS_BYTES))
      isThere = true
      const file = await storage.open(NAME)
      try {
        for (const { lane, slot } of next) {
          await file.write(encodeSlot(lane, slot.generation, slot.acked), slotOffset(lane, slot.generation))
        }
        await file.sync()
      } finally {
        await file.close()
      }
      for (const { lane, slot } of next) slots[lane] = slot
    },
  }
}
