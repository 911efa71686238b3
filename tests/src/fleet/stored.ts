import { openEmbeddedReader } from '@nakama/store'
import { until } from '../until.ts'
import type { Fleet } from './fleet.ts'
import type { StoredShop } from './judge.ts'
import { machineId } from './virtual-agent.ts'

/** Holds the store against every reading of the watched shops. */
export const lookUp = async (file: string, { watched }: Fleet, machines: number): Promise<StoredShop[]> => {
  const reader = await until('the store', () => openEmbeddedReader({ file }))
  try {
    const stored: StoredShop[] = []
    for (const [shop, readAt] of watched) {
      const read = new Set(readAt)
      const range = { from: (readAt[0] ?? 0) - 1_000, to: (readAt.at(-1) ?? 0) + 1_000 }
      for (let index = 0; index < machines; index++) {
        const machine = machineId(index)
        // As many again would be noticed.
        const { at } = await reader.samples({ shop, machine, ...range, limitRows: 2 * readAt.length + 1 })
        const found = new Set(at)
        stored.push({
          ...{ shop, machine, read: readAt.length },
          missing: readAt.filter(each => !found.has(each)).length,
          foreign: at.filter(each => !read.has(each)).length + at.length - found.size,
        })
      }
    }
    return stored
  } finally {
    await reader.close()
  }
}
