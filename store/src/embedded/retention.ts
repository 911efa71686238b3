import type { Database } from './database.ts'
import { HOUR_MS } from './schema.ts'

export interface Retention {
  /**
   * Deletes raw data (samples, counts, past states, gaps) from before `cutoff`, a chunk per call, so that writes come between.
   * Rollups, and the newest state of each machine, are never touched.
   */
  dropBefore(cutoff: number): { readonly rows: number; readonly done: boolean }
  /** Deletes the oldest minutes, the finer half of the rollups: only when the disk leaves no choice. Returns how many hours. */
  dropMinutes(): number
}

const SAMPLE_CHUNK = 100
const MACHINES_CHUNK = 100
const MINUTES_CHUNK = 1_000

// The subqueries are answered from the ends of the indexes, machine by machine.
const OLDEST = `SELECT min(at) FROM (
  SELECT min(hour) * ${HOUR_MS} AS at FROM sample_pack
  UNION ALL SELECT min((SELECT start FROM state WHERE machine = id ORDER BY start LIMIT 1)) FROM machine
  UNION ALL SELECT min((SELECT at FROM count WHERE machine = id ORDER BY at LIMIT 1)) FROM machine)`

/** Start of the oldest raw data that can be dropped, to the hour for samples; null when there is none. */
export const openOldest = (db: Database): (() => number | null) => {
  const select = db.prepare(OLDEST)
  return () => select.get<[number | null]>()?.[0] ?? null
}

/** End of the newest data, to the hour for samples; null when there is none. */
export const openNewest = (db: Database): (() => number | null) => {
  const select = db.prepare(`SELECT max(at) FROM (
    SELECT max(stop) AS at FROM newest UNION ALL SELECT (max(hour) + 1) * ${HOUR_MS} FROM sample_pack)`)
  return () => select.get<[number | null]>()?.[0] ?? null
}

export const openRetention = (db: Database): Retention => {
  const removeSamples = db.prepare(
    'DELETE FROM sample_pack WHERE seq IN (SELECT seq FROM sample_pack WHERE hour < ? ORDER BY hour LIMIT ?)',
  )
  const selectMachines = db.prepare('SELECT id FROM machine WHERE id > ? ORDER BY id LIMIT ?')
  const removeStates = db.prepare('DELETE FROM state WHERE machine = ?1 AND start < ?2 AND stop <= ?2')
  const removeCounts = db.prepare('DELETE FROM count WHERE machine = ? AND at < ?')
  const removeGaps = db.prepare('DELETE FROM gap WHERE stop <= ?')
  const removeProfiles = db.prepare(`DELETE FROM profile WHERE at < ? AND EXISTS (
    SELECT 1 FROM profile AS later WHERE later.machine = profile.machine AND later.at > profile.at)`)
  const removeTakings = db.prepare(`DELETE FROM taking WHERE at < ? AND EXISTS (
    SELECT 1 FROM taking AS later WHERE later.shop = taking.shop AND later.at > taking.at)`)
  const removeMinutes = db.prepare(
    `DELETE FROM minutes WHERE (hour, machine) IN (SELECT hour, machine FROM minutes ORDER BY hour, machine LIMIT ?)`,
  )
  const account = openAccount(db)
  /** The last machine whose states and counts were looked at for `sweepCutoff`. */
  let cursor = 0
  let sweepCutoff = 0

  const sweep = (cutoff: number): { rows: number; done: boolean } => {
    if (sweepCutoff !== cutoff) cursor = 0
    sweepCutoff = cutoff
    const machines = selectMachines.all<[number]>(cursor, MACHINES_CHUNK).map(([id]) => id)
    let rows = 0
    for (const machine of machines) {
      rows += removeStates.run(machine, cutoff) + removeCounts.run(machine, cutoff)
    }
    const done = machines.length < MACHINES_CHUNK
    cursor = done ? 0 : (machines.at(-1) as number)
    if (done) rows += removeGaps.run(cutoff) + removeProfiles.run(cutoff) + removeTakings.run(cutoff)
    return { rows, done }
  }

  return {
    dropBefore: cutoff =>
      db.transaction(() => {
        const samples = removeSamples.run(Math.floor(cutoff / HOUR_MS), SAMPLE_CHUNK)
        const result = samples === 0 ? sweep(cutoff) : { rows: samples, done: false }
        if (result.rows > 0) account.add(result.rows, cutoff)
        return result
      }),
    dropMinutes: () => db.transaction(() => removeMinutes.run(MINUTES_CHUNK)),
  }
}

/** How much was ever dropped, and up to when: kept in the file, so that a reader knows too. */
const openAccount = (db: Database): { add(rows: number, until: number): void } => {
  const addRows = db.prepare(
    "INSERT INTO meta (key, value) VALUES ('dropped_rows', ?1) ON CONFLICT (key) DO UPDATE SET value = value + ?1",
  )
  const setUntil = db.prepare(
    "INSERT INTO meta (key, value) VALUES ('dropped_until', ?1) ON CONFLICT (key) DO UPDATE SET value = max(value, ?1)",
  )
  return {
    add(rows, until) {
      addRows.run(rows)
      setUntil.run(until)
    },
  }
}
