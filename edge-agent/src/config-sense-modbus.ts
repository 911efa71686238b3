import type { Problem } from '@nakama/contract'
import type { MachineConfig, SignalConfig, SourceConfig } from './config.ts'
import { addressesOf, busOf, typeOf } from './settings-modbus.ts'
import { DEFAULT_LIMITS } from './sources/modbus/plan.ts'
import { hasBits } from './sources/modbus/protocol.ts'

const OF_ALL = [
  ...['type', 'pollMs', 'unit', 'timeoutMs', 'pauseMs', 'dutyMax'],
  ...['maxRegisters', 'maxBits', 'maxHole', 'oneSignalPerRequest'],
]
const SIGNAL = {
  needs: ['area', 'address'],
  may: ['type', 'bit', 'order', 'registers', 'encoding', 'everyMs', 'scale', 'offset', 'unit'],
}

/** Which settings belong to a Modbus source and its signals. */
export const BUS_SETTINGS = {
  tcp: { source: { needs: ['host'], may: [...OF_ALL, 'port', 'connection'] }, signal: SIGNAL },
  serial: { source: { needs: ['path'], may: [...OF_ALL, 'baudRate', 'parity', 'stopBits'] }, signal: SIGNAL },
} as const

/** MODBUS over Serial Line 1.02, section 2.2: 0 is everybody, who must not answer, and what is above 247 is reserved. */
const UNIT_MIN = 1
const UNIT_MAX = 247
const POLL_MS = 1_000

export const checkModbusSource = (at: string, { type, unit }: SourceConfig): Problem[] =>
  type === 'modbus-tcp' || unit === undefined || (unit >= UNIT_MIN && unit <= UNIT_MAX)
    ? []
    : [problem(`${at}.unit`, `${UNIT_MIN} to ${UNIT_MAX} on a serial line`, `${unit}`)]

export const checkRegister = (at: string, signal: SignalConfig, source: SourceConfig): Problem[] => {
  const bits = hasBits(signal.area as NonNullable<SignalConfig['area']>)
  const type = typeOf(signal)
  if (bits && type !== 'bit') return [problem(`${at}.type`, `bit, as a ${signal.area} has only one`, type)]
  const ofBits = (['bit', 'order'] as const).find(name => bits && signal[name] !== undefined)
  if (ofBits !== undefined) return [problem(`${at}.${ofBits}`, 'none, as there is only one bit', `${signal[ofBits]}`)]
  if (!bits && (type === 'bit') !== (signal.bit !== undefined)) {
    return [problem(`${at}.bit`, 'a number with type bit, and only with it', `${signal.bit ?? 'nothing'}`)]
  }
  return [
    ...checkText(at, signal),
    ...checkNumber(at, signal),
    ...checkPlace(at, signal, source),
    ...checkRate(at, signal, source),
  ]
}

const checkText = (at: string, { type, registers, encoding }: SignalConfig): Problem[] => {
  if (type === 'string' && registers === undefined)
    return [problem(`${at}.registers`, 'a number, for a string', 'nothing')]
  if (type === 'string') return []
  return [
    ...(registers === undefined ? [] : [problem(`${at}.registers`, 'none but for a string', `${registers}`)]),
    ...(encoding === undefined ? [] : [problem(`${at}.encoding`, 'none but for a string', encoding)]),
  ]
}

const checkNumber = (at: string, signal: SignalConfig): Problem[] => {
  const type = typeOf(signal)
  const scaled = (['scale', 'offset'] as const).find(name => signal[name] !== undefined)
  return [
    ...(scaled !== undefined && (type === 'bit' || type === 'string')
      ? [problem(`${at}.${scaled}`, `none for a ${type}`, `${signal[scaled]}`)]
      : []),
    ...(signal.order?.length === 8 && (addressesOf(signal) !== 4 || type === 'string')
      ? [problem(`${at}.order`, `one of ABCD, CDAB, BADC, DCBA for ${type}`, signal.order)]
      : []),
  ]
}

const checkPlace = (at: string, signal: SignalConfig, source: SourceConfig): Problem[] => {
  const registers = addressesOf(signal)
  const last = (signal.address as number) + registers - 1
  if (last > 65_535) return [problem(`${at}.address`, `a range that ends at 65535`, `one that ends at ${last}`)]
  const { maxRegisters = DEFAULT_LIMITS.maxRegisters } = source
  return registers > maxRegisters && !hasBits(signal.area as NonNullable<SignalConfig['area']>)
    ? [problem(at, `no more registers than one request may have (${maxRegisters})`, `${registers}`)]
    : []
}

const checkRate = (at: string, { everyMs }: SignalConfig, { pollMs = POLL_MS }: SourceConfig): Problem[] =>
  everyMs === undefined || everyMs % pollMs === 0
    ? []
    : [problem(`${at}.everyMs`, `a multiple of pollMs (${pollMs})`, `${everyMs}`)]

/** Machines on one line must speak the same on it. */
export const checkBuses = (machines: readonly MachineConfig[]): Problem[] => {
  const first = new Map<string, { readonly spoken: string; readonly at: string }>()
  return machines.flatMap(({ source }, index) => {
    const at = `machines.${index}.source`
    const line = source.type === 'modbus-rtu' ? source.path : source.host && `${source.host}:${source.port ?? 502}`
    if (source.type === 'opcua' || line === undefined) return []
    const spoken = speech(source)
    const other = first.get(line)
    if (other === undefined) first.set(line, { spoken, at })
    return other === undefined || other.spoken === spoken
      ? []
      : [problem(at, `on ${line} the same as ${other.at} (${other.spoken})`, spoken)]
  })
}

const speech = (source: SourceConfig): string => {
  const bus = busOf(source)
  return bus.transport === 'tcp' ? (source.type as string) : `${bus.baudRate} ${bus.parity} ${bus.stopBits}`
}

const problem = (path: string, expected: string, got: string): Problem => ({ path, expected, got })
