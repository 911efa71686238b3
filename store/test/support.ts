import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Series, Store, StoreWrite } from '../src/index.ts'

export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/** Start of an hour three days ago; tests write around it. */
export const T0 = Math.floor((Date.now() - 3 * DAY_MS) / HOUR_MS) * HOUR_MS

/** Machines that no other test of this process knows. */
export const machines = (() => {
  let count = 0
  return {
    next: (): Series => {
      count++
      return { shop: `shop-${Math.ceil(count / 5)}`, machine: `machine-${count}`, kind: 'nc-lathe' }
    },
  }
})()

/** Writes and expects everything to be taken. */
export const writeAll = async (store: Store, writes: readonly StoreWrite[]): Promise<void> => {
  const { accepted, rejected, retry } = await store.write(writes)
  if (accepted !== writes.length) {
    throw new Error(
      `expected ${writes.length} accepted writes, got ${accepted}: ${JSON.stringify({ rejected, retry }).slice(0, 500)}`,
    )
  }
}

export const temporaryFolder = () => {
  const path = mkdtempSync(join(tmpdir(), 'nakama-store-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
