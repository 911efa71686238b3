import { type Area, hasBits } from './protocol.ts'

/** What the octets of registers can mean. A bit is one of a register here; coils and discrete inputs are nothing else. */
export const REGISTER_TYPES = [
  'bit',
  'uint16',
  'int16',
  'uint32',
  'int32',
  'uint64',
  'int64',
  'float32',
  'float64',
  'bcd16',
  'bcd32',
  'string',
] as const
export type RegisterType = (typeof REGISTER_TYPES)[number]

/**
 * Where the octets of a value stand on the wire, as the field writes it: A is the octet of the highest value. The names of
 * four letters hold for every width: are the words swapped (CDAB), the octets in each word (BADC), or both (DCBA)? The
 * names of eight are for 64 bits whose halves are ordered otherwise than the words within.
 */
export const ORDERS = [
  'ABCD',
  'CDAB',
  'BADC',
  'DCBA',
  'ABCDEFGH',
  'GHEFCDAB',
  'BADCFEHG',
  'HGFEDCBA',
  'EFGHABCD',
  'CDABGHEF',
  'FEHGBADC',
  'DCBAHGFE',
] as const
export type Order = (typeof ORDERS)[number]

/** Of texts: Shift_JIS is what Japanese controls write program names and machine names in. */
export const ENCODINGS = ['ascii', 'utf-8', 'shift_jis'] as const
export type Encoding = (typeof ENCODINGS)[number]

/** How many registers a type takes; a text has as many as its signal says. */
export const REGISTERS_OF: { readonly [type in Exclude<RegisterType, 'string'>]: 1 | 2 | 4 } = {
  ...{ bit: 1, uint16: 1, int16: 1, bcd16: 1 },
  ...{ uint32: 2, int32: 2, float32: 2, bcd32: 2 },
  ...{ uint64: 4, int64: 4, float64: 4 },
}

/** Where one value is found and what its octets mean. */
export interface Field {
  readonly name: string
  readonly area: Area
  /** Zero-based. */
  readonly address: number
  readonly type: RegisterType
  /** How many addresses it takes. */
  readonly width: number
  /** Which bit of a register, 0 the lowest. */
  readonly bit: number
  readonly order: Order
  readonly encoding: Encoding
  readonly scale: number
  readonly offset: number
  /** Read at every n-th poll. */
  readonly every: number
}

/** How many addresses a value takes. @param registers of a text. */
export const widthOf = (area: Area, type: RegisterType, registers = 1): number =>
  hasBits(area) ? 1 : type === 'string' ? registers : REGISTERS_OF[type]
