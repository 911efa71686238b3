import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { arrange, decodeField } from '../src/sources/modbus/decode.ts'
import { type Encoding, type Field, ORDERS, type Order, REGISTER_TYPES } from '../src/sources/modbus/types.ts'
import { register } from './modbus-support.ts'

interface Vector {
  readonly type: Field['type']
  readonly order: Order
  readonly encoding?: Encoding
  /** In hexadecimal, as they stand on the wire. */
  readonly octets: string
  readonly value: number | string
}

/** Made by pymodbus, see modbus_vectors.py beside it. */
const VECTORS: readonly Vector[] = JSON.parse(
  readFileSync(join(import.meta.dirname, 'golden/modbus-vectors.json'), 'utf8'),
)

const decode = (over: Partial<Field>, ...octets: number[]) => {
  const field = register('v', 100, { width: octets.length / 2, ...over })
  return decodeField(field, { area: field.area, address: 100, count: field.width }, Uint8Array.from(octets))
}

describe('a value in registers', () => {
  it.each(VECTORS)('is read as the peer wrote it: $type $order $octets', ({ octets, value, ...over }) => {
    expect(decode(over, ...Buffer.from(octets, 'hex'))).toBe(value)
  })

  it('is known in every type and order', () => {
    const covered = new Set(VECTORS.map(({ type, order }) => `${type} ${order}`))
    const short = ORDERS.filter(order => order.length === 4)
    for (const type of REGISTER_TYPES.filter(type => type !== 'bit')) {
      const orders = type === 'string' ? ['ABCD', 'BADC'] : type.endsWith('64') ? ORDERS : short
      for (const order of orders) expect(covered).toContain(`${type} ${order}`)
    }
  })

  it('in all orders is the same octets, each once', () => {
    for (const order of ORDERS) {
      const wire = Uint8Array.from([0, 1, 2, 3, 4, 5, 6, 7])
      expect([...arrange(wire, order)].toSorted()).toEqual([...wire])
    }
  })

  it('is found at its place in a longer answer', () => {
    const field = register('v', 12, { type: 'uint32' })
    const data = Uint8Array.from([0, 1, 0, 2, 0, 3, 0, 4, 0, 5])
    expect(decodeField(field, { area: 'input-register', address: 10, count: 5 }, data)).toBe(0x0003_0004)
  })

  it('is a decimal as it was meant, scaled and moved', () => {
    expect(decode({ type: 'float32' }, 0x3d, 0xcc, 0xcc, 0xcd)).toBe(0.1)
    expect(decode({ scale: 0.1 }, 0, 123)).toBe(12.3)
    expect(decode({ type: 'int16', scale: 0.01, offset: -40 }, 0xff, 0xfe)).toBe(-40.02)
  })

  it('is none where the octets are no such value', () => {
    expect(decode({ type: 'float32' }, 0x7f, 0xc0, 0, 0)).toBe(null)
    expect(decode({ type: 'float32' }, 0x7f, 0x80, 0, 0)).toBe(null)
    expect(decode({ type: 'float64' }, 0xff, 0xf0, 0, 0, 0, 0, 0, 0)).toBe(null)
    expect(decode({ type: 'bcd16' }, 0x12, 0x3a)).toBe(null)
    expect(decode({ type: 'bcd32' }, 0xf2, 0x34, 0x56, 0x78)).toBe(null)
    expect(decode({ type: 'string' }, 0x41, 0xff)).toBe(null)
    expect(decode({ type: 'string', encoding: 'utf-8' }, 0xc3, 0x28)).toBe(null)
    expect(decode({ type: 'float64', scale: 1e300 }, 0x7f, 0xef, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)).toBe(null)
  })

  it('of 64 bits is told exactly or not at all', () => {
    const largest = [0x00, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
    expect(decode({ type: 'uint64' }, ...largest)).toBe(Number.MAX_SAFE_INTEGER)
    expect(decode({ type: 'uint64' }, 0, 0x20, 0, 0, 0, 0, 0, 0)).toBe(null)
    expect(decode({ type: 'uint64' }, ...Array<number>(8).fill(0xff))).toBe(null)
    expect(decode({ type: 'int64' }, ...Array<number>(8).fill(0xff))).toBe(-1)
    expect(decode({ type: 'int64' }, 0x80, 0, 0, 0, 0, 0, 0, 0)).toBe(null)
  })

  it('that is text ends at its first zero, without trailing blanks', () => {
    expect(decode({ type: 'string' }, 0x4f, 0x31, 0x20, 0x20, 0x00, 0x58)).toBe('O1')
    expect(decode({ type: 'string' }, 0, 0)).toBe('')
  })
})

describe('a bit', () => {
  it('of a register is counted from the lowest', () => {
    expect(decode({ type: 'bit', bit: 1 }, 0, 0b10)).toBe(true)
    expect(decode({ type: 'bit', bit: 0 }, 0, 0b10)).toBe(false)
    expect(decode({ type: 'bit', bit: 15 }, 0x80, 0)).toBe(true)
    expect(decode({ type: 'bit', bit: 15, order: 'BADC' }, 0, 0x80)).toBe(true)
  })

  it('of an area of bits is where the specification has it (V1.1b3, section 6.1: coils 20 to 38)', () => {
    const data = Uint8Array.from([0xcd, 0x6b, 0x05])
    const on = Array.from({ length: 19 }, (_, i) =>
      decodeField(register('c', 19 + i, { area: 'coil', type: 'bit' }), { area: 'coil', address: 19, count: 19 }, data),
    )
    expect(on.map(Number).join('')).toBe('1011001111010110101')
  })
})
