import modbusSerial from 'modbus-serial'
import { MODELS, type ModbusSignal, type ModelName } from '../src/index.ts'
import { onCleanup } from './support.ts'

export type Values = { [signal: string]: number | boolean }

type Client = InstanceType<typeof modbusSerial.default>

export interface ModbusReader {
  readonly client: Client
  /** Every signal of the model, one request per area, decoded here by hand from the published map. */
  read(): Promise<Values>
}

/** An independent client: modbus-serial, which shares nothing with our server. */
export const openReader = async (port: number, model: ModelName, unit = 1): Promise<ModbusReader> => {
  const client = new modbusSerial.default()
  client.on('error', () => {})
  await client.connectTCP('127.0.0.1', { port })
  onCleanup(() => client.destroy(() => {}))
  client.setID(unit)
  client.setTimeout(300)
  const signals = MODELS[model].signals as readonly ModbusSignal[]
  return {
    client,
    async read() {
      const values: Values = {}
      for (const area of ['discrete-input', 'holding-register', 'input-register'] as const) {
        const here = signals.filter(signal => signal.area === area)
        if (here.length === 0) continue
        const count = Math.max(...here.map(signal => signal.address + (signal.type === 'uint32' ? 2 : 1)))
        const { data } =
          area === 'discrete-input'
            ? await client.readDiscreteInputs(0, count)
            : area === 'holding-register'
              ? await client.readHoldingRegisters(0, count)
              : await client.readInputRegisters(0, count)
        for (const signal of here) values[signal.name] = decode(signal, data)
      }
      return values
    },
  }
}

const decode = (
  { address, type, bit, scale = 1 }: ModbusSignal,
  data: readonly (number | boolean)[],
): number | boolean => {
  const word = data[address] as number | boolean
  if (typeof word === 'boolean') return word
  if (type === 'bit') return ((word >> (bit as number)) & 1) === 1
  if (type === 'uint32') return word * 65_536 + (data[address + 1] as number)
  const signed = type === 'int16' && word >= 32_768 ? word - 65_536 : word
  return Math.round(signed * scale * 1_000) / 1_000
}
