import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { admit, INTAKE_START, type IntakeFault, takeIn } from './intake.ts'
import type { Limits, Traffic } from './limits.ts'
import { type OutgoingFault, openOutgoing } from './outgoing.ts'

/** Why a connection was ended, other than by its client's own wish. */
export type DropReason =
  | IntakeFault
  | OutgoingFault
  /** Not authenticated in time. */
  | 'connect-timeout'
  /** Not let in. */
  | 'refused'
  /** Said something that it may not say. */
  | 'denied'
  /** A packet that is no MQTT 3.1.1, or at the wrong moment. */
  | 'malformed'
  | 'keep-alive'
  /** The same credential came again. */
  | 'taken-over'
  /** The network ended it. */
  | 'lost'
  | 'stopping'

export interface Connection {
  /** What Aedes reads and writes. It never makes a writer wait. */
  readonly stream: Duplex
  readonly address: string
  readonly waitingBytes: number
  readonly closed: boolean
  /** Authenticated: from now on it has the allowance of its role, and no more time limit. */
  admit(traffic: Traffic): void
  /** Names the reason of an end that somebody else is about to bring. The first reason is the one that counts. */
  blame(reason: DropReason): void
  /** Ends it. */
  drop(reason: DropReason): void
}

export interface ConnectionHooks {
  readonly onBytes: (direction: 'in' | 'out', bytes: number) => void
  /** Reading was held back, because more came than is allowed. */
  readonly onThrottled: () => void
  /** Once. Undefined: the client said goodbye or closed. */
  readonly onClosed: (reason: DropReason | undefined) => void
}

/** Of what has been read but not yet parsed. */
const READ_AHEAD_BYTES = 16 * 1024

/**
 * One client's connection, between the socket and Aedes, which has no limits of its own: packets are judged by their
 * headers before they are buffered, a flood is slowed down by not reading it, and what waits to be sent is bounded.
 *
 * @param now milliseconds of a clock that never steps.
 */
export const openConnection = (
  socket: Socket,
  limits: Limits,
  { onBytes, onThrottled, onClosed }: ConnectionHooks,
  now: () => number,
): Connection => {
  let intake = INTAKE_START
  let reason: DropReason | undefined
  let full = false
  let ended = false
  let throttle: NodeJS.Timeout | undefined

  const blame = (why: DropReason): void => {
    reason ??= why
  }
  const drop = (why: DropReason): void => {
    if (stream.destroyed) return
    blame(why)
    stream.destroy()
  }

  const outgoing = openOutgoing(
    socket,
    { maxBytes: limits.controlMaxBytes, drainTimeoutMs: limits.drainTimeoutMs },
    drop,
  )
  let deadline = setTimeout(() => drop('connect-timeout'), limits.connectTimeoutMs)

  const send = (chunks: readonly Buffer[]): void => {
    for (const chunk of chunks) onBytes('out', chunk.length)
    outgoing.send(chunks)
  }

  const readOn = (): void => {
    if (!full && throttle === undefined) socket.resume()
  }

  const stream = new Duplex({
    readableHighWaterMark: READ_AHEAD_BYTES,
    // `outgoing` does the bounding: Aedes is never to wait for a 'drain'.
    writableHighWaterMark: Number.MAX_SAFE_INTEGER,
    read() {
      full = false
      readOn()
    },
    write(chunk: Buffer, _encoding, done) {
      send([chunk])
      done()
    },
    writev(items, done) {
      send(items.map(item => item.chunk as Buffer))
      done()
    },
    destroy(error, done) {
      clearTimeout(deadline)
      clearTimeout(throttle)
      outgoing.stop()
      socket.destroy()
      // Aedes destroys with an error when it cannot go on with what the client sent.
      onClosed(reason ?? (error ? 'malformed' : undefined))
      // The error ends here: Aedes takes away every listener for it.
      done(null)
    },
  })

  socket.setNoDelay(true)
  socket.on('data', chunk => {
    const taken = takeIn(intake, chunk, limits, now())
    intake = taken.intake
    onBytes('in', chunk.length)
    if (taken.fault !== undefined) return drop(taken.fault)
    full = !stream.push(chunk)
    if (taken.pauseMs > 0) {
      onThrottled()
      throttle = setTimeout(() => {
        throttle = undefined
        readOn()
      }, taken.pauseMs)
    }
    if (full || throttle !== undefined) socket.pause()
  })

  // What arrived before the end still counts, a DISCONNECT above all: without it the will would be published.
  const end = (): void => {
    if (ended || stream.destroyed) return
    ended = true
    stream.push(null)
    clearTimeout(deadline)
    deadline = setTimeout(() => drop('lost'), limits.drainTimeoutMs)
  }
  socket.on('end', end)
  socket.on('close', end)
  socket.on('error', () => blame('lost'))

  return {
    stream,
    address: addressOf(socket),
    get waitingBytes() {
      return outgoing.waitingBytes
    },
    get closed() {
      return stream.destroyed
    },
    admit(traffic) {
      if (stream.destroyed) return
      if (!ended) clearTimeout(deadline)
      intake = admit(intake, traffic, now())
      outgoing.allow(traffic.outgoingMaxBytes)
    },
    blame,
    drop,
  }
}

/** An IPv4 client looks the same on a socket that listens for both. */
export const addressOf = (socket: Socket): string => (socket.remoteAddress ?? '').replace(/^::ffff:/, '')
