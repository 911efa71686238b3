import type { StoreStats } from '../store.ts'
import { bytesOnDisk, type Database } from './database.ts'
import { openOldest } from './retention.ts'
import { eachOfBundle } from './sample-codec.ts'
import { HOUR_MS } from './schema.ts'

/** How large the store is, how far back its raw data goes, and what it had to give up. */
export const openStats = (db: Database): (() => StoreStats) => {
  const oldestAt = openOldest(db)
  const selectNewest = db.prepare('SELECT min(start) FROM newest')
  const selectRecent = db.prepare('SELECT bundle FROM sample_recent')
  const selectMeta = db.prepare('SELECT value FROM meta WHERE key = ?')

  const oldestRecent = (): number => {
    let oldest = Number.POSITIVE_INFINITY
    for (const [bundle] of selectRecent.each<[Uint8Array]>()) {
      eachOfBundle(bundle, (_, hour) => {
        oldest = Math.min(oldest, hour * HOUR_MS)
      })
    }
    return oldest
  }
  return () => {
    const { file, wal } = bytesOnDisk(db.file)
    const oldest = Math.min(
      oldestAt() ?? Number.POSITIVE_INFINITY,
      selectNewest.get<[number | null]>()?.[0] ?? Number.POSITIVE_INFINITY,
      oldestRecent(),
    )
    return {
      bytes: file + wal,
      maxBytes: selectMeta.get<[number]>('max_bytes')?.[0] ?? 0,
      oldestAt: Number.isFinite(oldest) ? oldest : null,
      droppedRows: selectMeta.get<[number]>('dropped_rows')?.[0] ?? 0,
      droppedUntil: selectMeta.get<[number]>('dropped_until')?.[0] ?? null,
    }
  }
}
