import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf, newerTaking, Taking, validator } from '@nakama/contract'
import type { Log } from '@nakama/service'

export interface TakingKeeper {
  /** 受ける / 休む as it holds now; it is on disk. */
  readonly current: Taking
  /** The last desired rev that was not applied, and why. */
  readonly refused: { readonly rev: number; readonly why: string } | undefined
  /** Takes what the coordinator desires if it is newer (`newerTaking`) and can be kept. True when it was applied. Never rejects. */
  apply(desired: Taking): Promise<boolean>
  /** The shop's own word: raises the rev. @throws when it cannot be kept on disk; then nothing has changed. */
  change(value: boolean, until: number | null): Promise<Taking>
  /** Called after every change, whoever made it. One listener; returns a function that takes it away. */
  onChange(listener: (taking: Taking) => void): () => void
}

export interface TakingOptions {
  readonly file: string
  readonly now: () => number
  readonly log: Log
}

const FRESH: Taking = { value: true, until: null, rev: 0 }
const WHY_MAX = 200

/** Reads 受ける / 休む from `file`; a shop that never said anything takes work. A file that cannot be understood is 休む. */
export const openTaking = async ({ file, now, log }: TakingOptions): Promise<TakingKeeper> => {
  let current = await readTaking(file, log)
  let refused: { rev: number; why: string } | undefined
  let listener: ((taking: Taking) => void) | undefined
  let last: Promise<unknown> = Promise.resolve()

  /** One at a time: each decision is made upon the outcome of the one before. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = last.then(work)
    last = mine.catch(() => {})
    return mine
  }

  const keep = async (next: Taking): Promise<void> => {
    await replaceFile(file, `${JSON.stringify({ ...next, at: now() })}\n`)
    current = next
    log.info({ value: next.value, until: next.until, rev: next.rev }, 'taking changed')
    listener?.(next)
  }

  const refuse = (rev: number, why: string): false => {
    if (refused?.rev !== rev || refused.why !== why) log.warn({ rev, why, code: 'TAKING_REFUSED' }, 'taking refused')
    refused = { rev, why: why.slice(0, WHY_MAX) }
    return false
  }

  return {
    get current() {
      return current
    },
    get refused() {
      return refused
    },
    apply: ({ value, until, rev }) =>
      inTurn(async () => {
        const desired = { value, until, rev }
        if (isSame(desired, current)) return false
        if (newerTaking(current, desired) !== desired) {
          return refuse(rev, `rev ${current.rev} is newer: the shop has said otherwise since`)
        }
        try {
          await keep(desired)
        } catch (error) {
          return refuse(rev, `cannot be kept: ${messageOf(error)}`)
        }
        refused = undefined
        return true
      }),
    change: (value, until) =>
      inTurn(async () => {
        const next = { value, until, rev: current.rev + 1 }
        await keep(next)
        return next
      }),
    onChange(next) {
      listener = next
      return () => {
        if (listener === next) listener = undefined
      }
    },
  }
}

const isSame = (a: Taking, b: Taking): boolean => a.rev === b.rev && a.value === b.value && a.until === b.until

const check = validator(Taking)

const readTaking = async (file: string, log: Log): Promise<Taking> => {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return FRESH
    log.error({ err: error, code: 'TAKING_UNREADABLE' }, `${file}: cannot be read; not taking work`)
    return { ...FRESH, value: false }
  }
  try {
    const checked = check.check(JSON.parse(text))
    if (checked.ok) return { value: checked.value.value, until: checked.value.until, rev: checked.value.rev }
  } catch {
    // Not JSON: the same answer as for JSON that says something else.
  }
  // The cautious answer: a shop that is wrongly shown as taking work gets calls it did not want.
  log.error({ code: 'TAKING_UNREADABLE' }, `${file}: expected {value, until, rev} as JSON; not taking work`)
  return { ...FRESH, value: false }
}

/** After a power cut at any moment the file is either the old or the new one, whole. */
const replaceFile = async (file: string, text: string): Promise<void> => {
  const temporary = `${file}.tmp`
  await mkdir(dirname(file), { recursive: true })
  const handle = await open(temporary, 'w')
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, file)
  const folder = await open(dirname(file), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
