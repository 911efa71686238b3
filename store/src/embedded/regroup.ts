import type { Database } from './database.ts'
import { decodePack, eachOfBundle, encodePack, type Table } from './sample-codec.ts'
import { mergeTables } from './sample-merge.ts'
import { HOUR_MS } from './schema.ts'

export interface Regrouper {
  /** Bytes appended and not yet regrouped. */
  recentBytes(): number
  /**
   * Moves the oldest appended samples, about `maxBytes` of them, to one part per machine and hour. Goes on for about
   * `budgetMs` and takes up the rest with the next call; true when these samples are all moved.
   */
  fold(maxBytes: number, budgetMs: number): boolean
  /** Whether a fold waits to be taken up. */
  readonly folding: boolean
  /** Makes one compressed pack of the parts of one machine's hour that is over. False when none is left. */
  compactOne(now: number): boolean
}

/** What one machine said in one hour, in the order in which it was written. */
interface Group {
  readonly hour: number
  readonly machine: number
  readonly reads: (() => Table)[]
}

/** Appended samples up to `upTo`, and what of them is not yet moved. */
interface Pass {
  readonly upTo: number
  readonly groups: Iterator<Group>
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

  let pass: Pass | undefined

  const begin = (maxBytes: number): Pass => {
    const groups = new Map<string, Group>()
    let bytes = 0
    let upTo = 0
    for (const [seq, bundle] of selectRecent.each<[number, Uint8Array]>()) {
      eachOfBundle(bundle, (machine, hour, read) => {
        const key = `${hour}/${machine}`
        const group = groups.get(key)
        if (group === undefined) groups.set(key, { hour, machine, reads: [read] })
        else group.reads.push(read)
      })
      upTo = seq
      bytes += bundle.length
      if (bytes >= maxBytes) break
    }
    return { upTo, groups: groups.values() }
  }

  return {
    recentBytes: () => selectBytes.get<[number]>()?.[0] ?? 0,
    get folding() {
      return pass !== undefined
    },
    fold(maxBytes, budgetMs) {
      const { upTo, groups } = pass ?? begin(maxBytes)
      // Taken up anew from the start if this fails: what was moved already is then moved twice.
      pass = undefined
      const until = performance.now() + budgetMs
      const done = db.transaction(() => {
        do {
          const next = groups.next()
          if (next.done) {
            removeRecent.run(upTo)
            return true
          }
          const { hour, machine, reads } = next.value
          insert.run(hour, machine, 1, encodePack(mergeTables(reads.map(read => read())), hour, false))
        } while (performance.now() < until)
        return false
      })
      if (!done) pass = { upTo, groups }
      return done
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
