import type { Table } from './sample-codec.ts'
import { HOUR_MS } from './schema.ts'

/** Every time once, ascending. Of several values for the same signal and time the later table's wins; null never replaces a value. */
export const mergeTables = (maybeEmpty: readonly Table[]): Table => {
  const tables = maybeEmpty.filter(table => table.at.length > 0)
  const [first] = tables
  if (first === undefined) return { at: [], columns: new Map() }
  if (tables.length === 1) return first
  const inOrder = tables.every((table, index) => {
    const before = tables[index - 1]?.at.at(-1)
    return before === undefined || (table.at[0] as number) > before
  })
  const at = inOrder
    ? tables.flatMap(table => table.at)
    : [...new Set(tables.flatMap(table => table.at))].sort((a, b) => a - b)
  const rowOf = new Map(inOrder ? [] : at.map((time, row) => [time, row]))
  const columns = new Map<number, (number | null)[]>()
  let start = 0
  for (const table of tables) {
    for (const [signal, values] of table.columns) {
      let column = columns.get(signal)
      if (column === undefined) {
        column = new Array<number | null>(at.length).fill(null)
        columns.set(signal, column)
      }
      for (let index = 0; index < values.length; index++) {
        const value = values[index] as number | null
        const row = inOrder ? start + index : (rowOf.get(table.at[index] as number) as number)
        if (value !== null) column[row] = value
      }
    }
    start += table.at.length
  }
  return { at, columns }
}

/** The rows from index `from` (inclusive) to `to` (exclusive). */
export const sliceTable = ({ at, columns }: Table, from: number, to: number): Table =>
  from === 0 && to === at.length
    ? { at, columns }
    : {
        at: at.slice(from, to),
        columns: new Map([...columns].map(([signal, column]) => [signal, column.slice(from, to)])),
      }

/** Cuts a table at every start of an hour. */
export const splitByHour = (table: Table): { readonly hour: number; readonly table: Table }[] => {
  const { at } = table
  const parts: { hour: number; table: Table }[] = []
  for (let from = 0; from < at.length; ) {
    const hour = Math.floor((at[from] as number) / HOUR_MS)
    let to = from + 1
    while (to < at.length && (at[to] as number) < (hour + 1) * HOUR_MS) to++
    parts.push({ hour, table: sliceTable(table, from, to) })
    from = to
  }
  return parts
}
