import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterAll, afterEach, expect, vi } from 'vitest'
import type { ModbusMachine } from '../src/settings-modbus.ts'
import type { BusAddress } from '../src/sources/modbus/bus.ts'
import { DEFAULT_LIMITS } from '../src/sources/modbus/plan.ts'
import { type Field, widthOf } from '../src/sources/modbus/types.ts'
import type { Pace } from '../src/sources/modbus/unit-health.ts'
import { modbusSource } from '../src/sources/modbus.ts'
import { recorder } from './support.ts'

/** What was asked, as a server of neither side's making sees it. */
export interface Request {
  /** 0 over RTU, which has none. */
  readonly transaction: number
  readonly unit: number
  readonly code: number
  readonly address: number
  readonly count: number
  readonly framing: 'mbap' | 'rtu'
}

const seenCodes = new Set<number>()

/** The agent reads and does nothing else: every file that has a wire in it holds every request on it against this. */
export const expectOnlyReads = (): void =>
  afterAll(() => {
    expect(seenCodes.size).toBeGreaterThan(0)
    expect([...seenCodes].filter(code => code < 1 || code > 4)).toEqual([])
  })

export const noteRequest = (request: Request): void => void seenCodes.add(request.code)

/** Requests out of the octets of either framing, however they are cut. */
export const requestReader = (framing: Request['framing'], onRequest: (request: Request) => void) => {
  let buffer = Buffer.alloc(0)
  const octets = framing === 'mbap' ? 12 : 8
  return (chunk: Uint8Array): void => {
    buffer = Buffer.concat([buffer, chunk])
    while (buffer.length >= octets) {
      const at = framing === 'mbap' ? 6 : 0
      const request = {
        transaction: framing === 'mbap' ? buffer.readUInt16BE(0) : 0,
        unit: buffer.readUInt8(at),
        code: buffer.readUInt8(at + 1),
        address: buffer.readUInt16BE(at + 2),
        count: buffer.readUInt16BE(at + 4),
        framing,
      }
      if (framing === 'rtu') expect(buffer.readUInt16LE(6)).toBe(crcBitwise(buffer.subarray(0, 6)))
      buffer = buffer.subarray(octets)
      noteRequest(request)
      onRequest(request)
    }
  }
}

/** CRC-16/MODBUS, written another way than the agent's: over the bits of the message, without reflection. */
export const crcBitwise = (octets: Uint8Array): number => {
  let crc = 0xffff
  for (const octet of octets) {
    for (let bit = 0; bit < 8; bit++) {
      const top = ((crc >> 15) & 1) ^ ((octet >> bit) & 1)
      crc = (crc << 1) & 0xffff
      if (top) crc ^= 0x8005
    }
  }
  let reflected = 0
  for (let bit = 0; bit < 16; bit++) if (crc & (1 << bit)) reflected |= 1 << (15 - bit)
  return reflected
}

/** A whole frame around a PDU. */
export const frame = ({ transaction, unit, framing }: Request, pdu: readonly number[]): Uint8Array => {
  if (framing === 'mbap')
    return Uint8Array.from([transaction >> 8, transaction & 255, 0, 0, 0, pdu.length + 1, unit, ...pdu])
  const body = Uint8Array.from([unit, ...pdu])
  const crc = crcBitwise(body)
  return Uint8Array.from([...body, crc & 255, crc >> 8])
}

/** The answer that a sound server would give: every register is its own address, plus 1,000 times the unit from 2 on. */
export const goodAnswer = (request: Request): Uint8Array => {
  const base = request.unit > 1 ? request.unit * 1_000 : 0
  const words = Array.from({ length: request.count }, (_, i) => (base + request.address + i) & 0xffff)
  const data =
    request.code <= 2
      ? Array<number>(Math.ceil(request.count / 8)).fill(0xff)
      : words.flatMap(word => [word >> 8, word & 255])
  return frame(request, [request.code, data.length, ...data])
}

export const refusal = (request: Request, exception: number): Uint8Array =>
  frame(request, [request.code | 0x80, exception])

export type Answerer = (request: Request, socket: Socket, nth: number) => Uint8Array | undefined

/** A bare TCP server for misbehaviour: what `answer` returns is written as it is; undefined: no answer. */
export const startFakeServer = async (answer: Answerer, framing: Request['framing'] = 'mbap') => {
  const sockets = new Set<Socket>()
  const requests: (Request & { readonly at: number })[] = []
  let accepted = 0
  let most = 0
  const server: Server = createServer(socket => {
    accepted++
    sockets.add(socket)
    most = Math.max(most, sockets.size)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    const read = requestReader(framing, request => {
      requests.push({ ...request, at: performance.now() })
      const reply = answer(request, socket, requests.length)
      if (reply !== undefined && !socket.destroyed) socket.write(reply)
    })
    socket.on('data', read)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    sockets,
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

export type MachineOver = Partial<Omit<ModbusMachine, 'bus' | 'limits'>> & {
  readonly port?: number
  readonly framing?: Request['framing']
  readonly bus?: BusAddress
  readonly limits?: Partial<ModbusMachine['limits']>
}

/** Unhurried machines of a shop, in fast motion: a poll in 20 ms, and three times that until a timeout. */
export const modbusMachine = ({ port = 0, framing = 'mbap', limits, ...over }: MachineOver): ModbusMachine => ({
  type: 'modbus-tcp',
  bus: { transport: 'tcp', host: '127.0.0.1', port, framing },
  ownConnection: false,
  unit: 1,
  pollMs: 20,
  timeoutMs: 60,
  pauseMs: 0,
  dutyMax: 1,
  limits: { ...DEFAULT_LIMITS, ...limits },
  signals: [register('a', 10), register('b', 11)],
  ...over,
})

export const register = (name: string, address: number, over: Partial<Field> = {}): Field => {
  const { area = 'input-register', type = 'uint16' } = over
  return {
    ...{ name, area, address, type, width: widthOf(area, type), bit: 0, order: 'ABCD' },
    ...{ encoding: 'ascii', scale: 1, offset: 0, every: 1 },
    ...over,
  }
}

/** Pauses and back-offs a tenth as long as in a shop. */
export const FAST: Pace = { pauseFirstMs: 100, pauseMaxMs: 2_000, reconnectFirstMs: 50, reconnectMaxMs: 500 }

/** Sources and servers that end with the test. */
export const stage = () => {
  const cleanups: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  })
  return {
    defer: (cleanup: () => Promise<unknown>) => void cleanups.push(cleanup),
    run(machines: { readonly [id: string]: ModbusMachine }, pace: Pace = FAST) {
      const seen = recorder()
      const aborter = new AbortController()
      const stations = Object.entries(machines).map(([id, source]) => ({ id, source }))
      const running = modbusSource(stations, seen.context, pace).run(aborter.signal)
      const stop = (): Promise<void> => {
        aborter.abort()
        return running
      }
      cleanups.push(stop)
      return { ...seen, stop }
    },
    async fake(answer: Answerer, framing?: Request['framing']) {
      const server = await startFakeServer(answer, framing)
      cleanups.push(server.stop)
      return server
    },
  }
}

export const until = (what: () => void, timeout = 8_000): Promise<void> => vi.waitFor(what, { timeout, interval: 10 })
