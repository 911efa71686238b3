import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { stringify } from 'yaml'

/** The services of one server. Agents are added to `credentials.yaml` by whoever enrols a shop. */
const SERVICES = ['ingest:main', 'coordinator:main'] as const

/**
 * Makes what must not be the same on two servers and is therefore in no image and no repository: a password for each
 * service, in a file of its own, and the broker's list of who may connect. What is there already stays as it is.
 *
 * @returns the names of the files made.
 */
export const makeSecrets = (folder: string): string[] => {
  mkdirSync(folder, { recursive: true })
  const made: string[] = []
  const make = (name: string, content: () => string): void => {
    const file = join(folder, name)
    if (existsSync(file)) return
    writeFileSync(file, content(), { mode: 0o600, flag: 'wx' })
    made.push(name)
  }
  for (const username of SERVICES) make(fileOf(username), () => `${randomBytes(24).toString('base64url')}\n`)
  make('credentials.yaml', () =>
    stringify(SERVICES.map(username => ({ username, password: { file: fileOf(username) } }))),
  )
  return made
}

const fileOf = (username: string): string => username.replace(':', '-')

if (import.meta.main) {
  const { values } = parseArgs({ options: { folder: { type: 'string', default: '/run/nakama' } } })
  const made = makeSecrets(values.folder)
  process.stdout.write(
    made.length === 0 ? `${values.folder}: all there\n` : `${values.folder}: made ${made.join(', ')}\n`,
  )
}
