import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { type ByteReader, type ByteWriter, createByteReader, createByteWriter } from './bytes.ts'
import { HOUR_MS } from './schema.ts'

type Column = readonly (number | null)[]

/** Rows of one machine: times ascending, each once; one column per signal number, as long as `at`. */
export interface Table {
  readonly at: readonly number[]
  readonly columns: ReadonlyMap<number, Column>
}

const PLAIN = 0x10
const DEFLATED = 0x11

/**
 * Packs the rows of one machine and hour. After a byte that says whether the rest is deflated:
 *
 *     rows | times: delta of delta from the start of the hour | columns | per column: signal, form, [nulls], values
 *
 * Form 0…4: values × 10^form are integers, kept as differences; form 8: IEEE 754 doubles, byte planes apart, which deflates
 * better. Form + 16: a bit per row says which values are null. Every number comes back as it was, bit by bit (−0 as 0).
 */
export const encodePack = (table: Table, hour: number, compress: boolean): Uint8Array<ArrayBuffer> => {
  const out = createByteWriter(64 + table.at.length * table.columns.size * 2)
  out.u8(PLAIN)
  writeBody(out, table, hour)
  const plain = out.slice()
  if (!compress) return plain
  const deflated = deflateRawSync(plain.subarray(1), { level: 3 })
  if (deflated.length >= plain.length) return plain
  const pack = new Uint8Array(deflated.length + 1)
  pack[0] = DEFLATED
  pack.set(deflated, 1)
  return pack
}

/** @throws RangeError or a zlib error when the bytes are damaged. */
export const decodePack = (pack: Uint8Array, hour: number): Table => {
  if (pack[0] !== PLAIN && pack[0] !== DEFLATED) throw new RangeError(`packed samples: unknown form ${pack[0]}`)
  const body = pack.subarray(1)
  return readBody(createByteReader(pack[0] === DEFLATED ? inflateRawSync(body) : body), hour)
}

/** One transaction's samples of all machines, in the order in which they were written. */
export interface BundleWriter {
  add(machine: number, hour: number, table: Table): void
  readonly bytes: number
  finish(): Uint8Array<ArrayBuffer>
}

export const createBundleWriter = (): BundleWriter => {
  const out = createByteWriter(4096)
  const scratch = createByteWriter(4096)
  return {
    add(machine, hour, table) {
      scratch.truncate(0)
      writeBody(scratch, table, hour)
      out.varint(machine)
      out.varint(hour)
      out.varint(scratch.length)
      out.bytes(scratch.slice())
    },
    get bytes() {
      return out.length
    },
    finish: () => out.slice(),
  }
}

/** Calls `visit` for each entry; `read` unpacks it only when asked, so that looking for one machine skips the others cheaply. */
export const eachOfBundle = (
  bundle: Uint8Array,
  visit: (machine: number, hour: number, read: () => Table) => void,
): void => {
  const input = createByteReader(bundle)
  while (!input.done) {
    const machine = input.varint()
    const hour = input.varint()
    const body = input.bytes(input.varint())
    visit(machine, hour, () => readBody(createByteReader(body), hour))
  }
}

const writeBody = (out: ByteWriter, { at, columns }: Table, hour: number): void => {
  out.varint(at.length)
  let last = hour * HOUR_MS
  let lastDelta = 0
  for (const time of at) {
    const delta = time - last
    out.signed(delta - lastDelta)
    last = time
    lastDelta = delta
  }
  const filled = [...columns].filter(([, column]) => column.some(value => value !== null))
  out.varint(filled.length)
  for (const [signal, column] of filled) {
    out.varint(signal)
    writeColumn(out, column)
  }
}

const readBody = (input: ByteReader, hour: number): Table => {
  const at: number[] = []
  let last = hour * HOUR_MS
  let lastDelta = 0
  for (let rows = input.varint(); rows > 0; rows--) {
    lastDelta += input.signed()
    last += lastDelta
    at.push(last)
  }
  const columns = new Map<number, Column>()
  for (let left = input.varint(); left > 0; left--) {
    const signal = input.varint()
    columns.set(signal, readColumn(input, at.length))
  }
  return { at, columns }
}

const FORM_DOUBLES = 8
const FORM_HAS_NULLS = 16
const SCALES = [1, 10, 100, 1_000, 10_000]
/** Differences of two such integers still fit a signed varint. */
const SCALED_MAX = 2 ** 51

const writeColumn = (out: ByteWriter, column: Column): void => {
  const values = column.filter(value => value !== null)
  const hasNulls = values.length < column.length
  const scale = SCALES.findIndex(factor => values.every(value => isScaled(value, factor)))
  out.u8((scale < 0 ? FORM_DOUBLES : scale) + (hasNulls ? FORM_HAS_NULLS : 0))
  if (hasNulls) writeBits(out, column)
  const factor = SCALES[scale]
  if (factor === undefined) {
    out.bytes(splitPlanes(values))
    return
  }
  let last = 0
  for (const value of values) {
    const scaled = Math.round(value * factor)
    out.signed(scaled - last)
    last = scaled
  }
}

const isScaled = (value: number, factor: number): boolean => {
  const scaled = Math.round(value * factor)
  return scaled / factor === value && Math.abs(scaled) <= SCALED_MAX
}

const readColumn = (input: ByteReader, rows: number): Column => {
  const form = input.u8()
  const bits = form >= FORM_HAS_NULLS ? input.bytes(Math.ceil(rows / 8)) : undefined
  const isNull = (row: number): boolean => bits !== undefined && (((bits[row >> 3] as number) >> (row & 7)) & 1) === 1
  let count = rows
  if (bits !== undefined) for (let row = 0; row < rows; row++) if (isNull(row)) count--
  const values = readValues(input, form % FORM_HAS_NULLS, count)
  if (bits === undefined) return values
  let next = 0
  return Array.from({ length: rows }, (_, row) => (isNull(row) ? null : (values[next++] as number)))
}

const readValues = (input: ByteReader, form: number, count: number): number[] => {
  if (form === FORM_DOUBLES) return joinPlanes(input.bytes(count * 8), count)
  const factor = SCALES[form]
  if (factor === undefined) throw new RangeError(`packed samples: unknown form ${form}`)
  const values = new Array<number>(count)
  let last = 0
  for (let index = 0; index < count; index++) {
    last += input.signed()
    values[index] = last / factor
  }
  return values
}

const writeBits = (out: ByteWriter, column: Column): void => {
  const bits = new Uint8Array(Math.ceil(column.length / 8))
  column.forEach((value, row) => {
    if (value === null) bits[row >> 3] = (bits[row >> 3] as number) | (1 << (row & 7))
  })
  out.bytes(bits)
}

const splitPlanes = (values: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(Float64Array.from(values).buffer)
  const planes = new Uint8Array(bytes.length)
  for (let at = 0; at < bytes.length; at++) planes[(at % 8) * values.length + (at >> 3)] = bytes[at] as number
  return planes
}

const joinPlanes = (planes: Uint8Array, count: number): number[] => {
  const bytes = new Uint8Array(planes.length)
  for (let at = 0; at < bytes.length; at++) bytes[at] = planes[(at % 8) * count + (at >> 3)] as number
  return [...new Float64Array(bytes.buffer)]
}
