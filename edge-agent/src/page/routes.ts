import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { messageOf } from '@nakama/contract'
import { isForeignOrigin, isOurHost, type MoreRoutes } from '@nakama/service'
import type { TakingKeeper } from '../uplink/taking.ts'
import type { PageFacts } from './facts.ts'
import { FORM_MAX_BYTES, readForm } from './form.ts'
import { live, statusPage, UNTIL } from './status-page.ts'
import { SCRIPT } from './style.ts'

export interface PageOptions {
  readonly facts: () => PageFacts
  readonly taking: Pick<TakingKeeper, 'change'>
  /** Names under which a browser may ask for the page, besides addresses and localhost. */
  readonly hosts: readonly string[]
}

const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  // With no-referrer a browser's own form would come from the origin `null`.
  'referrer-policy': 'same-origin',
  'content-security-policy': [
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    `script-src 'sha256-${createHash('sha256').update(SCRIPT).digest('base64')}'`,
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
} as const

/**
 * The Pi's own page: `/`, its live part `/live`, the same as JSON `/status.json`, and `POST /taking` (a form: `value` true or
 * false, `until` open, day or week), which answers with a way back to the page. Nobody has to log in: who can reach it is in
 * the shop. It is the only way besides the board to change anything, and it changes nothing else.
 */
export const pageRoutes =
  ({ facts, taking, hosts }: PageOptions): MoreRoutes =>
  (request, response) => {
    const reply = (
      status: number,
      type: string,
      body: string,
      more: { readonly [name: string]: string } = {},
    ): true => {
      response.writeHead(status, { ...HEADERS, 'content-type': `${type}; charset=utf-8`, ...more })
      response.end(body)
      return true
    }
    const route = `${request.method} ${request.url?.split('?')[0]}`
    if (!ROUTES.has(route)) return false
    if (!isOurHost(request.headers.host, hosts)) return reply(421, 'text/plain', 'PAGE_HOST_UNKNOWN: ask by address\n')
    if (route === 'GET /') return reply(200, 'text/html', statusPage(facts()))
    if (route === 'GET /live') return reply(200, 'text/html', live(facts()).html)
    if (route === 'GET /status.json') return reply(200, 'application/json', `${JSON.stringify(facts())}\n`)
    if (isForeignOrigin(request.headers)) {
      return reply(403, 'text/plain', 'PAGE_ORIGIN_FOREIGN: changes are taken from our own page only\n')
    }
    change(request, taking, facts().at).then(
      problem =>
        problem === undefined
          ? reply(303, 'text/plain', 'done\n', { location: '/' })
          : reply(400, 'text/plain', `PAGE_BAD_FORM: ${problem}\n`),
      error => reply(500, 'text/plain', `PAGE_NOT_KEPT: the change cannot be kept: ${messageOf(error)}\n`),
    )
    return true
  }

const ROUTES = new Set(['GET /', 'GET /live', 'GET /status.json', 'POST /taking'])

const change = async (
  request: IncomingMessage,
  taking: Pick<TakingKeeper, 'change'>,
  now: number,
): Promise<string | undefined> => {
  const form = await readForm(request)
  if (form === undefined) return `expected at most ${FORM_MAX_BYTES} bytes`
  const [value, until] = [form.get('value'), form.get('until') ?? 'open']
  if (value !== 'true' && value !== 'false') return `value: expected true or false, got ${JSON.stringify(value)}`
  if (!isUntil(until)) return `until: expected ${Object.keys(UNTIL).join(', ')}, got ${JSON.stringify(until)}`
  await taking.change(value === 'true', UNTIL[until].at(now))
  return undefined
}

const isUntil = (text: string): text is keyof typeof UNTIL => Object.hasOwn(UNTIL, text)
