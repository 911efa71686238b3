import { isIP, isIPv4 } from 'node:net'

/** True for addresses that only this machine can reach. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))

/**
 * Whether a request's Host header names us: an address, localhost, or one of `names`. A page elsewhere can point its own name
 * at our address (DNS rebinding) and is then same-origin with us in every other respect; only the name tells, and it cannot
 * be an address.
 */
export const isOurHost = (header: string | undefined, names: readonly string[]): boolean => {
  if (header === undefined) return false
  const host = header
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()
  return host === 'localhost' || isIP(host) !== 0 || names.includes(host)
}

/**
 * Whether a browser sends this on behalf of somebody else's page. A request without these headers comes from no browser, and
 * so from nobody who could be tricked into sending it.
 */
export const isForeignOrigin = (headers: { readonly [name: string]: string | string[] | undefined }): boolean => {
  const { origin, host } = headers
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true
  return origin !== undefined && hostOf(String(origin)) !== host
}

const hostOf = (origin: string): string | undefined => (URL.canParse(origin) ? new URL(origin).host : undefined)
