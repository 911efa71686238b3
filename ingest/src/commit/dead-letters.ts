import { mkdir, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { messageOf, NakamaError } from '@nakama/contract'

/** Something that can never be stored, kept for a person to look at. */
export interface DeadLetter {
  readonly reason: 'malformed' | 'invalid' | 'absurd-time' | 'rejected'
  readonly why: string
  readonly shop: string
  readonly agent: string
  readonly lane?: string
  readonly epoch?: string
  readonly seq?: number
  /** The record, the write or the line, as it came. */
  readonly what: unknown
}

export interface DeadLetters {
  /** Resolves when they are on the disk; rejects when they cannot be put there. */
  append(letters: readonly DeadLetter[], now: number): Promise<void>
  readonly bytes: number
  close(): Promise<void>
}

const WHAT_MAX_CHARS = 64 * 1024

/**
 * A file of one JSON object per line. When it would grow over half of `maxBytes` it becomes `<file>.1`, in place of the one
 * before.
 *
 * @throws NakamaError `DEAD_LETTERS_UNUSABLE`
 */
export const openDeadLetters = async (file: string, maxBytes: number): Promise<DeadLetters> => {
  const openFile = async () => {
    const handle = await open(file, 'a', 0o600)
    return { handle, size: (await handle.stat()).size }
  }
  let { handle, size } = await mkdir(dirname(file), { recursive: true })
    .then(openFile)
    .catch(error => {
      throw new NakamaError('DEAD_LETTERS_UNUSABLE', `${file}: cannot be opened: ${messageOf(error)}`, { cause: error })
    })
  await syncFolder(dirname(file))

  const turnOver = async (): Promise<void> => {
    await handle.close()
    await rename(file, `${file}.1`)
    ;({ handle, size } = await openFile())
    await syncFolder(dirname(file))
  }

  return {
    async append(letters, now) {
      if (letters.length === 0) return
      const text = Buffer.from(letters.map(letter => lineOf(letter, now)).join(''))
      if (size > 0 && size + text.length > maxBytes / 2) await turnOver()
      await handle.writeFile(text)
      size += text.length
      await handle.datasync()
    },
    get bytes() {
      return size
    },
    close: () => handle.close(),
  }
}

const lineOf = ({ what, ...letter }: DeadLetter, now: number): string => {
  const text = typeof what === 'string' ? what : JSON.stringify(what)
  const kept = text.length > WHAT_MAX_CHARS ? text.slice(0, WHAT_MAX_CHARS) : what
  return `${JSON.stringify({ at: new Date(now).toISOString(), ...letter, what: kept })}\n`
}

// A new name is only durable once its folder is.
const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
