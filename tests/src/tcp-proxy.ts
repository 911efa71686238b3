import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/**
 * A cable with a switch: passes every byte to `target`; `cut` resets what is connected and refuses the rest; in a
 * `blackHole` connections stay open (and open) and no byte arrives, as behind a router that lost its uplink.
 */
export interface TcpProxy {
  readonly port: number
  pass(): void
  cut(): void
  blackHole(): void
  /** Connections made since the start. */
  readonly connections: number
  stop(): Promise<void>
}

const CONNECTIONS_MAX = 1_000

export const startTcpProxy = async (target: { readonly host: string; readonly port: number }): Promise<TcpProxy> => {
  let mode: 'pass' | 'cut' | 'black-hole' = 'pass'
  let connections = 0
  const open = new Set<Socket>()

  const keep = (socket: Socket): void => {
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
  }
  const server = createServer(client => {
    connections += 1
    if (mode === 'cut') return void client.resetAndDestroy()
    keep(client)
    // What came in while nothing passed is lost with the connection; TCP would have retransmitted, a dead router does not.
    if (mode === 'black-hole') return void client.resume()
    const upstream = connect(target)
    keep(upstream)
    client.pipe(upstream).pipe(client)
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
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
    pass() {
      // A connection of the black hole is of no use to anybody afterwards.
      if (mode === 'black-hole') for (const socket of open) socket.resetAndDestroy()
      mode = 'pass'
    },
    cut() {
      mode = 'cut'
      for (const socket of open) socket.resetAndDestroy()
    },
    blackHole() {
      mode = 'black-hole'
      for (const socket of open) {
        socket.unpipe()
        socket.resume()
      }
    },
    async stop() {
      for (const socket of open) socket.destroy()
      await new Promise<void>(resolve => server.close(() => resolve()))
    },
  }
}
