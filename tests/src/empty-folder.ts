import { mkdirSync, readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { NakamaError } from '@nakama/contract'

/**
 * The folder that `--keep` names, made if it is not there: what a former run left would be judged too.
 *
 * @throws NakamaError `code` when something is in it.
 */
export const emptyFolder = (code: string, folder: string): string => {
  mkdirSync(folder, { recursive: true })
  if (readdirSync(folder).length === 0) return resolve(folder)
  throw new NakamaError(code, `--keep: expected an empty folder, got ${folder}`)
}
