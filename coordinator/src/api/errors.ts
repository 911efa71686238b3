import { formatProblem, NakamaError, type Problem } from '@nakama/contract'

/** Every way in which the API refuses, with its HTTP status. Codes never change their meaning. */
export const API_ERRORS = {
  COORDINATOR_QUERY_INVALID: 400,
  COORDINATOR_PATH_INVALID: 400,
  COORDINATOR_BODY_INVALID: 400,
  COORDINATOR_REQUEST_INVALID: 400,
  COORDINATOR_ORIGIN_FOREIGN: 403,
  COORDINATOR_ROUTE_UNKNOWN: 404,
  COORDINATOR_SHOP_UNKNOWN: 404,
  COORDINATOR_MACHINE_UNKNOWN: 404,
  COORDINATOR_BODY_TOO_LARGE: 413,
  COORDINATOR_NOT_JSON: 415,
  COORDINATOR_HOST_UNKNOWN: 421,
  COORDINATOR_RATE_LIMITED: 429,
  COORDINATOR_INTERNAL: 500,
  COORDINATOR_OVERLOADED: 503,
  COORDINATOR_VIEWERS_TOO_MANY: 503,
  COORDINATOR_STORE_UNAVAILABLE: 503,
  COORDINATOR_DESIRED_NOT_SAVED: 503,
} as const

export type ApiErrorCode = keyof typeof API_ERRORS

/** A refusal. Where something in the request is wrong it names the place, as everywhere: path, what was expected, what came. */
export class ApiError extends NakamaError {
  readonly where: Problem | undefined

  constructor(code: ApiErrorCode, why: string | Problem) {
    super(code, typeof why === 'string' ? why : formatProblem(why))
    this.where = typeof why === 'string' ? undefined : why
  }
}

export interface Refusal {
  readonly status: number
  readonly body: {
    readonly error: {
      readonly code: ApiErrorCode
      readonly message: string
      readonly path?: string
      readonly expected?: string
      readonly got?: string
    }
  }
}

/** Turns whatever was thrown into a refusal. What is not in the catalogue is an internal error, whose words stay inside. */
export const toRefusal = (thrown: unknown): Refusal => {
  const code = (thrown as { code?: unknown } | null)?.code
  if (thrown instanceof NakamaError && isApiCode(code)) {
    return refusal(code, thrown.message, thrown instanceof ApiError ? thrown.where : undefined)
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return refusal('COORDINATOR_NOT_JSON', 'headers.content-type: expected application/json, got something else')
  }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return refusal('COORDINATOR_BODY_TOO_LARGE', 'the body is too large')
  if (typeof code === 'string' && code.startsWith('FST_ERR_CTP_')) {
    return refusal('COORDINATOR_BODY_INVALID', `body: expected JSON, got ${(thrown as Error).message}`)
  }
  const status = (thrown as { statusCode?: unknown } | null)?.statusCode
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return refusal('COORDINATOR_REQUEST_INVALID', (thrown as Error).message)
  }
  return refusal('COORDINATOR_INTERNAL', 'something went wrong here; the log says what')
}

const refusal = (code: ApiErrorCode, message: string, where?: Problem): Refusal => ({
  status: API_ERRORS[code],
  body: { error: { code, message, ...where } },
})

const isApiCode = (code: unknown): code is ApiErrorCode => typeof code === 'string' && Object.hasOwn(API_ERRORS, code)
