import { statSync } from 'node:fs'
import { parentPort, type Transferable, workerData } from 'node:worker_threads'
import type { StoreWrite } from '../store.ts'
import { type Outcome, openReaderCore, openWriterCore, type ReaderCore } from './core.ts'
import { type Database, openForReading, openForWriting } from './database.ts'
import { notThere, partsOf, toStoreError } from './errors.ts'
import type { Reply, Request, WorkerSettings, WriteAnswer, WriteArgs } from './protocol.ts'
import { type Notice, openUpkeep, type Upkeep } from './upkeep.ts'

/**
 * Runs in a thread of its own, because every call of SQLite blocks. One request after the other; a reply to each.
 */
const main = (settings: WorkerSettings): void => {
  const port = parentPort
  if (port === null) throw new Error('expected to run as a worker thread')
  const say = (reply: Reply, moved: Transferable[] = []): void => port.postMessage(reply, moved)
  let service: Service
  try {
    service = settings.role === 'writer' ? openWriter(settings) : openReader(settings)
  } catch (error) {
    say({ type: 'failed', error: partsOf(toStoreError(settings.file, error)) })
    return
  }
  say({ type: 'opened', store: service.store })
  port.on('message', ({ id, method, args }: Request) => {
    try {
      const value = service.answer(method, args)
      say({ type: 'answer', id, store: service.store, value }, buffersOf(value))
    } catch (error) {
      say({ type: 'error', id, error: partsOf(toStoreError(settings.file, error)) })
    }
    if (method === 'close') port.close()
  })
}

interface Service {
  /** The id of the store. */
  readonly store: string
  answer(method: string, args: unknown): unknown
}

const WAL_MAX_BYTES = 32 * 1024 * 1024

const openWriter = (settings: WorkerSettings & { role: 'writer' }): Service => {
  const { file, maxBytes, rawRetentionDays, busyTimeoutMs } = settings
  const walMaxBytes = Math.min(WAL_MAX_BYTES, Math.floor(maxBytes / 4))
  const limits = { walMaxBytes, fileMaxBytes: maxBytes - walMaxBytes, busyTimeoutMs, rawRetentionDays }
  const db = openForWriting(file, limits)
  db.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('max_bytes', ?)").run(maxBytes)
  const writer = openWriterCore(db)
  const reader = openReaderCore(db)
  const upkeep = openUpkeep(db, limits)
  return {
    store: db.id,
    answer(method, args) {
      if (method === 'write') {
        const { json, now } = args as WriteArgs
        const outcome = writer.write(JSON.parse(json) as StoreWrite[], now)
        return { outcome, notices: roomAfter(upkeep, outcome) } satisfies WriteAnswer
      }
      if (method === 'upkeep') return upkeep.run((args as { now: number }).now)
      if (method === 'close') return db.close()
      return ask(reader, method, args)
    },
  }
}

/** What was written stays written, whatever happens here: the next upkeep meets the same trouble and tells of it. */
const roomAfter = (upkeep: Upkeep, { failed }: Outcome): Notice[] => {
  const full = failed?.code === 'STORE_FULL'
  // A file that is merely held by another process is no reason to give anything up.
  if (failed !== undefined && !full) return []
  try {
    return upkeep.afterWrite(full)
  } catch {
    return []
  }
}

/** A file that was put in the place of another is another store: the reader goes over to it by itself. */
const openReader = ({ file }: WorkerSettings): Service => {
  const inode = (): number => {
    const stats = statSync(file, { throwIfNoEntry: false })
    if (stats === undefined) throw notThere(file)
    return stats.ino
  }
  const open = (): { db: Database; reader: ReaderCore; inode: number } => {
    const opened = inode()
    const db = openForReading(file)
    return { db, reader: openReaderCore(db), inode: opened }
  }
  let current = open()
  return {
    get store() {
      return current.db.id
    },
    answer(method, args) {
      if (method === 'close') return current.db.close()
      if (inode() !== current.inode) {
        const next = open()
        current.db.close()
        current = next
      }
      return ask(current.reader, method, args)
    },
  }
}

const ask = (reader: ReaderCore, method: string, args: unknown): unknown => {
  const question = reader[method as keyof ReaderCore] as (query: unknown) => unknown
  return question(args)
}

/** Columns of numbers are moved, not copied. */
const buffersOf = (value: unknown): ArrayBuffer[] =>
  typeof value === 'object' && value !== null
    ? Object.values(value).flatMap(part => (ArrayBuffer.isView(part) ? [part.buffer as ArrayBuffer] : []))
    : []

main(workerData as WorkerSettings)
