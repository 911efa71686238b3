import { messageOf } from '@nakama/contract'
import type { SerialPort } from 'serialport'
import type { ReadFailure } from '../source.ts'
import { type Connection, openConnection, type Wire, type WireEvents } from './connection.ts'
import type { Dial } from './link.ts'
import type { ReadRequest } from './protocol.ts'
import { exchangeOctets, openRtuTalk } from './rtu.ts'

export interface SerialAddress {
  /** Under `/dev/serial/by-id`, since `/dev/ttyUSB0` is another adapter after the next start. */
  readonly path: string
  readonly baudRate: number
  readonly parity: 'even' | 'odd' | 'none'
  readonly stopBits: 1 | 2
}

/** Eight data bits with start, parity and stop bits. */
const BITS_PER_OCTET = 11
/** MODBUS over Serial Line 1.02, section 2.5.1.1: silence of 3.5 characters between frames, of 1.75 ms above 19,200 baud. */
const SILENCE_CHARACTERS = 3.5
const SILENCE_MIN_MS = 1.75
/** USB adapters hand over what came in every 16 ms: less silence than a few of these may be none. */
const DRAIN_SILENCE_MS = 50
/** A babbling unit is never silent; going on shows it as what it is. */
const DRAIN_MAX_MS = 500
const CLOSE_MAX_MS = 1_000

/** Milliseconds of silence between two exchanges. */
export const silenceMs = (baudRate: number): number =>
  Math.max(SILENCE_MIN_MS, charactersMs(SILENCE_CHARACTERS, baudRate))

/** Milliseconds that a question and its answer take on the line, without the unit's own time. */
export const lineMs = (request: ReadRequest, baudRate: number): number =>
  charactersMs(exchangeOctets(request), baudRate)

const charactersMs = (characters: number, baudRate: number): number => (characters * BITS_PER_OCTET * 1_000) / baudRate

/** The driver is loaded with the first serial line; without it every other machine goes on. */
export const dialSerial =
  (address: SerialAddress, onNoDriver: (error: unknown) => void): Dial =>
  async () => {
    try {
      const driver = await import('serialport').catch(error => {
        onNoDriver(error)
        throw new Error('SERIAL_DRIVER_MISSING: the driver for serial lines cannot be loaded on this system')
      })
      return await openPort(driver.SerialPort, address)
    } catch (error) {
      return { kind: 'connect', message: `${address.path}: ${messageOf(error)}` } satisfies ReadFailure
    }
  }

const openPort = (Port: typeof SerialPort, { path, baudRate, parity, stopBits }: SerialAddress): Promise<Connection> =>
  new Promise((resolve, reject) => {
    const port = new Port({ path, baudRate, parity, stopBits, dataBits: 8, autoOpen: false })
    port.open(error => {
      if (error !== null) return reject(error)
      resolve(openConnection(events => overPort(port, events), openRtuTalk(), true))
    })
  })

const overPort = (port: SerialPort, events: WireEvents): Wire => {
  let heardAt = 0
  let why = 'the serial port was closed'
  let closed = false
  const close = (): void => {
    if (closed) return
    closed = true
    events.closed(why)
  }
  port.on('data', (chunk: Buffer) => {
    heardAt = performance.now()
    events.octets(chunk)
  })
  port.on('error', error => {
    why = error.message
    destroy()
  })
  // A pulled plug says so here.
  port.on('close', (error: Error | null) => {
    why = error?.message ?? why
    close()
  })
  const destroy = (): void => {
    if (port.isOpen) port.close(() => {})
    setTimeout(close, CLOSE_MAX_MS).unref()
  }
  return {
    write: octets => void port.write(Buffer.from(octets)),
    destroy,
    async drain() {
      const begun = performance.now()
      await new Promise<void>(resolve => port.flush(() => resolve()))
      heardAt = performance.now()
      for (;;) {
        const now = performance.now()
        const leftMs = Math.min(heardAt + DRAIN_SILENCE_MS, begun + DRAIN_MAX_MS) - now
        if (leftMs <= 0) return
        await new Promise(resolve => setTimeout(resolve, leftMs))
      }
    },
  }
}
