import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AgentId } from '@nakama/contract'
import { isForeignOrigin, isOurHost, type Log, type Metrics, type MoreRoutes } from '@nakama/service'
import type { Board } from '../journal/board.ts'
import { BOARD_PAGE_POLICY, boardPage, refusedPage } from './board-page.ts'
import { readForm } from './form.ts'

export interface BoardRoutesOptions extends AgentId {
  readonly board: Board
  /** Names under which a browser may ask for the page, besides addresses and localhost. */
  readonly hosts: readonly string[]
  readonly log: Log
  readonly metrics: Metrics
}

const PATH = '/board'
const TOKEN_BYTES = 16
const FORM = 'application/x-www-form-urlencoded'

/**
 * `GET /board` shows which board the card belongs to; `POST /board` with the token of that page says that it was moved. A page
 * of another site that a browser of the shop shows can make neither: it knows no token, and its browser says where it comes from.
 */
export const boardRoutes = ({ shop, agent, board, hosts, log, metrics }: BoardRoutesOptions): MoreRoutes => {
  const token = randomBytes(TOKEN_BYTES).toString('hex')
  const confirmations = metrics.counter('board_confirmations', 'Times that somebody said the card was moved', [
    'result',
  ])

  const told = new Set<string>()

  const reply = (response: ServerResponse, status: number, html: string): void => {
    response.writeHead(status, { ...HEADERS, 'content-type': 'text/html; charset=utf-8' })
    response.end(html)
  }
  const show = (response: ServerResponse, status: number, isNotKept = false): void => {
    const { isMoved, serial, cardSerial } = board
    reply(response, status, boardPage({ shop, agent, isMoved, serial, cardSerial, token, isNotKept }))
  }
  const refuse = (response: ServerResponse, status: number, why: string): void => {
    confirmations.inc({ result: 'refused' })
    // Once: who asks without end must not wear out the card.
    if (!told.has(why)) log.warn({ why, code: 'BOARD_REFUSED' }, 'a request about the board was refused')
    told.add(why)
    // What is left of the request is not waited for.
    response.setHeader('connection', 'close')
    reply(response, status, refusedPage())
  }

  const confirm = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (isForeignOrigin(request.headers)) return refuse(response, 403, 'another site')
    if (request.headers['content-type']?.split(';')[0]?.trim() !== FORM) return refuse(response, 415, 'no form')
    const form = await readForm(request)
    if (form === undefined) return refuse(response, 413, 'too long')
    if (!isSame(form.get('token') ?? '', token)) return refuse(response, 403, 'not the token')
    try {
      await board.confirm()
    } catch (error) {
      confirmations.inc({ result: 'not-kept' })
      log.error({ err: error, code: 'BOARD_NOT_KEPT' }, 'the board cannot be kept: nothing has changed')
      return show(response, 503, true)
    }
    confirmations.inc({ result: 'kept' })
    response.writeHead(303, { ...HEADERS, location: PATH })
    response.end()
  }

  return (request, response) => {
    if (request.url?.split('?')[0] !== PATH) return false
    if (!isOurHost(request.headers.host, hosts)) refuse(response, 421, 'another name')
    else if (request.method === 'GET' || request.method === 'HEAD') show(response, 200)
    else if (request.method === 'POST') confirm(request, response).catch(() => response.destroy())
    else {
      response.writeHead(405, { ...HEADERS, allow: 'GET, HEAD, POST' })
      response.end()
    }
    return true
  }
}

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': BOARD_PAGE_POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  // With `no-referrer` a browser would not say where the form comes from.
  'referrer-policy': 'same-origin',
} as const

const isSame = (given: string, wanted: string): boolean => {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}
