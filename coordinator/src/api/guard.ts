import type { FastifyInstance } from 'fastify'
import { isOurHost } from '../hosts.ts'
import { ApiError } from './errors.ts'

export interface GuardOptions {
  readonly listenHost: string
  readonly hosts: readonly string[]
  /** Of inline scripts that are ours: `'sha256-…'`. */
  readonly scriptHashes: readonly string[]
}

/** Refuses what a browser does on behalf of somebody else's page, and tells browsers to load nothing but our own. */
export const guard = (app: FastifyInstance, { listenHost, hosts, scriptHashes }: GuardOptions): void => {
  const headers = securityHeaders(scriptHashes)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers)
    if (!isOurHost(request.headers.host, listenHost, hosts)) {
      throw new ApiError('COORDINATOR_HOST_UNKNOWN', 'this name is not one of ours', {
        path: 'headers.host',
        expected: 'localhost, a loopback address or one of http.hosts',
        got: JSON.stringify(request.headers.host ?? null).slice(0, 80),
      })
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') refuseForeignOrigin(request.headers)
  })
}

export const securityHeaders = (scriptHashes: readonly string[]): { readonly [name: string]: string } => ({
  'content-security-policy': [
    "default-src 'none'",
    `script-src ${["'self'", ...scriptHashes].join(' ')}`,
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
})

/** A request without these headers comes from no browser, and so from nobody who could be tricked into sending it. */
const refuseForeignOrigin = (headers: { readonly [name: string]: string | string[] | undefined }): void => {
  const { origin, host } = headers
  const site = headers['sec-fetch-site']
  const foreignSite = site !== undefined && site !== 'same-origin' && site !== 'none'
  if (!foreignSite && (origin === undefined || hostOf(String(origin)) === host)) return
  throw new ApiError('COORDINATOR_ORIGIN_FOREIGN', 'changes are taken from our own pages only', {
    path: 'headers.origin',
    expected: `http(s)://${String(host)}`,
    got: JSON.stringify(origin ?? site).slice(0, 80),
  })
}

const hostOf = (origin: string): string | undefined => (URL.canParse(origin) ? new URL(origin).host : undefined)
