import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** From whoever connected towards `target`, or back. */
export type Direction = 'up' | 'down'

/**
 * A cable with a switch: passes every byte to `target`; `cut` resets what is connected and refuses the rest; in a
 * `blackHole` connections stay open (and open) and no byte arrives, as behind a router that lost its uplink; `halfOpen` is a
 * black hole in one direction; `slow` delays every piece and lets only so many bytes through.
 */
export interface TcpProxy {
  readonly port: number
  pass(): void
  cut(): void
  blackHole(): void
  halfOpen(dead: Direction): void
  slow(limits: SlowLimits): void
  /** Connections made since the start. */
  readonly connections: number
  /** Connections that are open now. */
  readonly open: number
  /** What the switch has done since the start. */
  readonly harm: Readonly<Harm>
  stop(): Promise<void>
}

export interface SlowLimits {
  readonly bytesPerS: number
  /** For each piece, on top. */
  readonly delayMs: number
}

export interface Harm {
  /** Connections reset or refused. */
  broken: number
  swallowedBytes: number
  delayedBytes: number
}

const CONNECTIONS_MAX = 1_000

/** @param target asked anew for each connection. */
export const startTcpProxy = async (target: { readonly host: string; readonly port: number }): Promise<TcpProxy> => {
  let refusing = false
  let dead: readonly Direction[] = []
  let slow: SlowLimits | undefined
  let connections = 0
  const harm: Harm = { broken: 0, swallowedBytes: 0, delayedBytes: 0 }
  const clients = new Set<Socket>()
  const open = new Set<Socket>()

  const keep = (socket: Socket): void => {
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
  }
  const breakAll = (): void => {
    harm.broken += clients.size
    for (const socket of open) socket.resetAndDestroy()
  }
  const carry = (from: Socket, to: Socket, direction: Direction): void => {
    from.on('data', chunk => {
      // What came in while nothing passed is lost with the connection; TCP would have retransmitted, a dead router does not.
      if (dead.includes(direction)) harm.swallowedBytes += chunk.length
      else if (slow !== undefined) {
        harm.delayedBytes += chunk.length
        from.pause()
        const waitMs = slow.delayMs + (chunk.length * 1_000) / slow.bytesPerS
        setTimeout(() => write(from, to, chunk), waitMs)
      } else write(from, to, chunk)
    })
    from.on('end', () => to.end())
    from.on('close', () => to.destroy())
  }

  const server = createServer(client => {
    connections += 1
    if (refusing) {
      harm.broken += 1
      client.resetAndDestroy()
      return
    }
    keep(client)
    clients.add(client)
    client.on('close', () => clients.delete(client))
    const upstream = connect({ host: target.host, port: target.port, noDelay: true })
    keep(upstream)
    carry(client, upstream, 'up')
    carry(upstream, client, 'down')
  })
  server.maxConnections = CONNECTIONS_MAX
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })

  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections
    },
    get open() {
      return clients.size
    },
    harm,
    pass() {
      // A connection that lost bytes is of no use to anybody afterwards.
      if (dead.length > 0) breakAll()
      dead = []
      refusing = false
      slow = undefined
    },
    cut() {
      refusing = true
      breakAll()
    },
    blackHole() {
      dead = ['up', 'down']
    },
    halfOpen(direction) {
      dead = [direction]
    },
    slow(limits) {
      slow = limits
    },
    async stop() {
      for (const socket of open) socket.destroy()
      await new Promise<void>(resolve => server.close(() => resolve()))
    },
  }
}

const write = (from: Socket, to: Socket, chunk: Buffer): void => {
  if (to.destroyed) return
  if (to.write(chunk)) from.resume()
  else {
    from.pause()
    to.once('drain', () => from.resume())
  }
}
