import { mkdir, open, readdir, readFile, rename, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf, NakamaError } from '@nakama/contract'
import type { Log } from '@nakama/service'
import { lockFolder } from './lock.ts'

/**
 * The few things that the journal asks of a disk, all asynchronous: a synchronous commit would hold up polling and
 * keep-alives for as long as the card's fsync takes. Every method may reject with what the system says (ENOSPC, EIO, …).
 */
export interface Storage {
  list(): Promise<string[]>
  read(name: string): Promise<Buffer>
  /** Makes or replaces a file, wholly or not at all; it survives a power cut, and so does its name. */
  create(name: string, content: Buffer): Promise<void>
  /** For writing in place. */
  open(name: string): Promise<StorageFile>
  /** Adds to the end, durably, wholly or not at all; makes the file if need be. False where it would exceed `maxBytes`. */
  appendTo(name: string, text: string, maxBytes: number): Promise<boolean>
  remove(name: string): Promise<void>
  /** Of the whole file system: its octets, and those that this process may still take. */
  space(): Promise<Space>
  /** Lets another process have the folder. Idempotent. */
  close(): void
}

export interface Space {
  readonly totalBytes: number
  readonly freeBytes: number
}

export interface StorageFile {
  write(bytes: Buffer, offset: number): Promise<void>
  /** Everything written before is durable once this resolves. */
  sync(): Promise<void>
  close(): Promise<void>
}

/** Of a file whose making was cut off. */
const UNFINISHED = '.new'

/**
 * Takes a folder, made if it is not there, for this process alone.
 *
 * @throws NakamaError `JOURNAL_UNUSABLE` when the folder is not there and cannot be made, or cannot be listed;
 * `JOURNAL_IN_USE` while another process has it.
 */
export const openStorage = async (dir: string, log: Log): Promise<Storage> => {
  await orUnusable(dir, () => mkdir(dir, { recursive: true }))
  const unlock = await lockFolder(dir, log)
  await orUnusable(dir, async () => {
    // Only now: it may be a file that another process is making.
    const unfinished = (await readdir(dir)).filter(name => name.endsWith(UNFINISHED))
    for (const name of unfinished) await unlink(join(dir, name))
  })
  return {
    list: () => readdir(dir),
    read: name => readFile(join(dir, name)),
    async create(name, content) {
      const path = join(dir, name)
      const unfinished = `${path}${UNFINISHED}`
      try {
        const handle = await open(unfinished, 'w')
        try {
          await handle.writeFile(content)
          await handle.sync()
        } finally {
          await handle.close()
        }
        await rename(unfinished, path)
      } catch (error) {
        await unlink(unfinished).catch(() => {})
        throw error
      }
      await syncFolder(dir)
    },
    async open(name) {
      const handle = await open(join(dir, name), 'r+')
      return {
        write: async (bytes, offset) => {
          for (let done = 0; done < bytes.length; ) {
            done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten
          }
        },
        sync: () => handle.datasync(),
        close: () => handle.close(),
      }
    },
    async appendTo(name, text, maxBytes) {
      const handle = await open(join(dir, name), 'a')
      try {
        const { size } = await handle.stat()
        if (size + Buffer.byteLength(text) > maxBytes) return false
        try {
          await handle.writeFile(text)
          await handle.sync()
        } catch (error) {
          await handle.truncate(size).catch(() => {})
          throw error
        }
        if (size === 0) await syncFolder(dir)
        return true
      } finally {
        await handle.close()
      }
    },
    async remove(name) {
      await unlink(join(dir, name))
      await syncFolder(dir)
    },
    async space() {
      const { bsize, blocks, bavail } = await statfs(dir)
      return { totalBytes: bsize * blocks, freeBytes: bsize * bavail }
    },
    close: unlock,
  }
}

const orUnusable = async (dir: string, work: () => Promise<unknown>): Promise<void> => {
  try {
    await work()
  } catch (error) {
    throw new NakamaError('JOURNAL_UNUSABLE', `${dir}: expected a folder to write to: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** A single failed read may be a passing one, and what cannot be read is given up in the end. */
export const readAgain = async (storage: Pick<Storage, 'read'>, name: string): Promise<Buffer> => {
  for (let left = READS_MAX; ; left--) {
    try {
      return await storage.read(name)
    } catch (error) {
      if (left <= 1) throw error
    }
  }
}

const READS_MAX = 3

const syncFolder = async (dir: string): Promise<void> => {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
