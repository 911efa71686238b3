import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { corrupt, newer, notThere, toStoreError } from './errors.ts'
import { APPLICATION_ID, SCHEMA, SCHEMA_VERSION } from './schema.ts'

export type SqlValue = null | number | string | Uint8Array

/** A statement, prepared once. Rows come as arrays, in the order of the selected columns. */
export interface Statement {
  run(...values: SqlValue[]): number
  get<T extends SqlValue[]>(...values: SqlValue[]): T | undefined
  all<T extends SqlValue[]>(...values: SqlValue[]): T[]
  each<T extends SqlValue[]>(...values: SqlValue[]): Iterable<T>
}

export interface Database {
  readonly file: string
  /** 16 hex digits. */
  readonly id: string
  prepare(sql: string): Statement
  /** Everything in it is kept, durably, or nothing is. */
  transaction<T>(work: () => T): T
  /** Everything read in it is of one moment. */
  snapshot<T>(work: () => T): T
  pragma(name: string): number
  exec(sql: string): void
  close(): void
}

export interface WriterLimits {
  /** Bound on the file itself. */
  readonly fileMaxBytes: number
  /** The write-ahead log is cut back to this. */
  readonly walMaxBytes: number
  readonly busyTimeoutMs: number
}

export const PAGE_BYTES = 4096
const CACHE_KIB = 16 * 1024
const READER_CACHE_KIB = 32 * 1024
const READER_BUSY_TIMEOUT_MS = 2_000

/**
 * Opens the store for writing and makes it when it is not there. After a crash SQLite's log is replayed here.
 *
 * @throws NakamaError `STORE_CORRUPT`, `STORE_NEWER`, `STORE_BUSY`, `STORE_UNREACHABLE`, `STORE_FAILED`
 */
export const openForWriting = (file: string, limits: WriterLimits): Database => {
  try {
    mkdirSync(dirname(file), { recursive: true })
  } catch (error) {
    throw toStoreError(file, error)
  }
  return opening(file, () => {
    const db = new DatabaseSync(file, { timeout: limits.busyTimeoutMs })
    return closingOnError(db, () => {
      const { application, version, tables } = headerOf(db)
      if (tables === 0 && application === 0) create(db)
      else checkHeader(file, application, version)
      // FULL: NORMAL may lose the last commits in a power cut, and these were acknowledged.
      db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;
        PRAGMA cache_size = -${CACHE_KIB}; PRAGMA wal_autocheckpoint = ${Math.ceil(limits.walMaxBytes / 4 / PAGE_BYTES)};
        PRAGMA journal_size_limit = ${limits.walMaxBytes};
        PRAGMA max_page_count = ${Math.floor(limits.fileMaxBytes / PAGE_BYTES)}`)
      return wrap(file, db)
    })
  })
}

/**
 * Opens a store that another process writes. Nothing can be changed through it.
 *
 * @throws NakamaError `STORE_NOT_THERE` (retryable) and as `openForWriting` does.
 */
export const openForReading = (file: string): Database => {
  if (!existsSync(file)) throw notThere(file)
  return opening(file, () => {
    const db = new DatabaseSync(file, { readOnly: true, timeout: READER_BUSY_TIMEOUT_MS })
    return closingOnError(db, () => {
      db.exec(`PRAGMA cache_size = -${READER_CACHE_KIB}`)
      const { application, version, tables } = headerOf(db)
      // The writer has made the file, and is about to make what is in it.
      if (tables === 0 && application === 0) throw notThere(file)
      checkHeader(file, application, version)
      return wrap(file, db)
    })
  })
}

/** Bytes on disk, log included. */
export const bytesOnDisk = (file: string): { readonly file: number; readonly wal: number } => ({
  file: sizeOf(file),
  wal: sizeOf(`${file}-wal`),
})

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0

const opening = <T>(file: string, open: () => T): T => {
  try {
    return open()
  } catch (error) {
    throw toStoreError(file, error)
  }
}

const closingOnError = <T>(db: DatabaseSync, work: () => T): T => {
  try {
    return work()
  } catch (error) {
    db.close()
    throw error
  }
}

const pragmaOf = (db: DatabaseSync, name: string): number =>
  Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? { none: 0 })[0])

const headerOf = (db: DatabaseSync): { application: number; version: number; tables: number } => ({
  application: pragmaOf(db, 'application_id'),
  version: pragmaOf(db, 'user_version'),
  tables: Number(db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n),
})

const checkHeader = (file: string, application: number, version: number): void => {
  if (application !== APPLICATION_ID) throw corrupt(file, 'a database, but not one of ours')
  if (version > SCHEMA_VERSION) throw newer(file, version, SCHEMA_VERSION)
}

const create = (db: DatabaseSync): void => {
  // Both must come before the first table.
  db.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL; BEGIN IMMEDIATE`)
  // Two writers may start at once: the second finds the tables.
  if (headerOf(db).tables === 0) {
    db.exec(`${SCHEMA}; PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`)
    db.prepare("INSERT INTO meta (key, value) VALUES ('id', ?)").run(randomBytes(8).toString('hex'))
  }
  db.exec('COMMIT')
}

const wrap = (file: string, db: DatabaseSync): Database => {
  const id = db.prepare("SELECT value FROM meta WHERE key = 'id'").get()?.value
  if (typeof id !== 'string' || !/^[0-9a-f]{16}$/.test(id)) throw corrupt(file, 'it has no id')
  const between = <T>(begin: string, work: () => T): T => {
    db.exec(begin)
    try {
      const result = work()
      db.exec('COMMIT')
      return result
    } catch (error) {
      // A full disk has already rolled it back.
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
  }
  return {
    file,
    id,
    prepare: sql => statement(db.prepare(sql)),
    transaction: work => between('BEGIN IMMEDIATE', work),
    snapshot: work => between('BEGIN', work),
    pragma: name => pragmaOf(db, name),
    exec: sql => db.exec(sql),
    close: () => db.close(),
  }
}

const statement = (prepared: StatementSync): Statement => {
  prepared.setReturnArrays(true)
  return {
    run: (...values) => Number(prepared.run(...values).changes),
    get: <T extends SqlValue[]>(...values: SqlValue[]) => prepared.get(...values) as unknown as T | undefined,
    all: <T extends SqlValue[]>(...values: SqlValue[]) => prepared.all(...values) as unknown as T[],
    each: <T extends SqlValue[]>(...values: SqlValue[]) => prepared.iterate(...values) as unknown as Iterable<T>,
  }
}
