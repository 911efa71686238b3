import type { IncomingMessage, ServerResponse } from 'node:http'
import { formatProblems, isId, messageOf, type Validator, validator } from '@nakama/contract'
import type { MoreRoutes } from '@nakama/service'
import { DoBody, UnplugBody } from './control-types.ts'
import type { Machine } from './floor.ts'

const BODY_MAX_BYTES = 4_096

/**
 * `GET /machines` tells the truth; `POST /machines/<shop>/<machine>/do | unplug | plug` and `POST /servers/<name>/unplug |
 * plug` make things happen. Answers 200 with the machines concerned, 400 for a bad body, 404, 405, or 413.
 *
 * @param apply makes what was asked for true at once, before the answer.
 */
export const controlRoutes = (machines: readonly Machine[], apply: () => void): MoreRoutes => {
  const doBody = validator(DoBody)
  const unplugBody = validator(UnplugBody)

  const find = (path: string): Target | undefined => {
    const parts = path.split('/').map(part => decodePart(part))
    const verb = parts.at(-1)
    if (parts[1] === 'machines' && parts.length === 5 && isId(parts[2] ?? '') && isId(parts[3] ?? '')) {
      const found = machines.filter(({ entry }) => entry.shop === parts[2] && entry.machine === parts[3])
      return found.length > 0 && isVerb(verb)
        ? { machines: found, which: whichOf(found[0] as Machine), verb }
        : undefined
    }
    // A server's name may itself have a slash in it.
    if (parts[1] === 'servers' && (verb === 'plug' || verb === 'unplug')) {
      const name = parts.slice(2, -1).join('/')
      const found = machines.filter(({ server }) => server === name)
      return found.length > 0 ? { machines: found, which: 'server', verb } : undefined
    }
    return undefined
  }

  const act = (target: Target, body: unknown): string | undefined => {
    if (target.verb === 'do')
      return checked(doBody, body, ({ action, forMs }) => {
        for (const machine of target.machines) machine.do(action, forMs)
      })
    return checked(unplugBody, body, ({ mode = 'hang', forMs }) => {
      for (const machine of target.machines) {
        if (target.verb === 'plug') machine.plug(target.which)
        else machine.pull(target.which, mode, forMs)
      }
    })
  }

  return (request, response) => {
    const path = request.url?.split('?')[0] ?? ''
    if (!/^\/(machines|servers)(\/|$)/.test(path)) return false
    if (path === '/machines') {
      if (request.method === 'GET') send(response, 200, { machines: machines.map(machine => machine.view()) })
      else send(response, 405, { error: 'expected GET' })
      return true
    }
    const target = find(path)
    if (target === undefined) {
      const error = `${path}: expected /machines, /machines/<shop>/<machine>/do|unplug|plug or /servers/<name>/unplug|plug of one that is here`
      send(response, 404, { error })
    } else if (request.method !== 'POST') send(response, 405, { error: 'expected POST' })
    else
      readJson(request).then(
        body => {
          const error = act(target, body)
          apply()
          if (error !== undefined) send(response, 400, { error })
          else send(response, 200, { machines: target.machines.map(machine => machine.view()) })
        },
        error => send(response, error instanceof TooLarge ? 413 : 400, { error: messageOf(error) }),
      )
    return true
  }
}

interface Target {
  readonly machines: readonly Machine[]
  readonly which: 'server' | 'own'
  readonly verb: 'do' | 'plug' | 'unplug'
}

const isVerb = (text: string | undefined): text is Target['verb'] =>
  text === 'do' || text === 'plug' || text === 'unplug'

const whichOf = ({ server }: Machine): 'server' | 'own' => (server.startsWith('opcua:') ? 'own' : 'server')

const decodePart = (part: string): string => {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

const checked = <T>(check: Validator<T>, body: unknown, then: (value: T) => void): string | undefined => {
  const result = check.check(body)
  if (!result.ok) return formatProblems(result.problems)
  then(result.value)
  return undefined
}

class TooLarge extends Error {}

/** An empty body is an empty object. */
const readJson = async (request: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_MAX_BYTES) throw new TooLarge(`body: expected at most ${BODY_MAX_BYTES} bytes, got more`)
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString('utf8')
  return text.trim() === '' ? {} : JSON.parse(text)
}

const send = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
  response.end(`${JSON.stringify(body)}\n`)
}
