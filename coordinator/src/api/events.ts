import type { ServerResponse } from 'node:http'
import type { StreamEvents } from './schemas.ts'

export interface EventHub {
  readonly size: number
  readonly full: boolean
  /** Sends the snapshot and then everything that is told, until the client goes or is dropped: too much unread, or no progress from beat to beat. */
  attach(response: ServerResponse, headers: { readonly [name: string]: string }): void
  tell<E extends keyof StreamEvents>(event: E, data: StreamEvents[E]): void
  beat(now: string): void
  stop(): void
}

export interface EventHubOptions {
  readonly clientsMax: number
  readonly snapshot: () => StreamEvents['snapshot']
  /** Beyond its snapshot a client may leave this much unread. */
  readonly unreadMaxBytes?: number
  readonly onDropped: () => void
}

const UNREAD_MAX_BYTES = 1024 * 1024
const RETRY_MS = 2_000

interface Client {
  readonly response: ServerResponse
  readonly limitBytes: number
  /** Bytes that had gone out at the last beat, if something was left unread then. */
  stuckAtBytes: number | undefined
}

/**
 * Server-sent events for many boards. A message is put into words once for all; a client that does not read is dropped, for
 * it can come back and have the whole picture, while the memory that it would fill is everybody's.
 */
export const createEventHub = (options: EventHubOptions): EventHub => {
  const { clientsMax, snapshot, unreadMaxBytes = UNREAD_MAX_BYTES, onDropped } = options
  const clients = new Set<Client>()

  const drop = (client: Client): void => {
    clients.delete(client)
    client.response.destroy()
    onDropped()
  }
  const send = (client: Client, text: string): void => {
    client.response.write(text)
    if (client.response.writableLength > client.limitBytes) drop(client)
  }
  /** Bytes that the client's system has taken; undefined when nothing is left unread. */
  const progress = ({ response }: Client): number | undefined => {
    const { socket, writableLength } = response
    return writableLength === 0 || socket === null ? undefined : socket.bytesWritten - writableLength
  }

  return {
    get size() {
      return clients.size
    },
    get full() {
      return clients.size >= clientsMax
    },
    attach(response, headers) {
      response.writeHead(200, {
        ...headers,
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      })
      const first = `retry: ${RETRY_MS}\n${message('snapshot', snapshot())}`
      const client: Client = {
        response,
        limitBytes: Buffer.byteLength(first) + unreadMaxBytes,
        stuckAtBytes: undefined,
      }
      clients.add(client)
      response.on('close', () => clients.delete(client))
      response.on('error', () => clients.delete(client))
      send(client, first)
    },
    tell(event, data) {
      if (clients.size === 0) return
      const text = message(event, data)
      for (const client of clients) send(client, text)
    },
    beat(now) {
      const text = `: heartbeat\n${message('beat', { now })}`
      for (const client of clients) {
        const gone = progress(client)
        if (gone !== undefined && gone === client.stuckAtBytes) drop(client)
        else send(client, text)
        client.stuckAtBytes = gone
      }
    },
    stop() {
      for (const { response } of clients) response.end()
      clients.clear()
    },
  }
}

const message = <E extends keyof StreamEvents>(event: E, data: StreamEvents[E]): string =>
  `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
