import type { ModbusSignal } from '../settings.ts'
import type { ModbusRequest } from './modbus-plan.ts'
import type { Value } from './source.ts'

/**
 * The values of a request's signals from what came back for its addresses: registers as numbers 0…65535, or bits. 32-bit
 * values have the high word first (the order that the specification's own examples and most controls use).
 */
export const decodeAnswer = (
  request: ModbusRequest,
  data: readonly (number | boolean)[],
): { [signal: string]: Value } =>
  Object.fromEntries(
    request.signals.map(signal => [signal.name, decode(signal, data, signal.address - request.address)]),
  )

const decode = (signal: ModbusSignal, data: readonly (number | boolean)[], at: number): Value => {
  const first = data[at]
  if (typeof first === 'boolean') return first
  if (first === undefined) return null
  if (signal.type === 'bit') return ((first >> signal.bit) & 1) === 1
  const raw = toNumber(signal.type, first, Number(data[at + 1]))
  const value = raw * signal.scale + signal.offset
  return Number.isFinite(value) ? tidy(value) : null
}

const words = new DataView(new ArrayBuffer(4))

const toNumber = (type: Exclude<ModbusSignal['type'], 'bit'>, high: number, low: number): number => {
  words.setUint16(0, high)
  words.setUint16(2, low)
  switch (type) {
    case 'uint16':
      return words.getUint16(0)
    case 'int16':
      return words.getInt16(0)
    case 'uint32':
      return words.getUint32(0)
    case 'int32':
      return words.getInt32(0)
    case 'float32':
      return shortest(words.getFloat32(0))
  }
}

/** A float32 as the decimal that was meant: 0.1, not 0.10000000149011612. Seven digits are all it has. */
export const shortest = (float32: number): number =>
  Number.isFinite(float32) ? Number(float32.toPrecision(7)) : float32

/** 123 × 0.1 as 12.3, not 12.3 and a tail of binary: no signal has more than twelve digits. */
export const tidy = (value: number): number => (Number.isInteger(value) ? value : Number(value.toPrecision(12)))
