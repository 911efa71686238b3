import type { ModbusSignal } from '../catalogue.ts'
import type { Value } from '../model/values.ts'

// MODBUS Application Protocol Specification V1.1b3, section 6.
const AREA_OF: { readonly [functionCode: number]: ModbusSignal['area'] | 'coil' } = {
  1: 'coil',
  2: 'discrete-input',
  3: 'holding-register',
  4: 'input-register',
}
const MAX_BITS = 2_000
const MAX_REGISTERS = 125

const ILLEGAL_FUNCTION = 1
const ILLEGAL_ADDRESS = 2
const ILLEGAL_VALUE = 3

export interface ModbusAnswer {
  readonly pdu: Buffer
  /** The names of the signals that the answer contains whole. */
  readonly contains: readonly string[]
}

/** The answer to a request (without its MBAP header): data, or an exception. There is no function here that writes. */
export const answerPdu = (
  request: Buffer,
  signals: readonly ModbusSignal[],
  values: { readonly [signal: string]: Value },
): ModbusAnswer => {
  const code = request[0] ?? 0
  const exception = (reason: number): ModbusAnswer => ({ pdu: Buffer.from([code | 0x80, reason]), contains: [] })
  const area = AREA_OF[code]
  if (area === undefined) return exception(ILLEGAL_FUNCTION)
  if (request.length !== 5) return exception(ILLEGAL_VALUE)
  const from = request.readUInt16BE(1)
  const count = request.readUInt16BE(3)
  const bits = area === 'coil' || area === 'discrete-input'
  if (count < 1 || count > (bits ? MAX_BITS : MAX_REGISTERS)) return exception(ILLEGAL_VALUE)
  const here = signals.filter(signal => signal.area === area)
  const end = Math.max(0, ...here.map(signal => signal.address + widthOf(signal)))
  if (from + count > end) return exception(ILLEGAL_ADDRESS)

  const words = new Array<number>(end).fill(0)
  for (const signal of here) put(words, signal, values[signal.name] ?? 0)
  const asked = words.slice(from, from + count)
  const data = bits ? packBits(asked) : packRegisters(asked)
  const contains = here
    .filter(signal => signal.address >= from && signal.address + widthOf(signal) <= from + count)
    .map(signal => signal.name)
  return { pdu: Buffer.concat([Buffer.from([code, data.length]), data]), contains }
}

const widthOf = ({ type }: ModbusSignal): number => (type === 'uint32' ? 2 : 1)

/** Values beyond what the register holds stop at its end, as converters do; counters run over. */
const put = (words: number[], signal: ModbusSignal, value: Value): void => {
  const { address, type, bit = 0, scale = 1 } = signal
  if (type === 'bit') {
    if (value === true) words[address] = (words[address] ?? 0) | (1 << bit)
    return
  }
  const raw = Math.round(Number(value) / scale)
  if (type === 'uint32') {
    words[address] = Math.floor(raw / 2 ** 16) & 0xffff
    words[address + 1] = raw & 0xffff
    return
  }
  if (signal.role === 'counter') words[address] = raw % 2 ** 16
  else if (type === 'int16') words[address] = Math.min(32_767, Math.max(-32_768, raw)) & 0xffff
  else words[address] = Math.min(65_535, Math.max(0, raw))
}

const packRegisters = (words: readonly number[]): Buffer => {
  const data = Buffer.alloc(words.length * 2)
  for (const [i, word] of words.entries()) data.writeUInt16BE(word, i * 2)
  return data
}

const packBits = (bits: readonly number[]): Buffer => {
  const data = Buffer.alloc(Math.ceil(bits.length / 8))
  for (const [i, bit] of bits.entries()) if (bit !== 0) data[i >> 3] = (data[i >> 3] ?? 0) | (1 << (i & 7))
  return data
}
