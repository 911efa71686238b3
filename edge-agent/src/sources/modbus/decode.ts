import { shortest, tidy } from '../numbers.ts'
import type { Value } from '../source.ts'
import { hasBits, type ReadRequest } from './protocol.ts'
import type { Encoding, Field, Order, RegisterType } from './types.ts'

/** The value of a field from the data of the answer that contains it. Null: what is there is no value of this type. */
export const decodeField = (field: Field, request: ReadRequest, data: Uint8Array): Value => {
  const at = field.address - request.address
  if (hasBits(field.area)) return bitOf(data[at >> 3] as number, at & 7)
  const octets = data.subarray(at * 2, (at + field.width) * 2)
  if (field.type === 'string') return decodeText(arrange(octets, field.order), field.encoding)
  const view = viewOf(arrange(octets, field.order))
  if (field.type === 'bit') return bitOf(view.getUint16(0), field.bit)
  const raw = NUMBERS[field.type](view)
  if (raw === null || !Number.isFinite(raw)) return null
  if (field.scale === 1 && field.offset === 0) return raw
  const value = raw * field.scale + field.offset
  return Number.isFinite(value) ? tidy(value) : null
}

const NUMBERS: { readonly [type in Exclude<RegisterType, 'bit' | 'string'>]: (view: DataView) => number | null } = {
  uint16: view => view.getUint16(0),
  int16: view => view.getInt16(0),
  uint32: view => view.getUint32(0),
  int32: view => view.getInt32(0),
  uint64: view => exact(view.getBigUint64(0)),
  int64: view => exact(view.getBigInt64(0)),
  float32: view => shortest(view.getFloat32(0)),
  float64: view => view.getFloat64(0),
  bcd16: decimal,
  bcd32: decimal,
}

/**
 * Beyond 2^53 a number cannot tell such an integer exactly. No machine has counted so far: it is "no value" (all ones), or
 * read in the wrong order, so it is none.
 */
const exact = (value: bigint): number | null => {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : null
}

/** Four bits a digit; null when one of them is none. */
function decimal(view: DataView): number | null {
  let value = 0
  for (let at = 0; at < view.byteLength; at++) {
    const octet = view.getUint8(at)
    const [high, low] = [octet >> 4, octet & 0xf]
    if (high > 9 || low > 9) return null
    value = value * 100 + high * 10 + low
  }
  return value
}

/** The octets of a value, highest first, from how they stand on the wire. */
export const arrange = (wire: Uint8Array, order: Order): Uint8Array => {
  if (order === 'ABCD' || order === 'ABCDEFGH') return wire
  const value = new Uint8Array(wire.length)
  for (const [at, octet] of wire.entries()) value[placeOf(at, wire.length, order)] = octet
  return value
}

const LETTER_A = 'A'.charCodeAt(0)

const placeOf = (at: number, length: number, order: Order): number => {
  if (order.length === 8) return order.charCodeAt(at) - LETTER_A
  const swapsOctets = order === 'BADC' || order === 'DCBA'
  const swapsWords = order === 'CDAB' || order === 'DCBA'
  const word = swapsWords ? length / 2 - 1 - (at >> 1) : at >> 1
  return word * 2 + ((at & 1) ^ (swapsOctets ? 1 : 0))
}

const decoders: { readonly [encoding in Encoding]: { decode(octets: Uint8Array): string } } = {
  ascii: new TextDecoder('utf-8', { fatal: true }),
  'utf-8': new TextDecoder('utf-8', { fatal: true }),
  shift_jis: new TextDecoder('shift_jis', { fatal: true }),
}
const ASCII_MAX = 0x7f

/** Up to the first zero, without the blanks that it was filled up with. */
const decodeText = (octets: Uint8Array, encoding: Encoding): string | null => {
  const zero = octets.indexOf(0)
  const text = zero < 0 ? octets : octets.subarray(0, zero)
  if (encoding === 'ascii' && text.some(octet => octet > ASCII_MAX)) return null
  try {
    return decoders[encoding].decode(text).trimEnd()
  } catch {
    return null
  }
}

const bitOf = (word: number, bit: number): boolean => ((word >> bit) & 1) === 1
const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength)
