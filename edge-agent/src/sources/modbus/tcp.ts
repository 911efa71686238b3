import { Socket } from 'node:net'
import type { ReadFailure } from '../source.ts'
import { type Connection, openConnection } from './connection.ts'
import type { Dial } from './link.ts'
import { openMbapTalk } from './mbap.ts'
import { openRtuTalk } from './rtu.ts'

export interface TcpAddress {
  readonly host: string
  readonly port: number
  /** What is spoken over it: Modbus TCP, or the frames of a serial line behind a serial device server. */
  readonly framing: 'mbap' | 'rtu'
}

/** Connects within `timeoutMs`: a peer that swallows SYNs must not cost a descriptor per try. */
export const dialTcp =
  (address: TcpAddress, timeoutMs: number): Dial =>
  signal =>
    new Promise<Connection | ReadFailure>(resolve => {
      const where = `${address.host}:${address.port}`
      const socket = new Socket()
      const settle = (result: Connection | ReadFailure): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', stopped)
        socket.removeListener('error', failed)
        resolve(result)
      }
      const fail = (message: string): void => {
        settle({ kind: 'connect', message })
        socket.destroy()
      }
      const stopped = (): void => fail('stopped')
      const failed = (error: Error): void => fail(`${where}: ${error.message}`)
      const timer = setTimeout(() => fail(`${where}: no answer in ${timeoutMs} ms`), timeoutMs)
      signal.addEventListener('abort', stopped, { once: true })
      socket.on('error', failed)
      socket.setNoDelay(true)
      socket.connect({ host: address.host, port: address.port }, () => settle(overSocket(socket, address.framing)))
      if (signal.aborted) stopped()
    })

const overSocket = (socket: Socket, framing: TcpAddress['framing']): Connection => {
  const unnumbered = framing === 'rtu'
  return openConnection(
    events => {
      let why = 'closed by the other side'
      socket.on('error', error => {
        why = error.message
      })
      socket.on('end', () => socket.destroy())
      socket.on('close', () => events.closed(why))
      socket.on('data', chunk => events.octets(chunk))
      return { write: octets => void socket.write(octets), destroy: () => void socket.destroy() }
    },
    unnumbered ? openRtuTalk() : openMbapTalk(),
    unnumbered,
  )
}
