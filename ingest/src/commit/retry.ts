import { messageOf } from '@nakama/contract'
import { backoffMs, type Log, pause } from '@nakama/service'

export interface RetrierOptions {
  readonly onRetry: () => void
  readonly now: () => number
  readonly random: () => number
  readonly log: Log
}

/** Tries again what must succeed in the end: nothing taken is ever given up while ingest runs. */
export interface Retrier {
  /** Resolves with the work's result, or with undefined when `giveUp` came first. */
  untilDone<T>(what: string, work: () => Promise<T>): Promise<T | undefined>
  /** Since when it has failed; undefined while all is well. */
  readonly failingSince: number | undefined
  giveUp(): void
}

const FIRST_MS = 50
const MAX_MS = 5_000

export const createRetrier = ({ onRetry, now, random, log }: RetrierOptions): Retrier => {
  let failingSince: number | undefined
  const end = new AbortController()
  return {
    async untilDone(what, work) {
      for (let attempt = 0; !end.signal.aborted; attempt++) {
        try {
          const result = await work()
          if (failingSince !== undefined) log.info({ durationMs: now() - failingSince }, 'stored again')
          failingSince = undefined
          return result
        } catch (error) {
          onRetry()
          if (failingSince === undefined) {
            failingSince = now()
            log.error({ err: error, reason: messageOf(error), code: 'STORE_REFUSES' }, `${what} failed; trying on`)
          }
          await pause(backoffMs(attempt, FIRST_MS, MAX_MS, random), end.signal)
        }
      }
      return undefined
    },
    get failingSince() {
      return failingSince
    },
    giveUp: () => end.abort(),
  }
}
