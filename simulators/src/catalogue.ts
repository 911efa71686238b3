import type { MachineKind } from '@nakama/contract'

/** What a signal is good for: to decide the state, as a number worth recording, to count parts, or for nobody but the shop. */
export type SignalRole = 'state' | 'sample' | 'counter' | 'tick' | 'other' | 'private'

/** Where a Modbus signal is found: zero-based addresses; 32 bits are two registers, high word first; value = raw × scale. */
export interface ModbusSignal {
  readonly name: string
  readonly role: SignalRole
  readonly area: 'discrete-input' | 'holding-register' | 'input-register'
  readonly address: number
  readonly type: 'bit' | 'uint16' | 'int16' | 'uint32'
  /** Of a register, 0 the lowest; only with `type: 'bit'` in registers. */
  readonly bit?: number
  readonly scale?: number
  readonly unit?: string
}

/** A variable `s=<shop>/<machine>/<name>` of the namespace `OPCUA_NAMESPACE`. */
export interface OpcuaSignal {
  readonly name: string
  readonly role: SignalRole
  readonly type: 'String' | 'Boolean' | 'Double' | 'UInt32'
  readonly unit?: string
}

/** How lamps are to be read: `green`, or `yellow-blinking` for the signal `yellowBlink`. */
export interface LampMeanings {
  readonly alarm: readonly string[]
  readonly running: readonly string[]
  readonly paused: readonly string[]
  readonly setup: readonly string[]
  readonly done: readonly string[]
}

export type Model = {
  readonly kind: MachineKind
  /** Which of an agent's ready-made rules fit these signals. */
  readonly presets: readonly ('cnc-bits' | 'stack-light' | 'motor-current' | 'mtconnect')[]
  /** Only where they differ from the usual ones. */
  readonly lamps?: LampMeanings
  readonly motor?: { readonly runningAboveA: number; readonly offBelowA: number }
} & (
  | { readonly protocol: 'modbus-tcp'; readonly signals: readonly ModbusSignal[] }
  | { readonly protocol: 'opcua'; readonly signals: readonly OpcuaSignal[] }
)

export const OPCUA_NAMESPACE = 'urn:nakama:simulators:machines'

export const MODEL_NAMES = [
  'nc-lathe',
  'vertical-mc',
  'five-axis-mc',
  'manual-lathe',
  'cylindrical-grinder',
  'wire-edm',
] as const
export type ModelName = (typeof MODEL_NAMES)[number]

const statusBit = (name: string, bit: number, role: SignalRole = 'state'): ModbusSignal => ({
  ...{ name, role, bit },
  area: 'holding-register',
  address: 0,
  type: 'bit',
})

/** A control with a status word and numbers, all within one request. */
const NC_SIGNALS: readonly ModbusSignal[] = [
  statusBit('power', 0),
  statusBit('executing', 1),
  statusBit('feedHold', 2),
  statusBit('programOpen', 3),
  statusBit('alarm', 4),
  statusBit('emergencyStop', 5),
  statusBit('warmUp', 6),
  statusBit('setupMode', 7),
  statusBit('doorOpen', 8, 'other'),
  statusBit('optionalStop', 9, 'other'),
  statusBit('warning', 10, 'other'),
  { name: 'spindleSpeed', role: 'sample', area: 'holding-register', address: 2, type: 'uint16', unit: 'rpm' },
  { name: 'feed', role: 'sample', area: 'holding-register', address: 3, type: 'uint16', unit: 'mm/min' },
  { name: 'spindleLoad', role: 'sample', area: 'holding-register', address: 4, type: 'int16', scale: 0.1, unit: '%' },
  { name: 'partCount', role: 'counter', area: 'holding-register', address: 5, type: 'uint16' },
  { name: 'tick', role: 'tick', area: 'holding-register', address: 6, type: 'uint32' },
  { name: 'temperature', role: 'sample', area: 'holding-register', address: 8, type: 'int16', scale: 0.1, unit: '°C' },
]

const input = (name: string, address: number): ModbusSignal => ({
  ...{ name, address },
  role: 'state',
  area: 'discrete-input',
  type: 'bit',
})

/** A module with inputs on a stack light, a clamp around the supply and a pulse counter: for machines without a control that talks. */
const IO_MODULE_SIGNALS: readonly ModbusSignal[] = [
  ...['red', 'yellow', 'green', 'redBlink', 'yellowBlink', 'greenBlink', 'power'].map(input),
  {
    ...{ name: 'motorCurrent', role: 'state', area: 'input-register', address: 0, type: 'uint16' },
    ...{ scale: 0.01, unit: 'A' },
  },
  { name: 'tick', role: 'tick', area: 'input-register', address: 2, type: 'uint32' },
]

const PULSES: ModbusSignal = {
  ...{ name: 'partCount', role: 'counter', area: 'input-register', address: 4, type: 'uint16' },
}

const MTCONNECT_SIGNALS: readonly OpcuaSignal[] = [
  { name: 'availability', role: 'state', type: 'String' },
  { name: 'execution', role: 'state', type: 'String' },
  { name: 'controllerMode', role: 'state', type: 'String' },
  { name: 'condition', role: 'state', type: 'String' },
  { name: 'emergencyStop', role: 'state', type: 'String' },
  { name: 'powerState', role: 'state', type: 'String' },
  { name: 'warmUp', role: 'state', type: 'Boolean' },
  { name: 'spindleSpeed', role: 'sample', type: 'Double', unit: 'rpm' },
  { name: 'feed', role: 'sample', type: 'Double', unit: 'mm/min' },
  { name: 'spindleLoad', role: 'sample', type: 'Double', unit: '%' },
  { name: 'temperature', role: 'sample', type: 'Double', unit: '°C' },
  { name: 'partCount', role: 'counter', type: 'UInt32' },
  { name: 'tick', role: 'tick', type: 'UInt32' },
  { name: 'doorState', role: 'other', type: 'String' },
  // These two are know-how: they exist so that a test can show that they never leave the shop.
  { name: 'program', role: 'private', type: 'String' },
  { name: 'message', role: 'private', type: 'String' },
]

/** The machines that can be simulated, and where each of their signals is served. */
export const MODELS: { readonly [name in ModelName]: Model } = {
  'nc-lathe': { kind: 'nc-lathe', protocol: 'modbus-tcp', presets: ['cnc-bits'], signals: NC_SIGNALS },
  'vertical-mc': { kind: 'vertical-mc', protocol: 'opcua', presets: ['mtconnect'], signals: MTCONNECT_SIGNALS },
  'five-axis-mc': { kind: 'five-axis-mc', protocol: 'opcua', presets: ['mtconnect'], signals: MTCONNECT_SIGNALS },
  'manual-lathe': {
    kind: 'manual-lathe',
    protocol: 'modbus-tcp',
    presets: ['stack-light', 'motor-current'],
    motor: { runningAboveA: 1.2, offBelowA: 0.1 },
    signals: IO_MODULE_SIGNALS,
  },
  'cylindrical-grinder': {
    kind: 'cylindrical-grinder',
    protocol: 'modbus-tcp',
    presets: ['stack-light', 'motor-current'],
    motor: { runningAboveA: 4, offBelowA: 0.1 },
    signals: [...IO_MODULE_SIGNALS, PULSES],
  },
  // Its maker gave the colours meanings of his own, and its current says nothing about its work.
  'wire-edm': {
    kind: 'wire-edm',
    protocol: 'modbus-tcp',
    presets: ['stack-light'],
    lamps: {
      alarm: ['red', 'red-blinking'],
      running: ['green'],
      paused: ['yellow'],
      setup: ['green-blinking'],
      done: ['yellow-blinking'],
    },
    signals: [...IO_MODULE_SIGNALS.map(signal => asSample(signal, 'motorCurrent')), PULSES],
  },
}

function asSample(signal: ModbusSignal, name: string): ModbusSignal {
  return signal.name === name ? { ...signal, role: 'sample' } : signal
}

/** Where an agent finds a signal, in the words of an agent's configuration. */
export type SignalPlace = Omit<ModbusSignal, 'name' | 'role'> | { readonly node: string; readonly unit?: string }

/** The signals of one machine by name, those of the given roles only, ready to be written into an agent's configuration. */
export const signalsOf = (
  { shop, machine, model }: { readonly shop: string; readonly machine: string; readonly model: ModelName },
  roles: readonly SignalRole[] = ['state', 'sample', 'counter', 'tick'],
): { [name: string]: SignalPlace } => {
  const { signals } = MODELS[model]
  return Object.fromEntries(
    signals
      .filter(({ role }) => roles.includes(role))
      .map(signal => {
        const { name, role: _, ...place } = signal
        if ('area' in place) return [name, place]
        return [name, { node: nodeOf(shop, machine, name), ...(place.unit === undefined ? {} : { unit: place.unit }) }]
      }),
  )
}

/** `nsu=…;s=<shop>/<machine>/<signal>`. */
export const nodeOf = (shop: string, machine: string, signal: string): string =>
  `nsu=${OPCUA_NAMESPACE};s=${shop}/${machine}/${signal}`
