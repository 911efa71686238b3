import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import modbusSerial from 'modbus-serial'
import { pino } from 'pino'
import type { ModbusMachine, ModbusSignal } from '../src/settings.ts'
import type { ReadFailure, Reading, SourceContext } from '../src/sources/source.ts'

/** A sink that remembers, as a source's context. */
export const recorder = () => {
  const readings = new Map<string, Reading[]>()
  const failures = new Map<string, ReadFailure[]>()
  const connects: string[] = []
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
    },
  }
  return {
    context,
    connects,
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

export interface Request {
  readonly transaction: number
  readonly unit: number
  readonly code: number
  readonly address: number
  readonly count: number
}

/** A bare TCP server for misbehaviour: what `answer` returns is written as it is; undefined: no answer. */
export const startFakeServer = async (
  answer: (request: Request, socket: Socket, nth: number) => Uint8Array | undefined,
) => {
  const sockets = new Set<Socket>()
  const requests: Request[] = []
  let accepted = 0
  let most = 0
  const server: Server = createServer(socket => {
    accepted++
    sockets.add(socket)
    most = Math.max(most, sockets.size)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', bytes => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      const request: Request = {
        transaction: view.getUint16(0),
        unit: view.getUint8(6),
        code: view.getUint8(7),
        address: view.getUint16(8),
        count: view.getUint16(10),
      }
      requests.push(request)
      const reply = answer(request, socket, requests.length)
      if (reply !== undefined && !socket.destroyed) socket.write(reply)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    accepted: () => accepted,
    open: () => sockets.size,
    most: () => most,
    stop: () =>
      new Promise<void>(resolve => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

/** The answer that a sound server would give: every register is its own address. */
export const goodAnswer = (request: Request): Uint8Array => {
  const bits = request.code <= 2
  const data = bits
    ? Array(Math.ceil(request.count / 8)).fill(0xff)
    : Array.from({ length: request.count }, (_, i) => [(request.address + i) >> 8, (request.address + i) & 255]).flat()
  return frame(request, [request.code, data.length, ...data])
}

export const frame = ({ transaction, unit }: Request, pdu: readonly number[]): Uint8Array =>
  Uint8Array.from([transaction >> 8, transaction & 255, 0, 0, 0, pdu.length + 1, unit, ...pdu])

export const modbusMachine = (over: Partial<ModbusMachine> & Pick<ModbusMachine, 'port'>): ModbusMachine => ({
  type: 'modbus-tcp',
  host: '127.0.0.1',
  unit: 1,
  pollMs: 20,
  timeoutMs: 60,
  signals: [register('a', 10), register('b', 11)],
  ...over,
})

export const register = (name: string, address: number, over: Partial<ModbusSignal> = {}): ModbusSignal => ({
  name,
  area: 'input-register',
  address,
  type: 'uint16',
  bit: 0,
  scale: 1,
  offset: 0,
  ...over,
})
