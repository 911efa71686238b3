import type { GapRecord } from '@nakama/contract'
import type { Count, Gap, MachineRef, StoreWrite, TimeRange } from '../store.ts'
import type { Database } from './database.ts'
import type { Dictionary } from './dictionary.ts'

type EventWrite = Extract<StoreWrite, { type: 'count' | 'gap' | 'profile' | 'taking' }>

export interface EventWriter {
  write(write: EventWrite): void
}

/** What happens now and then: each is one row, replaced when it comes again. */
export const openEventWriter = (db: Database, dictionary: Dictionary): EventWriter => {
  const putCount = db.prepare('INSERT OR REPLACE INTO count (machine, at, parts, total) VALUES (?, ?, ?, ?)')
  const putGap = db.prepare(
    'INSERT OR REPLACE INTO gap (shop, start, agent, machine, what, why, stop) VALUES (?, ?, ?, ?, ?, ?, ?)',
  )
  const putProfile = db.prepare('INSERT OR REPLACE INTO profile (machine, at, kind, name) VALUES (?, ?, ?, ?)')
  const putTaking = db.prepare('INSERT OR REPLACE INTO taking (shop, at, rev, value, until) VALUES (?, ?, ?, ?, ?)')
  return {
    write(write) {
      switch (write.type) {
        case 'count':
          return void putCount.run(dictionary.machine(write.series), write.at, write.parts, write.total)
        case 'gap': {
          const { shop, from, agent, machine, what, why, to } = write
          return void putGap.run(shop, from, agent, machine ?? EVERY_MACHINE, what, why, to)
        }
        case 'profile': {
          const { series, at, name } = write
          return void putProfile.run(dictionary.machine(series), at, dictionary.kind(series.kind), name)
        }
        case 'taking':
          return void putTaking.run(write.shop, write.at, write.rev, write.value ? 1 : 0, write.until)
      }
    },
  }
}

/** No id is empty. In place of null, which a primary key would not hold apart. */
const EVERY_MACHINE = ''

export interface EventReader {
  counts(query: MachineRef & TimeRange): Count[]
  gaps(query: TimeRange & { readonly shop: string }): Gap[]
}

export const openEventReader = (db: Database, dictionary: Dictionary): EventReader => {
  const selectCounts = db.prepare(
    'SELECT at, parts, total FROM count WHERE machine = ? AND at >= ? AND at < ? ORDER BY at',
  )
  // A gap without length touches the range that its instant lies in.
  const selectGaps = db.prepare(`SELECT start, stop, agent, machine, what, why FROM gap
    WHERE shop = ?1 AND start < ?3 AND (stop > ?2 OR start >= ?2) ORDER BY start, agent, machine, what, why`)
  return {
    counts({ from, to, ...ref }) {
      const machine = dictionary.findMachine(ref)
      if (machine === undefined) return []
      return selectCounts
        .all<[number, number, number]>(machine, from, to)
        .map(([at, parts, total]) => ({ at, parts, total }))
    },
    gaps({ shop, from, to }) {
      if (from >= to) return []
      return selectGaps
        .all<[number, number, string, string, GapRecord['what'], GapRecord['why']]>(shop, from, to)
        .map(([start, stop, agent, machine, what, why]) => ({
          from: start,
          to: stop,
          agent,
          machine: machine === EVERY_MACHINE ? null : machine,
          what,
          why,
        }))
    },
  }
}
