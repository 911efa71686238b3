import type { MachineRef, Samples, StoreWrite, TimeRange } from '../store.ts'
import type { Database } from './database.ts'
import type { Dictionary } from './dictionary.ts'
import { type BundleWriter, createBundleWriter, decodePack, eachOfBundle, type Table } from './sample-codec.ts'
import { mergeTables, sliceTable, splitByHour } from './sample-merge.ts'
import { HOUR_MS } from './schema.ts'

export const SAMPLE_ROWS_DEFAULT = 100_000

/** One bundle at most of this size per row: a query unpacks one row at a time. */
const BUNDLE_MAX_BYTES = 1024 * 1024

export interface SampleWriter {
  write(write: Extract<StoreWrite, { type: 'samples' }>): void
  /** Puts down what the transaction gathered; must be the last thing in it. */
  flush(): void
  forget(): void
}

/** Gathers the samples of a transaction into one row, appended at the end of the table. */
export const openSampleWriter = (db: Database, dictionary: Dictionary): SampleWriter => {
  const append = db.prepare('INSERT INTO sample_recent (bundle) VALUES (?)')
  let bundle: BundleWriter = createBundleWriter()
  const flush = (): void => {
    if (bundle.bytes === 0) return
    append.run(bundle.finish())
    bundle = createBundleWriter()
  }
  return {
    write({ series, at, signals }) {
      const machine = dictionary.machine(series)
      const columns = new Map(Object.entries(signals).map(([name, column]) => [dictionary.signal(name), column]))
      for (const part of splitByHour({ at, columns })) bundle.add(machine, part.hour, part.table)
      if (bundle.bytes >= BUNDLE_MAX_BYTES) flush()
    },
    flush,
    forget() {
      bundle = createBundleWriter()
    },
  }
}

export interface SampleReader {
  samples(query: MachineRef & TimeRange & { readonly limitRows?: number }): Samples
}

export const openSampleReader = (db: Database, dictionary: Dictionary): SampleReader => {
  const selectPacks = db.prepare('SELECT pack FROM sample_pack WHERE hour = ? AND machine = ? ORDER BY seq')
  const selectRecent = db.prepare('SELECT bundle FROM sample_recent ORDER BY seq')
  const selectSpan = db.prepare('SELECT (SELECT min(hour) FROM sample_pack), (SELECT max(hour) FROM sample_pack)')

  /** What is not yet packed, by hour, in the order in which it was written. */
  const recentOf = (wanted: number, first: number, last: number): Map<number, Table[]> => {
    const tables = new Map<number, Table[]>()
    for (const [bundle] of selectRecent.each<[Uint8Array]>()) {
      eachOfBundle(bundle, (machine, hour, read) => {
        if (machine !== wanted || hour < first || hour > last) return
        tables.set(hour, [...(tables.get(hour) ?? []), read()])
      })
    }
    return tables
  }

  return {
    samples({ from, to, limitRows = SAMPLE_ROWS_DEFAULT, ...ref }) {
      const machine = dictionary.findMachine(ref)
      if (machine === undefined || from >= to || limitRows <= 0) return { at: [], signals: {} }
      const [first, last] = [Math.floor(from / HOUR_MS), Math.floor((to - 1) / HOUR_MS)]
      const recent = recentOf(machine, first, last)
      const [firstPacked, lastPacked] = selectSpan.get<[number | null, number | null]>() ?? [null, null]
      const hours = new Set(recent.keys())
      if (firstPacked !== null && lastPacked !== null) {
        for (let hour = Math.max(first, firstPacked); hour <= Math.min(last, lastPacked); hour++) hours.add(hour)
      }
      const tables: Table[] = []
      let rows = 0
      for (const hour of [...hours].sort((a, b) => a - b)) {
        if (rows >= limitRows) break
        const packs = selectPacks.all<[Uint8Array]>(hour, machine).map(([pack]) => decodePack(pack, hour))
        const table = clip(mergeTables([...packs, ...(recent.get(hour) ?? [])]), { from, to }, limitRows - rows)
        rows += table.at.length
        tables.push(table)
      }
      return named(dictionary, mergeTables(tables))
    },
  }
}

const clip = (table: Table, { from, to }: TimeRange, limitRows: number): Table => {
  const start = table.at.findIndex(time => time >= from)
  if (start < 0) return sliceTable(table, 0, 0)
  const end = table.at.findIndex(time => time >= to)
  return sliceTable(table, start, Math.min(end < 0 ? table.at.length : end, start + limitRows))
}

const named = (dictionary: Dictionary, { at, columns }: Table): Samples => ({
  at,
  signals: Object.fromEntries(
    [...columns]
      .filter(([, column]) => column.some(value => value !== null))
      .map(([signal, column]) => [dictionary.signalName(signal), column] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  ),
})
