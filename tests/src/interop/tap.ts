import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A cable that passes everything on and keeps what goes towards `port`. */
export const startTap = async (port: number) => {
  const asked: Buffer[] = []
  const open = new Set<Socket>()
  const keep = (socket: Socket): Socket => {
    open.add(socket)
    return socket.on('error', () => {}).on('close', () => open.delete(socket))
  }
  const server = createServer(client => {
    const upstream = keep(connect({ host: '127.0.0.1', port, noDelay: true }))
    keep(client).setNoDelay(true)
    client.on('data', chunk => asked.push(chunk))
    client.pipe(upstream).pipe(client)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    /** The function codes of all requests, each of which has the same length. */
    functions: (framing: 'mbap' | 'rtu'): number[] => {
      const [length, at] = framing === 'mbap' ? [12, 7] : [8, 1]
      const all = Buffer.concat(asked)
      return Array.from({ length: Math.floor(all.length / length) }, (_, i) => all[i * length + at] as number)
    },
    stop: () =>
      new Promise<void>(resolve => {
        for (const socket of open) socket.destroy()
        server.close(() => resolve())
      }),
  }
}
