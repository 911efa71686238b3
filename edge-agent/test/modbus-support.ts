import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterAll, afterEach, expect, vi } from 'vitest'
import type { ModbusMachine } from '../src/settings-modbus.ts'
import type { BusAddress } from '../src/sources/modbus/bus.ts'
import { DEFAULT_LIMITS } from '../src/sources/modbus/plan.ts'
import { type Field, widthOf } from '../src/sources/modbus/types.ts'
import type { Pace } from '../src/sources/modbus/unit-health.ts'
import { modbusSource } from '../src/sources/modbus.ts'
import type { Reading } from '../src/sources/source.ts'
import { type Request, requestReader } from './modbus-wire.ts'
import { recorder } from './support.ts'

export * from './modbus-wire.ts'

const seenCodes = new Set<number>()

/** The agent reads and does nothing else: every file that has a wire in it holds every request on it against this. */
export const expectOnlyReads = (): void =>
  afterAll(() => {
    expect(seenCodes.size).toBeGreaterThan(0)
    expect([...seenCodes].filter(code => code < 1 || code > 4)).toEqual([])
  })

export const noteRequest = (request: Request): void => void seenCodes.add(request.code)

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
      noteRequest(request)
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
export const FAST: Pace = {
  pauseFirstMs: 100,
  pauseMaxMs: 2_000,
  reconnectFirstMs: 50,
  reconnectMaxMs: 500,
  restartMs: 50,
}

/** Sources and servers, ended in the order in which they depend on each other. */
export const openStage = () => {
  const cleanups: (() => Promise<unknown>)[] = []
  const end = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  }
  return {
    defer: (cleanup: () => Promise<unknown>) => void cleanups.push(cleanup),
    run(machines: { readonly [id: string]: ModbusMachine }, pace: Pace = FAST, seen = recorder()) {
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
    end,
    [Symbol.asyncDispose]: end,
  }
}

/** One that ends after each test. Not for concurrent tests, which need one each. */
export const stage = () => {
  const opened = openStage()
  afterEach(opened.end)
  return opened
}

/**
 * Machines beside a sick one are read as often as their twins on a bus of their own in the same time, within 10 %. With the
 * clock alone a busy computer would be taken for a sick unit. Where it is too busy for the twins it cannot measure that
 * closely: then half is asked for.
 *
 * @returns whether the twins were on time.
 */
export const expectCadence = (
  pairs: readonly (readonly [readonly Reading[], readonly Reading[]])[],
  pollMs: number,
): boolean => {
  const isOnTime = pairs.every(([, twin]) => {
    const spanMs = (twin.at(-1)?.at ?? 0) - (twin[0]?.at ?? 0)
    return twin.length > 10 && spanMs / (twin.length - 1) < pollMs * 1.05
  })
  for (const [readings, twin] of pairs)
    expect(readings.length).toBeGreaterThanOrEqual(Math.floor(twin.length * (isOnTime ? 0.9 : 0.5)))
  return isOnTime
}

export const until = (what: () => void, timeout = 8_000): Promise<void> => vi.waitFor(what, { timeout, interval: 10 })
