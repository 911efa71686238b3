import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Id, Millis, messageOf, NakamaError, Taking, validator } from '@nakama/contract'
import type { Log } from '@nakama/service'
import { Type } from 'typebox'

export interface DesiredTaking {
  /** When it was asked. */
  readonly at: number
  readonly taking: Taking
}

/** Which 受ける / 休む was last asked of each shop: the broker may lose what it retains, so it is kept here as well. */
export interface DesiredFile {
  get(shop: string): DesiredTaking | undefined
  entries(): Iterable<readonly [string, DesiredTaking]>
  /**
   * Durable when it resolves. One at a time: `next` sees the value before, so no two requests can take the same rev.
   * @throws NakamaError `COORDINATOR_DESIRED_NOT_SAVED`; then nothing has changed.
   */
  update(shop: string, next: (before: DesiredTaking | undefined) => DesiredTaking): Promise<DesiredTaking>
}

const Content = Type.Object({
  v: Type.Literal(1),
  shops: Type.Record(Id, Type.Object({ at: Millis, taking: Taking })),
})

const content = validator(Content)

/** Opens `desired.json` in `dataDir`, which is made when it is not there. A file that cannot be read is put aside, loudly. */
export const openDesiredFile = async (dataDir: string, log: Log): Promise<DesiredFile> => {
  const file = join(dataDir, 'desired.json')
  await mkdir(dataDir, { recursive: true })
  let shops: ReadonlyMap<string, DesiredTaking> = await load(file, log)
  let last: Promise<unknown> = Promise.resolve()
  return {
    get: shop => shops.get(shop),
    entries: () => shops.entries(),
    update(shop, next) {
      const mine = last.then(async () => {
        const value = next(shops.get(shop))
        const changed = new Map(shops).set(shop, value)
        await save(file, changed)
        shops = changed
        return value
      })
      last = mine.catch(() => {})
      return mine
    },
  }
}

const load = async (file: string, log: Log): Promise<Map<string, DesiredTaking>> => {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    throw new NakamaError('COORDINATOR_DESIRED_UNREADABLE', `${file}: cannot be read: ${messageOf(error)}`, {
      cause: error,
    })
  }
  try {
    const checked = content.check(JSON.parse(text))
    if (checked.ok) return new Map(Object.entries(checked.value.shops))
  } catch {
    // Not JSON: put aside like anything else that does not fit.
  }
  // The shops' own statuses still say what is in force; only requests not yet applied are lost.
  await rename(file, `${file}.unreadable`)
  log.error({ code: 'COORDINATOR_DESIRED_UNREADABLE' }, `${file} is damaged and was put aside as ${file}.unreadable`)
  return new Map()
}

const save = async (file: string, shops: ReadonlyMap<string, DesiredTaking>): Promise<void> => {
  try {
    const handle = await open(`${file}.new`, 'w', 0o600)
    try {
      await handle.writeFile(`${JSON.stringify({ v: 1, shops: Object.fromEntries(shops) }, null, 1)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(`${file}.new`, file)
    const folder = await open(dirname(file))
    await folder.sync().finally(() => folder.close())
  } catch (error) {
    throw new NakamaError('COORDINATOR_DESIRED_NOT_SAVED', `${file}: cannot be written: ${messageOf(error)}`, {
      cause: error,
      retryable: true,
    })
  }
}
