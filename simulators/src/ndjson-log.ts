import { mkdirSync } from 'node:fs'
import { appendFile, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** A log of JSON lines that others read while it grows. */
export interface NdjsonLog {
  /** In the file once the next `flush` has resolved. */
  append(line: object): void
  /** Never rejects: see `failure`. */
  flush(): Promise<void>
  /** Why the last write failed; undefined when it did not. What could not be written is lost and counted here. */
  readonly failure: string | undefined
}

/**
 * Appends to `file`, which never grows beyond half of `maxBytes`: then it becomes `<file>.1`, in place of the one before,
 * and a new one is begun.
 */
export const openNdjsonLog = (file: string, maxBytes: number): NdjsonLog => {
  mkdirSync(dirname(file), { recursive: true })
  let waiting: string[] = []
  let writing = Promise.resolve()
  let bytes: number | undefined
  let failure: string | undefined

  const write = async (text: string): Promise<void> => {
    try {
      bytes ??= await wholeBytes(file)
      if (bytes > 0 && bytes + text.length > maxBytes / 2) {
        await rename(file, `${file}.1`)
        bytes = 0
      }
      await appendFile(file, text)
      bytes += Buffer.byteLength(text)
      failure = undefined
    } catch (error) {
      bytes = undefined
      failure = (error as Error).message
    }
  }

  return {
    append(line) {
      waiting.push(`${JSON.stringify(line)}\n`)
    },
    flush() {
      if (waiting.length === 0) return writing
      const text = waiting.join('')
      waiting = []
      writing = writing.then(() => write(text))
      return writing
    },
    get failure() {
      return failure
    },
  }
}

const TAIL_BYTES = 64 * 1024

/** The length of a file up to its last whole line; what a killed process left of another line is cut off. */
const wholeBytes = async (file: string): Promise<number> => {
  const handle = await open(file, 'a+')
  try {
    const { size } = await handle.stat()
    const tail = Buffer.alloc(Math.min(size, TAIL_BYTES))
    await handle.read(tail, 0, tail.length, size - tail.length)
    const whole = size - tail.length + tail.lastIndexOf(0x0a) + 1
    if (whole < size) await handle.truncate(whole)
    return whole
  } finally {
    await handle.close()
  }
}
