import type { Database } from './database.ts'
import { decodePack, eachOfBundle, encodePack, type Table } from './sample-codec.ts'
import { mergeTables } from './sample-merge.ts'
import { HOUR_MS } from './schema.ts'

export interface Regrouper {
  /** Bytes appended and not yet regrouped. */
  recentBytes(): number
  /**
   * Moves the oldest appended samples, about `maxBytes` of them, to one part per machine and hour. One transaction: writes
   * wait behind it.
   */
  fold(maxBytes: number): void
  /** Makes one compressed pack of the parts of one machine's hour that is over. False when none is left. */
  compactOne(now: number): boolean
}

/** An hour is compacted this long after its end: most of what comes late comes soon. */
const LATE_MS = 10 * 60_000

/**
 * Samples move towards one compressed row per machine and hour in two steps, each of which writes in long runs. Every step
 * leaves the same answers: what is found twice counts once.
 */
export const openRegrouper = (db: Database): Regrouper => {
  const selectBytes = db.prepare('SELECT total(length(bundle)) FROM sample_recent')
  const selectRecent = db.prepare('SELECT seq, bundle FROM sample_recent ORDER BY seq')
  const removeRecent = db.prepare('DELETE FROM sample_recent WHERE seq <= ?')
  const insert = db.prepare('INSERT INTO sample_pack (hour, machine, loose, pack) VALUES (?, ?, ?, ?)')
  const selectLoose = db.prepare(
    'SELECT hour, machine FROM sample_pack WHERE loose = 1 AND hour < ? ORDER BY hour, machine LIMIT 1',
  )
  const selectPacks = db.prepare('SELECT pack FROM sample_pack WHERE hour = ? AND machine = ? ORDER BY seq')
  const removePacks = db.prepare('DELETE FROM sample_pack WHERE hour = ? AND machine = ?')

  return {
    recentBytes: () => selectBytes.get<[number]>()?.[0] ?? 0,
    fold(maxBytes) {
      db.transaction(() => {
        const tables = new Map<string, { hour: number; machine: number; parts: Table[] }>()
        let bytes = 0
        let upTo = 0
        for (const [seq, bundle] of selectRecent.each<[number, Uint8Array]>()) {
          eachOfBundle(bundle, (machine, hour, read) => {
            const key = `${hour}/${machine}`
            const entry = tables.get(key)
            if (entry === undefined) tables.set(key, { hour, machine, parts: [read()] })
            else entry.parts.push(read())
          })
          upTo = seq
          bytes += bundle.length
          if (bytes >= maxBytes) break
        }
        for (const { hour, machine, parts } of tables.values()) {
          insert.run(hour, machine, 1, encodePack(mergeTables(parts), hour, false))
        }
        removeRecent.run(upTo)
      })
    },
    compactOne(now) {
      const over = Math.floor((now - LATE_MS) / HOUR_MS)
      const found = selectLoose.get<[number, number]>(over)
      if (found === undefined) return false
      const [hour, machine] = found
      db.transaction(() => {
        const tables = selectPacks.all<[Uint8Array]>(hour, machine).map(([pack]) => decodePack(pack, hour))
        removePacks.run(hour, machine)
        insert.run(hour, machine, 0, encodePack(mergeTables(tables), hour, true))
      })
      return true
    },
  }
}
