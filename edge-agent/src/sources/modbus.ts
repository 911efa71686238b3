import type { ModbusMachine } from '../settings-modbus.ts'
import { type Bus, type BusAddress, runBus } from './modbus/bus.ts'
import { PACE, type Pace } from './modbus/unit-health.ts'
import type { Source, SourceContext } from './source.ts'

/** A machine behind Modbus, by its id. */
export interface ModbusStation {
  readonly id: string
  readonly source: ModbusMachine
}

/**
 * Reads machines over Modbus. Machines behind one address share one connection and take turns on it; a unit that is dead,
 * slow or talks rubbish costs the others little, and no answer is taken for that of another unit or question.
 */
export const modbusSource = (
  stations: readonly ModbusStation[],
  context: SourceContext,
  pace: Pace = PACE,
): Source => ({
  async run(signal) {
    await Promise.all(busesOf(stations).map(bus => runBus(bus, context, pace, signal)))
  },
})

/** By address; a setting that its machines give differently is taken as the most careful of them has it. */
export const busesOf = (stations: readonly ModbusStation[]): Bus[] =>
  [...Map.groupBy(stations, ({ source }) => keyOf(source)).values()].map(group => {
    const { bus: address } = (group[0] as ModbusStation).source
    return {
      name: nameOf(address),
      address,
      stations: group.map(({ id, source: { unit, pollMs, timeoutMs, limits, signals } }) => ({
        ...{ id, unit, pollMs, timeoutMs, limits, fields: signals },
      })),
      dutyMax: Math.min(...group.map(({ source }) => source.dutyMax)),
      pauseMs: Math.max(...group.map(({ source }) => source.pauseMs)),
    }
  })

const keyOf = ({ bus, unit, ownConnection }: ModbusMachine): string =>
  `${nameOf(bus)} ${bus.transport === 'tcp' ? bus.framing : 'rtu'}${ownConnection ? ` ${unit}` : ''}`

const nameOf = (address: BusAddress): string =>
  address.transport === 'tcp' ? `${address.host}:${address.port}` : address.path
