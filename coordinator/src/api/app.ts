import type { IncomingMessage, ServerResponse } from 'node:http'
import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import underPressure from '@fastify/under-pressure'
import { validator } from '@nakama/contract'
import type { Health, Log, Metrics } from '@nakama/service'
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type RawServerDefault,
} from 'fastify'
import type { TSchema } from 'typebox'
import type { BoardAssets } from '../board/assets.ts'
import { boardRoutes } from '../board/routes.ts'
import type { History } from '../history.ts'
import type { Live } from '../live.ts'
import type { RegisterIndex } from '../register.ts'
import { ApiError, type ApiErrorCode, toRefusal } from './errors.ts'
import type { EventHub } from './events.ts'
import { guard, securityHeaders } from './guard.ts'
import { operations } from './operations.ts'
import { routes } from './routes.ts'

export interface AppOptions {
  readonly register: RegisterIndex
  readonly live: Live
  readonly history: History
  readonly events: EventHub
  readonly assets: BoardAssets
  readonly health: () => Health
  readonly metrics: Metrics
  readonly log: Log
  readonly now: () => number
  /** Names that are ours, besides addresses and localhost. */
  readonly hosts: readonly string[]
  /** Per client address. */
  readonly requestsPerMinuteMax: number
  readonly connectionsMax: number
}

/** Fastify with our schemas as its types. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

const BODY_MAX_BYTES = 16 * 1024
const EVENT_LOOP_DELAY_MAX_MS = 2_000

/** The whole HTTP side, not listening: tests inject into it, `startCoordinator` listens with it. */
export const buildApp = async (options: AppOptions): Promise<App> => {
  const { log, metrics, assets, hosts } = options
  const app: App = fastify({
    bodyLimit: BODY_MAX_BYTES,
    requestTimeout: 10_000,
    connectionTimeout: 0,
    routerOptions: { maxParamLength: 100 },
    forceCloseConnections: true,
    // What is refused before there is a route: a path that is no path.
    frameworkErrors: (error, _request, reply) => {
      refuse(reply as unknown as FastifyReply, error)
    },
  }).withTypeProvider<TypeBoxTypeProvider>()

  app.server.maxConnections = options.connectionsMax
  app.setValidatorCompiler<TSchema>(({ schema, httpPart }) => checker(schema, httpPart))
  // Answers are made by our own types; a serialiser per schema is many times slower where null is allowed.
  app.setSerializerCompiler(() => JSON.stringify)
  // JSON only: a form of another site can send text/plain, but never application/json, without asking first.
  app.removeContentTypeParser('text/plain')
  app.setErrorHandler((error, request, reply) => {
    if (refuse(reply, error) === 500) log.error({ err: error, url: request.url }, 'request failed')
  })
  app.setNotFoundHandler(request => {
    throw new ApiError(
      'COORDINATOR_ROUTE_UNKNOWN',
      `${request.method} ${request.url.slice(0, 200)}: there is no such thing here`,
    )
  })

  guard(app, { hosts, scriptHashes: assets.scriptHashes })
  measure(app, metrics)
  await app.register(underPressure, {
    maxEventLoopDelay: EVENT_LOOP_DELAY_MAX_MS,
    pressureHandler: (_request, reply) => {
      void reply.header('retry-after', '5')
      refuse(reply, new ApiError('COORDINATOR_OVERLOADED', 'too much to do; try again in a moment'))
    },
  })
  await app.register(rateLimit, {
    max: options.requestsPerMinuteMax,
    timeWindow: 60_000,
    errorResponseBuilder: (_request, { max, after }) =>
      new ApiError('COORDINATOR_RATE_LIMITED', `at most ${max} requests a minute; try again in ${after}`),
  })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Nakama coordinator',
        version: '1',
        description: 'Which machine is free across the shops, and whom to call. Times are RFC 3339 UTC.',
      },
    },
  })
  await app.register(async scope => routes(scope as App, { ...options, streamHeaders: securityHeaders([]) }))
  await app.register(async scope => operations(scope as App, options))
  await app.register(async scope => boardRoutes(scope as App, assets))
  return app
}

/** Answers with the refusal that was thrown, and says with which status. */
const refuse = (reply: FastifyReply, thrown: unknown): number => {
  const { status, body } = toRefusal(thrown)
  void reply.code(status).send(body)
  return status
}

const INVALID: { readonly [part: string]: ApiErrorCode } = {
  querystring: 'COORDINATOR_QUERY_INVALID',
  params: 'COORDINATOR_PATH_INVALID',
  body: 'COORDINATOR_BODY_INVALID',
}

/** The contract's own validator, so that a bad request reads like a bad configuration: path, expected, got. */
const checker = (schema: TSchema, httpPart: string | undefined) => {
  const check = validator(schema)
  return (value: unknown) => {
    const checked = check.check(value)
    if (checked.ok) return { value: checked.value }
    const [first] = checked.problems
    const code = INVALID[httpPart ?? ''] ?? 'COORDINATOR_REQUEST_INVALID'
    return { error: new ApiError(code, first ?? 'the request does not fit its schema') }
  }
}

const measure = (app: App, metrics: Metrics): void => {
  const seconds = metrics.seconds('http_requests', 'Time to answer, by route')
  const answers = metrics.counter('http_answers', 'Answers, by status', ['status'])
  app.addHook('onResponse', async (_request, reply) => {
    seconds.observe(reply.elapsedTime / 1000)
    answers.inc({ status: String(reply.statusCode) })
  })
}
