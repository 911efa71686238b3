import { request } from 'node:http'
import { describe, expect, it } from 'vitest'
import type { ErrorAnswer } from '../src/index.ts'
import { start } from './helpers.ts'

interface Reply {
  readonly status: number | undefined
  readonly headers: { readonly [name: string]: string | string[] | undefined }
  readonly body: string
}

/** Unlike fetch, node:http lets us say any Host. */
const send = (
  url: string,
  path: string,
  headers: { [name: string]: string },
  method = 'GET',
  body = '',
): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const sent = request(url + path, { method, headers, agent: false }, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk as Buffer))
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })

const codeOf = ({ status, body }: Reply): [number | undefined, string | undefined] => {
  const isError = status !== undefined && status >= 400
  return [status, isError ? (JSON.parse(body) as ErrorAnswer).error.code : undefined]
}

const JSON_TYPE = { 'content-type': 'application/json' }
const TAKING = '/api/v1/shops/tanaka/taking'

describe('a page of somebody else', () => {
  it('cannot read us under a name of its own that points at our address', async () => {
    const { url } = await start({ brokerPort: 1, http: { hosts: ['board.example'] } })
    for (const path of ['/api/v1/machines', '/api/v1/events', '/', '/openapi.json', '/metrics', '/nothing']) {
      expect(codeOf(await send(url, path, { host: 'evil.example' }))).toEqual([421, 'COORDINATOR_HOST_UNKNOWN'])
    }
    expect(codeOf(await send(url, '/api/v1/machines', { host: '127.0.0.1.evil.example' }))[0]).toBe(421)
    expect(codeOf(await send(url, '/api/v1/machines', { host: 'localhost.' }))[0]).toBe(421)
    for (const host of [
      '127.0.0.1:8080',
      'localhost',
      '[::1]:8080',
      '192.168.1.5',
      'Board.Example',
      'board.example:443',
    ]) {
      expect(codeOf(await send(url, '/api/v1/machines', { host }))[0]).toBe(200)
    }
  })

  it('cannot switch a shop', async () => {
    const { url } = await start({ brokerPort: 1 })
    const put = (headers: { [name: string]: string }) => send(url, TAKING, headers, 'PUT', '{"value":false}')
    const { host } = new URL(url)
    const foreign: { [name: string]: string }[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `http://${host}.evil.example` },
      { origin: `http://127.0.0.1:1` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: `http://${host}`, 'sec-fetch-site': 'cross-site' },
    ]
    for (const headers of foreign) {
      expect(codeOf(await put({ ...JSON_TYPE, ...headers }))).toEqual([403, 'COORDINATOR_ORIGIN_FOREIGN'])
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
      expect(codeOf(await put({ 'content-type': type }))).toEqual([415, 'COORDINATOR_NOT_JSON'])
    }
    // No preflight is ever answered in its favour.
    const preflight = await send(url, TAKING, { origin: 'https://evil.example' }, 'OPTIONS')
    expect(preflight.headers['access-control-allow-origin']).toBeUndefined()
    expect(preflight.status).toBe(403)
    expect(codeOf(await put({ ...JSON_TYPE, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }))[0]).toBe(202)
    expect(codeOf(await put(JSON_TYPE))[0]).toBe(202)
  })
})

describe('every answer', () => {
  it('tells browsers to load nothing but our own', async () => {
    const { url } = await start({ brokerPort: 1 })
    for (const path of ['/', '/api/v1/machines', '/nothing', '/api/v1/machines?x=1']) {
      const { headers } = await send(url, path, {})
      expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'/)
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
      expect(headers['content-security-policy']).not.toMatch(/unsafe|\*/)
      expect(headers['x-content-type-options']).toBe('nosniff')
      expect(headers['cross-origin-resource-policy']).toBe('same-origin')
    }
  })

  it('is refused once an address asks too often, except to those who watch over us', async () => {
    const { url } = await start({ brokerPort: 1, http: { requestsPerMinuteMax: 5 } })
    const statuses: (number | undefined)[] = []
    for (let i = 0; i < 6; i++) statuses.push((await send(url, '/api/v1/machines', {})).status)
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429])
    const refused = await send(url, '/api/v1/machines', {})
    expect(codeOf(refused)).toEqual([429, 'COORDINATOR_RATE_LIMITED'])
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect((await send(url, '/metrics', {})).status).toBe(200)
  })

  it('to a switch of a shop is a refusal after 120 in a minute, for each is written to disk', async () => {
    const { url } = await start({ brokerPort: 1 })
    const statuses: (number | undefined)[] = []
    for (let i = 0; i < 121; i++) statuses.push((await send(url, TAKING, JSON_TYPE, 'PUT', '{"value":false}')).status)
    expect(statuses.slice(0, 120)).toEqual(Array.from({ length: 120 }, () => 202))
    expect(statuses[120]).toBe(429)
    expect((await send(url, '/api/v1/machines', {})).status).toBe(200)
  })
})

describe('the board', () => {
  it('comes with everything that it asks for, cached for ever, and its only inline script in the policy', async () => {
    const { url } = await start({ brokerPort: 1 })
    const page = await send(url, '/', {})
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
    const paths = [...page.body.matchAll(/(?:href|src)="(\/[^"]+)"/g)].map(match => match[1] as string)
    expect(paths.length).toBeGreaterThan(5)
    for (const path of paths) {
      const { status, headers } = await send(url, path, {})
      expect([path, status, headers['cache-control']]).toEqual([path, 200, 'public, max-age=31536000, immutable'])
    }
    const inline = /<script type="importmap">(.*?)<\/script>/.exec(page.body)?.[1] as string
    const { imports } = JSON.parse(inline) as { imports: { [name: string]: string } }
    for (const path of Object.values(imports)) expect((await send(url, path, {})).status).toBe(200)
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(inline))
    expect(page.headers['content-security-policy']).toContain(`'sha256-${Buffer.from(digest).toString('base64')}'`)
    expect([...page.body.matchAll(/<script(?![^>]*src=)/g)]).toHaveLength(1)
  })
})
