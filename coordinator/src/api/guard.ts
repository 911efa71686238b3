import { isForeignOrigin, isOurHost } from '@nakama/service'
import type { FastifyInstance } from 'fastify'
import { ApiError } from './errors.ts'

export interface GuardOptions {
  /** Names that are ours, besides addresses and localhost. */
  readonly hosts: readonly string[]
  /** Of inline scripts that are ours: `'sha256-…'`. */
  readonly scriptHashes: readonly string[]
}

/** Refuses what a browser does on behalf of somebody else's page, and tells browsers to load nothing but our own. */
export const guard = (app: FastifyInstance, { hosts, scriptHashes }: GuardOptions): void => {
  const headers = securityHeaders(scriptHashes)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers)
    const { host } = request.headers
    if (!isOurHost(host, hosts)) {
      throw new ApiError('COORDINATOR_HOST_UNKNOWN', {
        path: 'headers.host',
        expected: 'an address, localhost or one of http.hosts',
        got: JSON.stringify(host ?? null).slice(0, 80),
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

const refuseForeignOrigin = (headers: { readonly [name: string]: string | string[] | undefined }): void => {
  if (!isForeignOrigin(headers)) return
  throw new ApiError('COORDINATOR_ORIGIN_FOREIGN', {
    path: 'headers.origin',
    expected: `http(s)://${String(headers.host)}, for changes are taken from our own pages only`,
    got: JSON.stringify(headers.origin ?? headers['sec-fetch-site']).slice(0, 80),
  })
}
