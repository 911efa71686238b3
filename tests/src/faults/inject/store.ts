import { DatabaseSync } from 'node:sqlite'
import { storeFile } from '@nakama/demo'
import { until } from '../../until.ts'
import { type Injector, mustHaveHappened, pause } from './fault.ts'

/** Another program holds the database: nobody else can write. */
export const storeLocked: Injector = async ({ path }, { forMs }) => {
  const file = storeFile(path.dataDir)
  // Without patience of its own: waiting here would hold up everything else.
  using db = new DatabaseSync(file, { timeout: 0 })
  await until('the lock on the store', () => tries(() => db.exec('BEGIN EXCLUSIVE')), { everyMs: 2 })
  try {
    using other = new DatabaseSync(file, { timeout: 0 })
    mustHaveHappened(!tries(() => other.exec('BEGIN IMMEDIATE')), 'a store that refuses writes')
    await pause(forMs)
  } finally {
    db.exec('ROLLBACK')
  }
}

const tries = (work: () => void): boolean => {
  try {
    work()
    return true
  } catch {
    return false
  }
}
