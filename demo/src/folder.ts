import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { messageOf, NakamaError } from '@nakama/contract'

const LOCK = 'demo.pid'

/**
 * Makes the folder, and claims it for this process: two demos in one folder would take each other's passwords and journals.
 *
 * @returns gives it back.
 * @throws NakamaError `DEMO_DATA_UNUSABLE` (not a folder, or not to be written to), `DEMO_DATA_IN_USE`.
 */
export const claimFolder = (folder: string): (() => void) => {
  const lock = join(folder, LOCK)
  try {
    // One level only: a mistyped path is not to become a tree.
    if (!statSync(dirname(folder)).isDirectory()) throw new Error(`${dirname(folder)} is not a folder`)
    mkdirSync(folder, { recursive: false })
  } catch (error) {
    if (!isFolder(folder)) throw unusable(folder, error)
  }
  const holder = holderOf(lock)
  if (holder !== undefined) {
    throw new NakamaError('DEMO_DATA_IN_USE', `--data: ${folder} is in use by process ${holder}; give another folder`)
  }
  try {
    writeFileSync(lock, `${process.pid}\n`)
  } catch (error) {
    throw unusable(folder, error)
  }
  return () => rmSync(lock, { force: true })
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

/** The process that holds the lock, if it still runs. */
const holderOf = (lock: string): number | undefined => {
  try {
    const pid = Number(readFileSync(lock, 'utf8'))
    process.kill(pid, 0)
    return pid
  } catch {
    return undefined
  }
}

const unusable = (folder: string, cause: unknown): NakamaError =>
  new NakamaError('DEMO_DATA_UNUSABLE', `--data: expected a folder to write to, got ${folder} (${messageOf(cause)})`, {
    cause,
  })
