/** What a peer has in its memory, and what an agent that is configured for it must read there. */
export interface Image {
  readonly coils: readonly number[]
  readonly discrete: readonly number[]
  readonly holding: readonly number[]
  readonly input: readonly number[]
}

/** One signal of the agent's configuration, and its value. */
export interface Expected {
  readonly config: { readonly [setting: string]: string | number }
  readonly value: number | boolean | string
}

/** Registers written down by hand, after the specification's order of octets and what the names of the orders say. */
const HOLDING: readonly (readonly [string, readonly number[], Expected['config'], Expected['value']])[] = [
  ['uint16', [0xfffe], { type: 'uint16' }, 65_534],
  ['int16', [0xfffe], { type: 'int16', scale: 0.1 }, -0.2],
  ['uint32Abcd', [0x1234, 0x5678], { type: 'uint32', order: 'ABCD' }, 305_419_896],
  ['uint32Cdab', [0x5678, 0x1234], { type: 'uint32', order: 'CDAB' }, 305_419_896],
  ['uint32Badc', [0x3412, 0x7856], { type: 'uint32', order: 'BADC' }, 305_419_896],
  ['uint32Dcba', [0x7856, 0x3412], { type: 'uint32', order: 'DCBA' }, 305_419_896],
  ['int32', [0xffff, 0xfffe], { type: 'int32' }, -2],
  ['float32', [0x4148, 0x0000], { type: 'float32' }, 12.5],
  ['float32Cdab', [0x0000, 0x4148], { type: 'float32', order: 'CDAB' }, 12.5],
  ['uint64', [0x0000, 0x0001, 0x0000, 0x0002], { type: 'uint64' }, 4_294_967_298],
  ['float64', [0xc004, 0x0000, 0x0000, 0x0000], { type: 'float64' }, -2.5],
  ['bcd32', [0x1234, 0x5678], { type: 'bcd32' }, 12_345_678],
  ['bitOf', [0x0008], { type: 'bit', bit: 3 }, true],
  ['program', [0x4f31, 0x3233, 0x3400], { type: 'string', registers: 3 }, 'O1234'],
]
const BITS = 40
const INPUTS = 140

/** Holding registers back to back; more input registers than one request may have; bits over several octets. */
export const makeImage = (): { readonly image: Image; readonly expected: { readonly [signal: string]: Expected } } => {
  const holding: number[] = []
  const expected: { [signal: string]: Expected } = {}
  for (const [name, words, config, value] of HOLDING) {
    expected[name] = { config: { area: 'holding-register', address: holding.length, ...config }, value }
    holding.push(...words)
  }
  const coils = Array.from({ length: BITS }, (_, at) => Number(at % 3 === 0))
  const discrete = Array.from({ length: BITS }, (_, at) => Number(at % 7 === 1))
  const input = Array.from({ length: INPUTS }, (_, at) => 1_000 + at)
  for (const at of [0, 9, 33]) {
    expected[`coil${at}`] = { config: { area: 'coil', address: at }, value: coils[at] === 1 }
    expected[`discrete${at}`] = { config: { area: 'discrete-input', address: at }, value: discrete[at] === 1 }
  }
  // As many neighbours as the contract lets a machine have would fill requests by themselves; these are far apart.
  for (const at of [0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128, 136])
    expected[`input${at}`] = { config: { area: 'input-register', address: at }, value: 1_000 + at }
  return { image: { coils, discrete, holding, input }, expected }
}
