import { backoffMs, pause } from '@nakama/service'
import type { ReadFailure } from '../source.ts'
import type { Connection } from './connection.ts'
import type { ReadRequest } from './protocol.ts'
import type { ReadResult } from './station.ts'
import type { Pace } from './unit-health.ts'

/** A connection to one bus that is always on its way back up. */
export interface Link {
  /** Never rejects. Without a connection it fails at once, and nobody is to blame but the line. */
  ask(unit: number, request: ReadRequest, timeoutMs: number): Promise<ReadResult>
  /** Resolves once the first try to connect has ended, either way. */
  readonly tried: Promise<void>
  /** Keeps connecting until aborted; resolves when the connection is gone. */
  run(signal: AbortSignal): Promise<void>
}

/** Makes one try to connect, of bounded time. */
export type Dial = (signal: AbortSignal) => Promise<Connection | ReadFailure>

/**
 * A connection that was of use is replaced at once, since one unit's disorder must not cost the others more. One that never
 * gave a good answer is replaced after growing pauses, so a peer that accepts and resets is not hammered.
 */
export const openLink = (dial: Dial, pace: Pace, random: () => number, onConnect: () => void): Link => {
  const tried = Promise.withResolvers<void>()
  let connection: Connection | undefined
  let last: ReadFailure = { kind: 'connect', message: 'not yet connected' }
  let attempt = 0
  /** Settles with the try to replace a connection that was of use; it would be a pity to fail polls for that moment. */
  let replacing: PromiseWithResolvers<void> | undefined

  const settled = (): void => {
    tried.resolve()
    replacing?.resolve()
    replacing = undefined
  }

  const serve = async (opened: Connection, signal: AbortSignal): Promise<boolean> => {
    connection = opened
    onConnect()
    settled()
    const stop = (): void => opened.drop({ kind: 'connect', message: 'stopped' })
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    const { reason, hadAnswer } = await opened.ended
    signal.removeEventListener('abort', stop)
    connection = undefined
    if (hadAnswer && !signal.aborted) replacing = Promise.withResolvers()
    last = { kind: 'connect', message: `connection lost: ${reason.message}` }
    return hadAnswer
  }

  const ask = async (unit: number, request: ReadRequest, timeoutMs: number): Promise<ReadResult> => {
    await replacing?.promise
    if (connection === undefined) return { ok: false, failure: last, line: true }
    const result = await connection.ask(unit, request, timeoutMs)
    const wasGone = !result.ok && result.line === true
    return wasGone && replacing !== undefined ? ask(unit, request, timeoutMs) : result
  }

  return {
    tried: tried.promise,
    ask,
    async run(signal) {
      while (!signal.aborted) {
        const dialled = await dial(signal)
        let wasOfUse = false
        if ('kind' in dialled) {
          last = dialled
          settled()
        } else wasOfUse = await serve(dialled, signal)
        attempt = wasOfUse ? 0 : attempt + 1
        const pauseMs = wasOfUse ? 0 : backoffMs(attempt - 1, pace.reconnectFirstMs, pace.reconnectMaxMs, random)
        await pause(pauseMs, signal)
      }
      settled()
    },
  }
}
