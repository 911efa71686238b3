import type { AddressInfo } from 'node:net'
import { createServer, type Server, type Socket } from 'node:net'
import { messageOf, NakamaError } from '@nakama/contract'
import type { Log } from '@nakama/service'
import type { Outage } from '../control-types.ts'

/** A TCP port whose network can be taken away. */
export interface Gate {
  readonly port: number
  readonly connections: number
  /** How the network is gone from now on; null: it is there. Connections never outlive a change. */
  setOutage(outage: Outage | null): void
  stop(): Promise<void>
}

export interface GateOptions {
  readonly host: string
  /** 0 takes any free one, and keeps it. */
  readonly port: number
  readonly maxConnections: number
  /** Serves a connection until its socket closes; errors of the socket are handled. */
  readonly serve: (socket: Socket) => void
  readonly log: Log
}

/** Emitted by a socket whose peer must hear nothing any more. */
export const FROZEN = 'frozen'

const REBIND_MS = 250

/**
 * - `reset`: connections are accepted and broken at once.
 * - `refuse`: nobody listens.
 * - `hang`: connections are accepted, and nothing is ever read or answered, as if the cable were pulled.
 *
 * @throws NakamaError `SIMULATORS_LISTEN` when the port cannot be had.
 */
export const openGate = async ({ host, port, maxConnections, serve, log }: GateOptions): Promise<Gate> => {
  const sockets = new Set<Socket>()
  let outage: Outage | null = null
  let stopped = false
  let rebind: NodeJS.Timeout | undefined

  const accept = (socket: Socket): void => {
    // Peers come and go as they like; the close that follows says enough.
    socket.on('error', () => {})
    if (outage === 'reset' || outage === 'refuse') {
      socket.resetAndDestroy()
      return
    }
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // Read and thrown away: unread, a peer that gives up would never be noticed.
    if (outage === null) serve(socket)
    else socket.resume()
  }

  const listenOn = (wanted: number): Promise<Server> =>
    new Promise((resolve, reject) => {
      const server = createServer({ noDelay: true }, accept)
      server.maxConnections = maxConnections
      server.once('error', reject)
      server.listen(wanted, host, () => {
        server.off('error', reject)
        server.on('error', error => log.error({ err: error, code: 'SIMULATORS_LISTEN' }, 'listener failed'))
        resolve(server)
      })
    })

  let server: Server | undefined
  try {
    server = await listenOn(port)
  } catch (error) {
    throw new NakamaError('SIMULATORS_LISTEN', `${host}:${port}: cannot listen: ${messageOf(error)}`, { cause: error })
  }
  const mine = (server.address() as AddressInfo).port

  const closeListener = (): void => {
    clearTimeout(rebind)
    server?.close()
    server = undefined
  }
  /** Somebody else may have been given the port meanwhile: then again, until it is free. */
  const openListener = (): void => {
    listenOn(mine).then(
      opened => {
        if (stopped || outage === 'refuse' || server !== undefined) opened.close()
        else server = opened
      },
      error => {
        log.warn({ err: error, port: mine, code: 'SIMULATORS_LISTEN' }, 'port is taken; trying on')
        if (!stopped && outage !== 'refuse') rebind = setTimeout(openListener, REBIND_MS)
      },
    )
  }

  return {
    port: mine,
    get connections() {
      return sockets.size
    },
    setOutage(wanted) {
      if (wanted === outage || stopped) return
      const before = outage
      outage = wanted
      // With the cable pulled nothing arrives, not even a farewell; everything else ends what was open.
      for (const socket of sockets) {
        if (wanted === 'hang') freeze(socket)
        else socket.resetAndDestroy()
      }
      if (wanted === 'refuse') closeListener()
      else if (before === 'refuse') openListener()
    },
    async stop() {
      stopped = true
      closeListener()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Takes a socket away from whoever served it, still open: what comes is thrown away, and nothing is answered. */
const freeze = (socket: Socket): void => {
  socket.emit(FROZEN)
  socket.removeAllListeners('data')
  socket.unpipe()
  socket.resume()
}
