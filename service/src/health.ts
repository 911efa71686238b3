import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { messageOf } from '@nakama/contract'
import type { HttpListen } from './config.ts'
import type { Metrics } from './metrics.ts'

/** What a service says of itself: never merely "up", but how old its last real work is. */
export interface Health {
  /** False when somebody must look. */
  readonly ok: boolean
  /** True once it can do its work; orchestrators wait for it. */
  readonly ready: boolean
  /** Facts for a person: ages in milliseconds, counts, addresses. */
  readonly details: { readonly [name: string]: string | number | boolean | null }
}

export interface HealthServer {
  readonly url: string
  stop(): Promise<void>
}

/** Answers a request of the service's own and returns true, or returns false and leaves it alone. */
export type MoreRoutes = (request: IncomingMessage, response: ServerResponse) => boolean

/** Answers `/healthz` (200/503), `/readyz` (200/503) and `/metrics` with bare `node:http`: a Pi has no memory to spare. `more` is asked first. */
export const startHealthServer = async (
  listen: HttpListen,
  health: () => Health,
  metrics: Metrics,
  more: MoreRoutes = () => false,
): Promise<HealthServer> => {
  const server = createServer(
    { requestTimeout: 5_000, headersTimeout: 5_000, maxHeaderSize: 8_192 },
    (request, response) => {
      if (more(request, response)) return
      const reply = (status: number, type: string, body: string): void => {
        response.writeHead(status, {
          'content-type': type,
          'cache-control': 'no-store',
          'x-content-type-options': 'nosniff',
        })
        response.end(body)
      }
      const json = (ok: boolean, body: unknown): void =>
        reply(ok ? 200 : 503, 'application/json; charset=utf-8', `${JSON.stringify(body)}\n`)
      if (request.method !== 'GET') return reply(405, 'text/plain', 'only GET\n')
      const path = request.url?.split('?')[0]
      const current = health()
      if (path === '/healthz') return json(current.ok, { ok: current.ok, ...current.details })
      if (path === '/readyz') return json(current.ready, { ready: current.ready })
      if (path === '/metrics') {
        metrics.text().then(
          text => reply(200, metrics.contentType, text),
          error => reply(500, 'text/plain', `${messageOf(error)}\n`),
        )
        return
      }
      reply(404, 'text/plain', 'expected /healthz, /readyz or /metrics\n')
    },
  )
  server.maxConnections = 64
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(listen.port, listen.host, resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${listen.host}:${port}`,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
