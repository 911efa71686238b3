import { type AddressInfo, createServer } from 'node:net'
import modbusSerial from 'modbus-serial'
import { pino } from 'pino'
import type { ReadFailure, Reading, SourceContext } from '../src/sources/source.ts'

/** A sink that remembers, as a source's context. */
export const recorder = () => {
  const readings = new Map<string, Reading[]>()
  const failures = new Map<string, ReadFailure[]>()
  const connects: string[] = []
  const periods = new Map<string, number>()
  const push = <T>(map: Map<string, T[]>, key: string, value: T): void => {
    map.set(key, [...(map.get(key) ?? []), value])
  }
  const context: SourceContext = {
    sink: {
      reading: (machine, reading) => push(readings, machine, reading),
      failure: (machine, failure) => push(failures, machine, failure),
    },
    now: Date.now,
    monotonic: () => performance.now(),
    // The shortest back-off there is, so that tests need not wait.
    random: () => 0.05,
    log: pino({ level: 'silent' }),
    metrics: {
      reads: { inc: () => {} },
      failures: { inc: () => {} },
      connects: { inc: ({ source }) => connects.push(source) },
      period: { set: ({ machine }, seconds) => periods.set(machine, seconds) },
    },
  }
  return {
    context,
    connects,
    /** Seconds, as last told. */
    periods,
    of: (machine: string) => readings.get(machine) ?? [],
    failuresOf: (machine: string) => failures.get(machine) ?? [],
  }
}

export const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

export interface Registers {
  readonly bits: (address: number, unit: number) => boolean
  readonly words: (address: number, unit: number) => number
}

/** A Modbus TCP server of the library's own making. Getters are synchronous: asynchronous ones answer an exception. */
export const startModbusServer = async ({ bits, words }: Registers, port?: number) => {
  const listenOn = port ?? (await freePort())
  const server = new modbusSerial.ServerTCP(
    {
      getCoil: bits,
      getDiscreteInput: bits,
      getInputRegister: words,
      getHoldingRegister: words,
    },
    { host: '127.0.0.1', port: listenOn, unitID: 255 },
  )
  server.on('socketError', () => {})
  await new Promise<void>(resolve => server.on('initialized', () => resolve()))
  return { port: listenOn, stop: () => new Promise<void>(resolve => server.close(() => resolve())) }
}
