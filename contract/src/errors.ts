/**
 * An error that an operator can act on: what happened, where, what to do, and a code that never changes.
 *
 * `code` is `<ROOM>_<WHAT>` in capitals. `retryable` says that the same call may succeed later without anybody's help.
 */
export class NakamaError extends Error {
  readonly code: string
  readonly retryable: boolean

  constructor(code: string, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'NakamaError'
    this.code = code
    this.retryable = options.retryable ?? false
  }
}

/** The words of whatever was thrown: not everything that is thrown is an Error. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))
