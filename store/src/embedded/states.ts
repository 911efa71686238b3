import type { CurrentState, MachineRef, Series, StateInterval, StoreWrite, TimeRange } from '../store.ts'
import type { Database } from './database.ts'
import type { Dictionary } from './dictionary.ts'
import { mergeTouching, type Row, replaceSpan } from './intervals.ts'
import { STATE_NUMBERS, stateOf } from './schema.ts'

export interface StateWriter {
  write(write: Extract<StoreWrite, { type: 'state' }>): void
  forget(): void
}

type Columns = [start: number, stop: number, code: number, since: number, provisional: number, kind: number]
const COLUMNS = 'start, stop, code, since, provisional, kind'

// Intervals do not overlap, so that the one before `from` is the only one from before that can reach into a range.
const SELECT_TOUCHING = `SELECT ${COLUMNS} FROM state WHERE machine = ?1 AND start <= ?3 AND stop >= ?2
  AND start >= coalesce((SELECT start FROM state WHERE machine = ?1 AND start < ?2 ORDER BY start DESC LIMIT 1), ?2)
  ORDER BY start`

const toRow = ([start, stop, code, since, provisional, kind]: Columns): Row => ({
  start,
  stop,
  code,
  since,
  provisional,
  kind,
})

/** The last interval of every machine is also kept in memory, so that drawing it on costs one small row. */
export const openStateWriter = (db: Database, dictionary: Dictionary): StateWriter => {
  const selectNewest = db.prepare(`SELECT ${COLUMNS} FROM newest WHERE machine = ?`)
  const putNewest = db.prepare(`INSERT OR REPLACE INTO newest (machine, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`)
  const selectTouching = db.prepare(SELECT_TOUCHING)
  const remove = db.prepare('DELETE FROM state WHERE machine = ? AND start = ?')
  const put = db.prepare(`INSERT OR REPLACE INTO state (machine, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`)
  const newest = new Map<number, Row>()

  const newestOf = (machine: number): Row | undefined => {
    const known = newest.get(machine)
    if (known !== undefined) return known
    const columns = selectNewest.get<Columns>(machine)
    return columns && toRow(columns)
  }
  const store = (statement: typeof put, machine: number, row: Row): void => {
    statement.run(machine, row.start, row.stop, row.code, row.since, row.provisional, row.kind)
  }

  return {
    write({ series, from, to, code, since, provisional }) {
      const machine = dictionary.machine(series)
      if (from === to) return
      const kind = dictionary.kind(series.kind)
      const next = { start: from, stop: to, code: STATE_NUMBERS[code], since, provisional: provisional ? 1 : 0, kind }
      const last = newestOf(machine)
      const earlier =
        last === undefined || from > last.start ? [] : selectTouching.all<Columns>(machine, from, to).map(toRow)
      const rows = replaceSpan(last === undefined ? earlier : [...earlier, last], next)
      const newLast = rows.pop() as Row
      const unchanged = new Set(earlier)
      const kept = new Set(rows.map(row => row.start))
      for (const row of rows) if (!unchanged.has(row)) store(put, machine, row)
      for (const row of earlier) if (!kept.has(row.start)) remove.run(machine, row.start)
      if (newLast !== last) store(putNewest, machine, newLast)
      newest.set(machine, newLast)
    },
    forget: () => newest.clear(),
  }
}

export interface StateReader {
  timeline(query: MachineRef & TimeRange): StateInterval[]
  current(): CurrentState[]
}

export const openStateReader = (db: Database, dictionary: Dictionary): StateReader => {
  const selectTouching = db.prepare(SELECT_TOUCHING)
  const selectNewest = db.prepare(`SELECT ${COLUMNS} FROM newest WHERE machine = ? AND start <= ? AND stop >= ?`)
  const selectAllNewest = db.prepare(`SELECT machine, ${COLUMNS} FROM newest`)
  const selectConfirmed = db.prepare(
    `SELECT ${COLUMNS} FROM state WHERE machine = ? AND provisional = 0 ORDER BY start DESC LIMIT 1`,
  )
  return {
    timeline({ from, to, ...ref }) {
      const machine = dictionary.findMachine(ref)
      if (machine === undefined || from >= to) return []
      const rows = [
        ...selectTouching.all<Columns>(machine, from, to),
        ...selectNewest.all<Columns>(machine, to, from),
      ].map(columns => ({ ...toRow(columns), kind: 0 }))
      return mergeTouching(rows)
        .map(row => ({ ...row, start: Math.max(row.start, from), stop: Math.min(row.stop, to) }))
        .filter(row => row.start < row.stop)
        .map(toInterval)
    },
    current() {
      const machines = dictionary.machines()
      return selectAllNewest
        .all<[machine: number, ...Columns]>()
        .map(([machine, ...columns]) => {
          const row = toRow(columns)
          const confirmed = row.provisional === 0 ? columns : selectConfirmed.get<Columns>(machine)
          const series: Series = dictionary.series(machines.get(machine) as MachineRef, row.kind)
          return { ...toInterval(row), series, confirmed: confirmed && toInterval(toRow(confirmed)) }
        })
        .sort((a, b) => bySeries(a.series, b.series))
    },
  }
}

/** By shop, then machine: the order of every answer about several machines. */
export const bySeries = (a: MachineRef, b: MachineRef): number =>
  a.shop === b.shop ? (a.machine < b.machine ? -1 : 1) : a.shop < b.shop ? -1 : 1

const toInterval = ({ start, stop, code, since, provisional }: Row): StateInterval => ({
  from: start,
  to: stop,
  code: stateOf(code),
  since,
  provisional: provisional === 1,
})
