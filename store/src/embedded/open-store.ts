import { messageOf, NakamaError } from '@nakama/contract'
import type { Store, StoreWrite } from '../store.ts'
import { createCommitQueue } from './commit-queue.ts'
import type { Outcome } from './core.ts'
import { type ErrorParts, partsOf } from './errors.ts'
import { queriesOf } from './open-reader.ts'
import type { WriteAnswer, WriteArgs } from './protocol.ts'
import { openRpc } from './rpc.ts'
import type { Notice } from './upkeep.ts'

export interface EmbeddedStoreOptions {
  /** Made when it is not there, with its folder; `-wal` and `-shm` lie beside it. One process at a time should write. */
  readonly file: string
  /** Bound on the disk, log included, at least `STORE_MIN_BYTES`; default 10 GiB. The oldest raw data goes first, rollups stay. */
  readonly maxBytes?: number
  /** Samples, counts, past states and gaps are kept for this long; default 90. Rollups are kept. */
  readonly rawRetentionDays?: number
  /** Writes that come within this time share a transaction; default 20. */
  readonly commitDelayMs?: number
  /** How long a transaction waits for another process that holds the file; default 1,000. */
  readonly busyTimeoutMs?: number
  /** Regrouping, retention and the bound are seen to this often; default 250. */
  readonly upkeepMs?: number
  /** Milliseconds since 1970 UTC. */
  readonly now?: () => number
  readonly log?: StoreLog
}

/** The part of a pino log that the store needs. */
export interface StoreLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export const STORE_MIN_BYTES = 16 * 1024 * 1024
const MAX_BYTES_DEFAULT = 10 * 1024 * 1024 * 1024
const RETENTION_DAYS_DEFAULT = 90
const COMMIT_DELAY_MS = 20
const BUSY_TIMEOUT_MS = 1_000
const UPKEEP_MS = 250

/**
 * Opens the embedded store for writing: SQLite in a worker thread, so that no commit ever blocks the caller's event loop.
 *
 * @throws NakamaError `STORE_OPTIONS`; `STORE_CORRUPT`, `STORE_NEWER`, `STORE_BUSY`, `STORE_UNREACHABLE`, `STORE_FAILED` with what to do.
 * Once open, `write` never rejects; queries reject as those of `openEmbeddedReader` do.
 */
export const openEmbeddedStore = async (options: EmbeddedStoreOptions): Promise<Store> => {
  const {
    file,
    maxBytes = MAX_BYTES_DEFAULT,
    rawRetentionDays = RETENTION_DAYS_DEFAULT,
    commitDelayMs = COMMIT_DELAY_MS,
    busyTimeoutMs = BUSY_TIMEOUT_MS,
    upkeepMs = UPKEEP_MS,
    now = Date.now,
    log = SILENT,
  } = options
  if (!(maxBytes >= STORE_MIN_BYTES)) throw badOption('maxBytes', `at least ${STORE_MIN_BYTES}`, maxBytes)
  if (!(rawRetentionDays > 0)) throw badOption('rawRetentionDays', 'more than 0', rawRetentionDays)
  const rpc = await openRpc({ role: 'writer', file, maxBytes, rawRetentionDays, busyTimeoutMs })
  const trouble = createTrouble(log)

  const note = createNotes(file, log)
  const commit = async (writes: readonly StoreWrite[]): Promise<Outcome> => {
    let outcome: Outcome
    try {
      const done = await rpc.request<WriteAnswer>('write', {
        json: JSON.stringify(writes),
        now: now(),
      } satisfies WriteArgs)
      outcome = done.outcome
      note(done.notices)
    } catch (error) {
      outcome = { rejected: [], failed: partsOf(asNakamaError(error)) }
    }
    trouble.tell(outcome.failed)
    return outcome
  }
  const queue = createCommitQueue({ commit, delayMs: commitDelayMs })

  let upkeep: Promise<void> | undefined
  const timer = setInterval(() => {
    upkeep ??= rpc
      .request<Notice[]>('upkeep', { now: now() })
      .then(note, error => trouble.tell(partsOf(asNakamaError(error))))
      .finally(() => {
        upkeep = undefined
      })
  }, upkeepMs)

  let closing: Promise<void> | undefined
  return {
    get id() {
      return rpc.store
    },
    write: queue.push,
    ...queriesOf(rpc),
    close() {
      closing ??= (async () => {
        clearInterval(timer)
        await queue.close()
        await upkeep
        await rpc.close()
      })()
      return closing
    },
  }
}

const SILENT: StoreLog = { info() {}, warn() {} }

const badOption = (name: string, expected: string, got: unknown): NakamaError =>
  new NakamaError('STORE_OPTIONS', `${name}: expected ${expected}, got ${String(got)}`)

const asNakamaError = (error: unknown): NakamaError =>
  error instanceof NakamaError
    ? error
    : new NakamaError('STORE_FAILED', messageOf(error), { retryable: true, cause: error })

const NOTE_EVERY_MS = 60_000

/** Near its bound a store gives up something all the time: told at once, then summed up once a minute. */
const createNotes = (file: string, log: StoreLog): ((notices: readonly Notice[]) => void) => {
  const told = new Map<Notice['code'], { at: number; rows: number }>()
  return notices => {
    for (const { code, rows, until } of notices) {
      const { at, rows: untold } = told.get(code) ?? { at: Number.NEGATIVE_INFINITY, rows: 0 }
      const now = performance.now()
      const due = now - at >= NOTE_EVERY_MS
      told.set(code, due ? { at: now, rows: 0 } : { at, rows: untold + rows })
      if (!due) continue
      const fields = { code, rows: untold + rows, until, file }
      if (code === 'STORE_FULL') log.warn(fields, 'store nearly full, and nothing left to give up')
      else log.info(fields, 'raw data dropped')
    }
  }
}

/** Says once that writing fails, and once that it works again; counts in between. */
const createTrouble = (log: StoreLog): { tell(error: ErrorParts | undefined): void } => {
  let code: string | undefined
  let failures = 0
  return {
    tell(error) {
      if (error !== undefined) failures++
      if (error !== undefined && error.code !== code)
        log.warn({ code: error.code, reason: error.message }, 'store refuses')
      if (error === undefined && code !== undefined) {
        log.info({ code: 'STORE_WORKS', failures }, 'store works again')
        failures = 0
      }
      code = error?.code
    },
  }
}
