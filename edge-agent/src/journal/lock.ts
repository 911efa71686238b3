import { truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { NakamaError } from '@nakama/contract'
import type { Log } from '@nakama/service'

const NAME = 'lock'

// Of sqlite.org/rescode.html; octets above the lowest only say it more closely.
const SQLITE_BUSY = 5
const SQLITE_NOTADB = 26

/**
 * Takes a folder for this process alone. Node has no file locks, but SQLite takes the system's own (fcntl) on its file: such a
 * lock ends with the process, however that ends, and compares no process ids. The file stays empty: nothing is written.
 *
 * @returns what lets go of it; to be kept, as the lock goes when nobody holds it any more.
 * @throws NakamaError `JOURNAL_IN_USE` while another process has it. A disk that allows no lock is logged, and holds nothing up.
 */
export const lockFolder = async (dir: string, log: Log): Promise<() => void> => {
  const file = join(dir, NAME)
  try {
    const database = await take(file)
    return () => {
      if (database.isOpen) database.close()
    }
  } catch (error) {
    if (resultOf(error) === SQLITE_BUSY) {
      const toDo = 'stop the other agent, or give this one a dataDir of its own'
      throw new NakamaError('JOURNAL_IN_USE', `${dir}: expected a journal that no other process has open; ${toDo}`, {
        cause: error,
      })
    }
    log.warn({ err: error, code: 'JOURNAL_UNLOCKED' }, `${file}: cannot be locked; going on without`)
    return () => {}
  }
}

const take = async (file: string): Promise<DatabaseSync> => {
  try {
    return begin(file)
  } catch (error) {
    if (resultOf(error) !== SQLITE_NOTADB) throw error
    // Something was written to it, by nobody of ours. In place, so that there are never two files of the name to be locked.
    await truncate(file)
    return begin(file)
  }
}

const begin = (file: string): DatabaseSync => {
  const database = new DatabaseSync(file)
  try {
    // In memory, because a transaction, even one in which nothing happens, would write a file of its own.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

const resultOf = (error: unknown): number => ((error as { errcode?: number }).errcode ?? 0) & 0xff
