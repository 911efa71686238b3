import { isIPv4 } from 'node:net'

/** True for addresses that only this machine can reach. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))

/**
 * Whether a request's Host header names us. A page elsewhere can point its own name at 127.0.0.1 (DNS rebinding) and is then
 * same-origin with us in every other respect; only the name tells.
 *
 * @param listenHost what we listen on: beyond loopback any name is taken unless `extra` lists some.
 */
export const isOurHost = (header: string | undefined, listenHost: string, extra: readonly string[]): boolean => {
  if (!isLoopback(listenHost) && extra.length === 0) return true
  if (header === undefined) return false
  const name = header
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()
  return isLoopback(name) || name === listenHost || extra.includes(name)
}
