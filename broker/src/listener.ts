import { type AddressInfo, createServer, type Socket } from 'node:net'
import { messageOf, NakamaError } from '@nakama/contract'
import type { HttpListen } from '@nakama/service'
import { addressOf } from './connection.ts'

export interface Listener {
  readonly port: number
  readonly connections: number
  /** Takes no more; resolves when every socket is closed. */
  stop(): Promise<void>
}

export interface ListenerHooks {
  readonly onSocket: (socket: Socket) => void
  readonly onRefused: (why: 'connections-max' | 'address-max', address: string) => void
  /** A connection could not be accepted (no more descriptors, above all); it goes on listening. */
  readonly onError: (error: Error) => void
}

/**
 * Listens for MQTT clients, so many of them altogether and from one address.
 *
 * @throws NakamaError `BROKER_CANNOT_LISTEN`.
 */
export const openListener = async (
  { host, port }: HttpListen,
  limits: { readonly connectionsMax: number; readonly connectionsPerAddressMax: number },
  { onSocket, onRefused, onError }: ListenerHooks,
): Promise<Listener> => {
  const perAddress = new Map<string, number>()
  let connections = 0
  const count = (address: string, step: 1 | -1): void => {
    connections += step
    const left = (perAddress.get(address) ?? 0) + step
    if (left === 0) perAddress.delete(address)
    else perAddress.set(address, left)
  }

  const server = createServer(socket => {
    const address = addressOf(socket)
    const refusal =
      connections >= limits.connectionsMax
        ? 'connections-max'
        : (perAddress.get(address) ?? 0) >= limits.connectionsPerAddressMax
          ? 'address-max'
          : undefined
    if (refusal !== undefined) {
      // A reset that is still on its way has no other listener.
      socket.on('error', () => {})
      socket.destroy()
      return onRefused(refusal, address)
    }
    count(address, 1)
    socket.once('close', () => count(address, -1))
    onSocket(socket)
  })

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  }).catch(error => {
    const text = `listen: cannot listen at ${host}:${port}: ${messageOf(error)}`
    throw new NakamaError('BROKER_CANNOT_LISTEN', text, { cause: error })
  })
  server.on('error', onError)
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections
    },
    stop: () => new Promise(resolve => server.close(() => resolve())),
  }
}
