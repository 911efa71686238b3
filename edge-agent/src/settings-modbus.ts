import type { MachineConfig, SignalConfig, SourceConfig } from './config.ts'
import type { BusAddress } from './sources/modbus/bus.ts'
import { DEFAULT_LIMITS, type PlanLimits } from './sources/modbus/plan.ts'
import { type Area, hasBits } from './sources/modbus/protocol.ts'
import { type Field, type RegisterType, widthOf } from './sources/modbus/types.ts'

export interface ModbusMachine {
  readonly type: 'modbus-tcp' | 'modbus-rtu' | 'modbus-rtu-tcp'
  readonly bus: BusAddress
  /** Shares its connection with no other unit. */
  readonly ownConnection: boolean
  readonly unit: number
  readonly pollMs: number
  readonly timeoutMs: number
  readonly pauseMs: number
  readonly dutyMax: number
  readonly limits: PlanLimits
  readonly signals: readonly Field[]
}

/** Only half of a bus's time is asked for: the control behind it has a machine to run. */
const DUTY_MAX = 0.5
const TIMEOUT_MS = 1_000
/** MODBUS over Serial Line 1.02, section 2.5.1: what a device must speak before anybody has set it. */
const SERIAL = { baudRate: 19_200, parity: 'even', stopBits: 1 } as const

export const modbusMachine = (
  type: ModbusMachine['type'],
  { source, signals = {} }: MachineConfig,
  pollMs: number,
): ModbusMachine => ({
  ...{ type, pollMs, bus: busOf(source) },
  ownConnection: source.connection === 'own',
  unit: source.unit ?? 1,
  timeoutMs: source.timeoutMs ?? TIMEOUT_MS,
  pauseMs: source.pauseMs ?? 0,
  dutyMax: source.dutyMax ?? DUTY_MAX,
  limits: {
    maxRegisters: source.maxRegisters ?? DEFAULT_LIMITS.maxRegisters,
    maxBits: source.maxBits ?? DEFAULT_LIMITS.maxBits,
    maxHole: source.maxHole ?? DEFAULT_LIMITS.maxHole,
    oneSignalPerRequest: source.oneSignalPerRequest ?? DEFAULT_LIMITS.oneSignalPerRequest,
  },
  signals: Object.entries(signals).map(([name, signal]) => ({
    name,
    area: signal.area as Area,
    address: signal.address as number,
    type: typeOf(signal),
    width: addressesOf(signal),
    bit: signal.bit ?? 0,
    order: signal.order ?? 'ABCD',
    encoding: signal.encoding ?? 'ascii',
    scale: signal.scale ?? 1,
    offset: signal.offset ?? 0,
    every: Math.round((signal.everyMs ?? pollMs) / pollMs),
  })),
})

/** Everything that says which line it is and how it is spoken on. */
export const busOf = (source: SourceConfig): BusAddress =>
  source.type === 'modbus-rtu'
    ? {
        transport: 'serial',
        path: source.path as string,
        baudRate: source.baudRate ?? SERIAL.baudRate,
        parity: source.parity ?? SERIAL.parity,
        stopBits: source.stopBits ?? SERIAL.stopBits,
      }
    : {
        transport: 'tcp',
        host: source.host as string,
        port: source.port ?? 502,
        framing: source.type === 'modbus-rtu-tcp' ? 'rtu' : 'mbap',
      }

export const typeOf = ({ area, type }: Pick<SignalConfig, 'area' | 'type'>): RegisterType =>
  type ?? (area !== undefined && hasBits(area) ? 'bit' : 'uint16')

/** How many addresses a signal takes. */
export const addressesOf = (signal: Pick<SignalConfig, 'area' | 'type' | 'registers'>): number =>
  widthOf(signal.area as Area, typeOf(signal), signal.registers)

/** How many numbers a counter of this type has before it starts again. */
export const rangeOf = (signal: SignalConfig | undefined): number => {
  if (signal?.area === undefined) return 2 ** 32
  const type = typeOf(signal)
  if (type === 'bcd16' || type === 'bcd32') return 10 ** (4 * addressesOf(signal))
  return 2 ** (16 * addressesOf(signal))
}
