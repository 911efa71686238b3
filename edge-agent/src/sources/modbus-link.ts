import { Socket } from 'node:net'
import { messageOf } from '@nakama/contract'
import { backoffMs, pause } from '@nakama/service'
import modbusSerial from 'modbus-serial'
import { watchHeaders } from './mbap.ts'
import type { ModbusRequest } from './modbus-plan.ts'
import type { ReadFailure } from './source.ts'

export type ReadResult =
  | { readonly ok: true; readonly data: readonly (number | boolean)[] }
  /** `exception`: the code with which the unit refused; the connection is fine. */
  | { readonly ok: false; readonly failure: ReadFailure; readonly exception?: number }

/** A connection to one unit at one address that is always on its way back up. */
export interface ModbusLink {
  /** Never rejects, and settles within `timeoutMs` of its turn: requests go one after the other, one outstanding. */
  read(request: ModbusRequest): Promise<ReadResult>
  /** How many connections there have been. */
  readonly connections: number
  /** Resolves once the first try to connect has ended, either way. */
  readonly tried: Promise<void>
  /** Keeps connecting until aborted; resolves when the socket is gone. */
  run(signal: AbortSignal): Promise<void>
}

export interface ModbusLinkOptions {
  readonly host: string
  readonly port: number
  readonly unit: number
  readonly timeoutMs: number
  readonly random: () => number
  readonly onConnect: () => void
}

const BACKOFF_FIRST_MS = 500
const BACKOFF_MAX_MS = 10_000
/** A peer that was stopped keeps its sockets open: silence is all that shows it. */
const TIMEOUTS_MAX = 3

/**
 * A new socket and a new client for every connection, and both thrown away at the first sign of disorder: a false length,
 * a strange header, a cut frame, three timeouts in a row. What the client would make of the bytes after that is a value
 * under a wrong name. The back-off starts again only after a good read, so a peer that accepts and resets is not hammered.
 */
export const openModbusLink = (options: ModbusLinkOptions): ModbusLink => {
  const tried = Promise.withResolvers<void>()
  let connection: Connection | undefined
  let lastFailure: ReadFailure = { kind: 'connect', message: 'not yet connected' }
  let attempt = 0
  let connections = 0
  let queue: Promise<unknown> = Promise.resolve()

  const readNow = async (request: ModbusRequest): Promise<ReadResult> => {
    if (connection === undefined) return { ok: false, failure: lastFailure }
    const result = await connection.read(request)
    if (result.ok) attempt = 0
    return result
  }

  return {
    get connections() {
      return connections
    },
    tried: tried.promise,
    read(request) {
      const turn = queue.then(() => readNow(request))
      queue = turn
      return turn
    },
    async run(signal) {
      while (!signal.aborted) {
        const dialled = await dial(options, signal)
        if ('kind' in dialled) lastFailure = dialled
        else {
          connection = dialled
          connections++
          options.onConnect()
          tried.resolve()
          const stop = (): void => dialled.drop({ kind: 'connect', message: 'stopped' })
          signal.addEventListener('abort', stop, { once: true })
          if (signal.aborted) stop()
          const reason = await dialled.ended
          signal.removeEventListener('abort', stop)
          connection = undefined
          lastFailure = { kind: 'connect', message: `connection lost: ${reason.message}` }
        }
        tried.resolve()
        await pause(backoffMs(attempt++, BACKOFF_FIRST_MS, BACKOFF_MAX_MS, options.random), signal)
      }
    },
  }
}

interface Connection {
  read(request: ModbusRequest): Promise<ReadResult>
  drop(reason: ReadFailure): void
  readonly ended: Promise<ReadFailure>
}

/** Connects within the time of a request; a peer that swallows SYNs must not cost a descriptor per try. */
const dial = (options: ModbusLinkOptions, signal: AbortSignal): Promise<Connection | ReadFailure> =>
  new Promise(resolve => {
    const socket = new Socket()
    const fail = (message: string): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stopped)
      socket.destroy()
      resolve({ kind: 'connect', message })
    }
    const where = `${options.host}:${options.port}`
    const timer = setTimeout(() => fail(`${where}: no answer in ${options.timeoutMs} ms`), options.timeoutMs)
    const stopped = (): void => fail('stopped')
    signal.addEventListener('abort', stopped, { once: true })
    socket.once('error', error => fail(`${where}: ${error.message}`))
    socket.setNoDelay(true)
    socket.connect({ host: options.host, port: options.port }, () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stopped)
      resolve(openConnection(socket, options))
    })
    if (signal.aborted) stopped()
  })

const openConnection = (socket: Socket, { port, unit, timeoutMs }: ModbusLinkOptions): Connection => {
  const ended = Promise.withResolvers<ReadFailure>()
  // One request is outstanding at most; waiting on `ended` for each would pile up listeners on it for as long as it lives.
  let settle: ((result: ReadResult) => void) | undefined
  const drop = (reason: ReadFailure): void => {
    settle?.({ ok: false, failure: reason })
    ended.resolve(reason)
    socket.destroy()
  }
  socket.on('error', error => drop({ kind: 'connect', message: error.message }))
  socket.on('close', () => drop({ kind: 'connect', message: 'closed by the other side' }))

  const headers = watchHeaders(unit)
  // Before the client's own listener, so that a bad frame ends the connection before the client can believe it.
  socket.on('data', chunk => {
    const problem = headers.push(chunk)
    if (problem !== undefined) drop({ kind: 'protocol', message: problem })
  })
  const client = new modbusSerial.default()
  client.on('error', () => {})
  client.setID(unit)
  // Its timers only tidy up behind ours, which are the ones that count: `destroy` clears the client's without a word.
  client.setTimeout(timeoutMs + 1_000)
  void client.linkTCP(socket, { port })
  let deadline: NodeJS.Timeout | undefined
  let timeouts = 0

  const judge = (result: ReadResult): ReadResult => {
    if (result.ok || result.exception !== undefined) timeouts = 0
    else if (result.failure.kind === 'protocol') drop(result.failure)
    else if (result.failure.kind === 'timeout') {
      timeouts++
      if (timeouts >= TIMEOUTS_MAX) drop({ kind: 'timeout', message: `${timeouts} timeouts in a row` })
    }
    return result
  }

  return {
    drop,
    ended: ended.promise,
    async read(request) {
      const result = await new Promise<ReadResult>(resolve => {
        settle = resolve
        deadline = setTimeout(() => resolve(headers.inFrame ? CUT_OFF : noAnswer(timeoutMs)), timeoutMs)
        void ask(client, request).then(resolve)
      })
      clearTimeout(deadline)
      settle = undefined
      return judge(result)
    },
  }
}

/** What comes after half a frame would be read as the rest of it. */
const CUT_OFF: ReadResult = { ok: false, failure: { kind: 'protocol', message: 'a frame was cut off' } }

const noAnswer = (timeoutMs: number): ReadResult => ({
  ok: false,
  failure: { kind: 'timeout', message: `no answer in ${timeoutMs} ms` },
})

type Client = InstanceType<typeof modbusSerial.default>

/** The four reading functions (1 to 4) are all that this project ever asks of a machine. */
const READ = {
  coil: (client: Client, address: number, count: number) => client.readCoils(address, count),
  'discrete-input': (client: Client, address: number, count: number) => client.readDiscreteInputs(address, count),
  'holding-register': (client: Client, address: number, count: number) => client.readHoldingRegisters(address, count),
  'input-register': (client: Client, address: number, count: number) => client.readInputRegisters(address, count),
} as const

const ask = async (client: Client, { area, address, count }: ModbusRequest): Promise<ReadResult> => {
  try {
    const { data } = await READ[area](client, address, count)
    const bits = area === 'coil' || area === 'discrete-input'
    // Bits come in whole bytes; a false byte count in an answer of the right length gives fewer than were asked for.
    const expected = bits ? Math.ceil(count / 8) * 8 : count
    if (data.length === expected) return { ok: true, data: data.slice(0, count) }
    const message = `${area} ${address}: expected ${expected} values, got ${data.length}`
    return { ok: false, failure: { kind: 'protocol', message } }
  } catch (error) {
    const exception = (error as { modbusCode?: unknown }).modbusCode
    const message = `${area} ${address}, ${count}: ${messageOf(error)}`
    if (typeof exception === 'number') return { ok: false, exception, failure: { kind: 'exception', message } }
    return { ok: false, failure: { kind: 'protocol', message } }
  }
}
