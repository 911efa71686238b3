import { STATE_CODES } from '@nakama/contract'
import type { MachineRef, Resolution, Series, StoreWrite, TimeRange } from '../store.ts'
import type { Database } from './database.ts'
import type { Dictionary } from './dictionary.ts'
import { copyHour, decodeMinutes, emptyDay, encodeMinutes, kindOfHour, setHour, sumMinutes } from './rollup-codec.ts'
import { DAY_MS, HOUR_MS } from './schema.ts'
import { bySeries } from './states.ts'

const CODES = STATE_CODES.length
const HOURS = 24
const MINUTE_MS = 60_000

export type RollupQuery = TimeRange & { readonly resolution: Resolution } & Partial<MachineRef>

/**
 * Rollups as they cross the threads, ascending by machine then time: row i belongs to `series[seriesOf[i]]`, starts at
 * `at[i]` and has the 7 numbers from `ms[7 i]` on. Arrays of numbers move without being copied.
 */
export interface PackedRollups {
  readonly series: readonly Series[]
  readonly seriesOf: Uint32Array
  readonly at: Float64Array
  readonly ms: Uint32Array
}

export interface RollupWriter {
  write(write: Extract<StoreWrite, { type: 'rollup' }>): void
}

export const openRollupWriter = (db: Database, dictionary: Dictionary): RollupWriter => {
  const selectDay = db.prepare('SELECT hours FROM rollup_day WHERE day = ? AND machine = ?')
  const putDay = db.prepare('INSERT OR REPLACE INTO rollup_day (day, machine, hours) VALUES (?, ?, ?)')
  const putMinutes = db.prepare('INSERT OR REPLACE INTO minutes (hour, machine, kind, pack) VALUES (?, ?, ?, ?)')
  const removeMinutes = db.prepare('DELETE FROM minutes WHERE hour = ? AND machine = ?')
  return {
    write({ series, hour: at, minutes }) {
      const machine = dictionary.machine(series)
      const kind = dictionary.kind(series.kind)
      const hour = at / HOUR_MS
      const day = Math.floor(hour / HOURS)
      const hours = selectDay.get<[Uint8Array]>(day, machine)?.[0] ?? emptyDay()
      setHour(hours, hour % HOURS, kind, sumMinutes(minutes))
      putDay.run(day, machine, hours)
      const pack = encodeMinutes(minutes)
      if (pack.length === 0) removeMinutes.run(hour, machine)
      else putMinutes.run(hour, machine, kind, pack)
    },
  }
}

export interface RollupReader {
  rollups(query: RollupQuery): PackedRollups
}

export const openRollupReader = (db: Database, dictionary: Dictionary): RollupReader => {
  const selectDays = db.prepare('SELECT day, machine, hours FROM rollup_day WHERE day BETWEEN ? AND ?')
  const selectDay = db.prepare('SELECT day, machine, hours FROM rollup_day WHERE day = ? AND machine = ?')
  const selectHours = db.prepare('SELECT hour, machine, kind, pack FROM minutes WHERE hour BETWEEN ? AND ?')
  const selectHour = db.prepare('SELECT hour, machine, kind, pack FROM minutes WHERE hour = ? AND machine = ?')
  const selectSpan = db.prepare('SELECT (SELECT min(day) FROM rollup_day), (SELECT max(day) FROM rollup_day)')

  /** The table is ordered by time: one machine is looked up unit by unit, all machines are one scan. */
  const rowsOf = <T extends [number, number, ...(number | Uint8Array)[]]>(
    all: typeof selectDays,
    one: typeof selectDays,
    first: number,
    last: number,
    machine: number | undefined,
  ): T[] => {
    if (machine === undefined) return all.all<T>(first, last)
    const rows: T[] = []
    for (let unit = first; unit <= last; unit++) rows.push(...one.all<T>(unit, machine))
    return rows
  }

  return {
    rollups(query) {
      const wanted = wantedMachines(dictionary, query)
      const [firstDay, lastDay] = selectSpan.get<[number | null, number | null]>() ?? [null, null]
      if (wanted.size === 0 || firstDay === null || lastDay === null || query.from >= query.to)
        return collect(dictionary, [])
      const one = wanted.size === 1 && query.machine !== undefined ? [...wanted.keys()][0] : undefined
      const unitMs = query.resolution === 'hour' ? HOUR_MS : MINUTE_MS
      // Every bucket that starts before `to` is wanted whole, and none is looked for where there is nothing: a range from 1970 on costs nothing more.
      const from = Math.max(Math.floor(query.from / unitMs) * unitMs, firstDay * DAY_MS)
      const to = Math.min(query.to, (lastDay + 1) * DAY_MS)
      if (from >= to) return collect(dictionary, [])
      const blocks: Block[] = []
      if (query.resolution === 'hour') {
        const [first, last] = [Math.floor(from / DAY_MS), Math.floor((to - 1) / DAY_MS)]
        for (const [day, machine, hours] of rowsOf<[number, number, Uint8Array]>(
          selectDays,
          selectDay,
          first,
          last,
          one,
        )) {
          if (wanted.has(machine)) blocks.push(dayBlock(day, machine, hours))
        }
      } else {
        const [first, last] = [Math.floor(from / HOUR_MS), Math.floor((to - 1) / HOUR_MS)]
        type Row = [number, number, number, Uint8Array]
        for (const [hour, machine, kind, pack] of rowsOf<Row>(selectHours, selectHour, first, last, one)) {
          if (wanted.has(machine)) blocks.push(hourBlock(hour, machine, kind, pack))
        }
      }
      const order = new Map(
        [...wanted].sort(([, a], [, b]) => bySeries(a, b)).map(([machine], index) => [machine, index]),
      )
      blocks.sort((a, b) => (order.get(a.machine) as number) - (order.get(b.machine) as number) || a.start - b.start)
      return collect(dictionary, blocks, wanted, { from, to })
    },
  }
}

const wantedMachines = (dictionary: Dictionary, { shop, machine }: Partial<MachineRef>): Map<number, MachineRef> => {
  if (shop !== undefined && machine !== undefined) {
    const found = dictionary.findMachine({ shop, machine })
    return new Map(found === undefined ? [] : [[found, { shop, machine }]])
  }
  return new Map(
    [...dictionary.machines()].filter(
      ([, ref]) => (shop === undefined || ref.shop === shop) && (machine === undefined || ref.machine === machine),
    ),
  )
}

/** Consecutive buckets of one machine. */
interface Block {
  readonly machine: number
  readonly start: number
  readonly bucketMs: number
  readonly buckets: number
  /** 0: nothing is known of that bucket. */
  readonly kindOf: (bucket: number) => number
  readonly copy: (bucket: number, target: Uint32Array, offset: number) => void
}

const dayBlock = (day: number, machine: number, hours: Uint8Array): Block => ({
  machine,
  start: day * DAY_MS,
  bucketMs: HOUR_MS,
  buckets: HOURS,
  kindOf: bucket => kindOfHour(hours, bucket),
  copy: (bucket, target, offset) => copyHour(hours, bucket, target, offset),
})

const hourBlock = (hour: number, machine: number, kind: number, pack: Uint8Array): Block => {
  const table = decodeMinutes(pack)
  const rowOf = (bucket: number): Uint32Array => table.subarray(bucket * CODES, (bucket + 1) * CODES)
  return {
    machine,
    start: hour * HOUR_MS,
    bucketMs: MINUTE_MS,
    buckets: 60,
    kindOf: bucket => (rowOf(bucket).some(ms => ms > 0) ? kind : 0),
    copy: (bucket, target, offset) => target.set(rowOf(bucket), offset),
  }
}

const collect = (
  dictionary: Dictionary,
  blocks: readonly Block[],
  machines: ReadonlyMap<number, MachineRef> = new Map(),
  range: TimeRange = { from: 0, to: 0 },
): PackedRollups => {
  const capacity = blocks.reduce((sum, block) => sum + block.buckets, 0)
  const [seriesOf, at, ms] = [new Uint32Array(capacity), new Float64Array(capacity), new Uint32Array(capacity * CODES)]
  const series: Series[] = []
  const numbers = new Map<number, number>()
  let rows = 0
  for (const block of blocks) {
    for (let bucket = 0; bucket < block.buckets; bucket++) {
      const time = block.start + bucket * block.bucketMs
      const kind = block.kindOf(bucket)
      if (kind === 0 || time < range.from || time >= range.to) continue
      const key = block.machine * 256 + kind
      let number = numbers.get(key)
      if (number === undefined) {
        number = series.push(dictionary.series(machines.get(block.machine) as MachineRef, kind)) - 1
        numbers.set(key, number)
      }
      seriesOf[rows] = number
      at[rows] = time
      block.copy(bucket, ms, rows * CODES)
      rows++
    }
  }
  return { series, seriesOf: seriesOf.slice(0, rows), at: at.slice(0, rows), ms: ms.slice(0, rows * CODES) }
}
