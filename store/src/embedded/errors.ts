import { messageOf, NakamaError } from '@nakama/contract'

/** What node:sqlite throws: the lower byte of `errcode` is SQLite's primary result code. */
interface SqliteError extends Error {
  readonly code: 'ERR_SQLITE_ERROR'
  readonly errcode: number
}

const BUSY = 5
const LOCKED = 6
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const NOTADB = 26
/** TOOBIG, CONSTRAINT, MISMATCH, RANGE: the value is at fault, and will be the next time. */
const VALUE_AT_FAULT = [18, 19, 20, 25]

const primaryCode = (error: unknown): number | undefined =>
  (error as Partial<SqliteError> | null)?.code === 'ERR_SQLITE_ERROR'
    ? ((error as SqliteError).errcode ?? 0) & 0xff
    : undefined

/** Whether handing in the same write again can help: the disk is full, the file busy, read-only or even damaged until somebody restores it. */
export const isWorthRetrying = (error: unknown): boolean => {
  const code = primaryCode(error)
  return code !== undefined && !VALUE_AT_FAULT.includes(code)
}

/** An error of ours, with a code and what to do, for whatever came out of the database. */
export const toStoreError = (file: string, error: unknown): NakamaError => {
  if (error instanceof NakamaError) return error
  const code = primaryCode(error)
  if (code === CORRUPT || code === NOTADB) return corrupt(file, messageOf(error), error)
  if (code === BUSY || code === LOCKED) {
    return new NakamaError('STORE_BUSY', `${file}: held by another process: ${messageOf(error)}`, {
      retryable: true,
      cause: error,
    })
  }
  if (code === FULL) {
    return new NakamaError(
      'STORE_FULL',
      `${file}: no room: the disk is full, or the bound is met by what is never given up`,
      {
        retryable: true,
        cause: error,
      },
    )
  }
  if (code === CANTOPEN) {
    return new NakamaError(
      'STORE_UNREACHABLE',
      `${file}: expected a file and a folder that we may write, got: ${messageOf(error)}`,
      {
        retryable: true,
        cause: error,
      },
    )
  }
  return new NakamaError('STORE_FAILED', `${file}: ${messageOf(error)}`, { retryable: true, cause: error })
}

export const corrupt = (file: string, why: string, cause?: unknown): NakamaError =>
  new NakamaError(
    'STORE_CORRUPT',
    `${file}: expected a store, got a file that is none or is damaged (${why}): move it away together with ${file}-wal ` +
      'and ' +
      `${file}-shm, then start again: ingest makes a new store, and agents send what they still have; or put a backup in its place`,
    cause === undefined ? {} : { cause },
  )

export const notThere = (file: string): NakamaError =>
  new NakamaError(
    'STORE_NOT_THERE',
    `${file}: expected a store, got nothing yet: ingest makes it when it first starts`,
    {
      retryable: true,
    },
  )

export const newer = (file: string, got: number, known: number): NakamaError =>
  new NakamaError(
    'STORE_NEWER',
    `${file}: expected a store of version ${known} or older, got version ${got}: it was written by a newer Nakama; use that one`,
  )

/** Errors cross threads as plain objects. */
export interface ErrorParts {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
}

export const partsOf = ({ code, message, retryable }: NakamaError): ErrorParts => ({ code, message, retryable })

export const fromParts = ({ code, message, retryable }: ErrorParts): NakamaError =>
  new NakamaError(code, message, { retryable })
