import type { Storage } from '../src/journal/storage.ts'

const SECTOR_BYTES = 512
/** What the system copies at once: a process that is killed in mid-write has written up to such a boundary of the file. */
const PAGE_BYTES = 4096
/** Unless a test says otherwise. */
const DISK_BYTES = 1024 ** 4

interface SimulatedFile {
  /** What reads see. */
  seen: Buffer
  /** What the card has. */
  durable: Buffer
  /** Sectors in which the two may differ. */
  readonly dirty: Set<number>
}

export type Operation = 'read' | 'create' | 'open' | 'write' | 'sync' | 'append'

/**
 * A card and its page cache. Until a sync a sector that was written may be on the card or not, in any order, or in part; a
 * sync that fails forgets which ones they were, as Linux does. Names are durable once `create` and `remove` resolve.
 */
export const createDisk = (random: () => number) => {
  const files = new Map<string, SimulatedFile>()
  let boot = 0
  let operationsLeft = Number.POSITIVE_INFINITY
  let onStopped = (): void => {}
  let totalBytes = DISK_BYTES
  let capacityBytes = Number.POSITIVE_INFINITY
  let isTelling = true
  let failing: { operation: Operation; times: number; name: RegExp; after: number } | undefined
  let gate: { readonly operation: Operation; readonly name: RegExp; readonly opened: Promise<void> } | undefined
  const counts = { read: 0, create: 0, open: 0, write: 0, sync: 0, append: 0, space: 0 }

  const usedBytes = (): number => [...files.values()].reduce((sum, file) => sum + file.seen.length, 0)

  const fileOf = (name: string): SimulatedFile => {
    const file = files.get(name)
    if (file === undefined) throw systemError('ENOENT')
    return file
  }

  const settle = (file: SimulatedFile, sector: number, bytes: number): void => {
    const start = sector * SECTOR_BYTES
    file.seen.copy(file.durable, start, start, Math.min(start + bytes, file.seen.length))
  }

  const write = (file: SimulatedFile, bytes: Buffer, offset: number): void => {
    const end = offset + bytes.length
    if (end > file.seen.length) {
      file.seen = Buffer.concat([file.seen, Buffer.alloc(end - file.seen.length)])
      file.durable = Buffer.concat([file.durable, Buffer.alloc(end - file.durable.length)])
    }
    bytes.copy(file.seen, offset)
    for (let sector = Math.floor(offset / SECTOR_BYTES); sector * SECTOR_BYTES < end; sector++) {
      file.dirty.add(sector)
      // The system writes back what it likes, when it likes.
      if (random() < 0.05) settle(file, sector, SECTOR_BYTES)
    }
  }

  const syncFile = (file: SimulatedFile): void => {
    for (const sector of file.dirty) settle(file, sector, SECTOR_BYTES)
    file.dirty.clear()
  }

  /** Never settles for a process that is dead, or dies in this operation: `inPart` is then what came of it, and of one that fails. */
  const begin = async (
    of: number,
    operation: Operation,
    name: string,
    inPart = (_isKilled: boolean): void => {},
  ): Promise<void> => {
    await null
    if (of !== boot) return new Promise(() => {})
    if (operationsLeft <= 0) {
      boot++
      inPart(true)
      onStopped()
      return new Promise(() => {})
    }
    operationsLeft--
    counts[operation]++
    if (gate?.operation === operation && gate.name.test(name)) await gate.opened
    if (failing?.operation === operation && failing.times > 0 && failing.name.test(name) && failing.after-- <= 0) {
      failing.times--
      if (operation === 'write' && random() < 0.5) inPart(false)
      throw systemError('EIO')
    }
  }

  const storage = (): Storage => {
    const mine = boot
    return {
      async list() {
        return [...files.keys()]
      },
      async read(name) {
        await begin(mine, 'read', name)
        return Buffer.from(fileOf(name).seen)
      },
      async create(name, content) {
        await begin(mine, 'create', name)
        if (usedBytes() + content.length > capacityBytes) throw systemError('ENOSPC')
        files.set(name, { seen: Buffer.from(content), durable: Buffer.from(content), dirty: new Set() })
      },
      async open(name) {
        await begin(mine, 'open', name)
        const file = fileOf(name)
        return {
          async write(bytes, offset) {
            await begin(mine, 'write', name, isKilled => {
              const end = offset + Math.floor(random() * bytes.length)
              const cut = isKilled ? Math.max(offset, end - (end % PAGE_BYTES)) : end
              write(file, bytes.subarray(0, cut - offset), offset)
            })
            write(file, bytes, offset)
          },
          async sync() {
            try {
              await begin(mine, 'sync', name)
            } catch (error) {
              // Nobody will ask for these sectors again; some of them went through.
              for (const sector of file.dirty) if (random() < 0.5) settle(file, sector, SECTOR_BYTES)
              throw error
            }
            syncFile(file)
          },
          async close() {},
        }
      },
      async appendTo(name, text, maxBytes) {
        await begin(mine, 'append', name)
        const size = files.get(name)?.seen.length ?? 0
        if (size + Buffer.byteLength(text) > maxBytes) return false
        if (usedBytes() + Buffer.byteLength(text) > capacityBytes) throw systemError('ENOSPC')
        const file = files.get(name) ?? { seen: Buffer.alloc(0), durable: Buffer.alloc(0), dirty: new Set<number>() }
        files.set(name, file)
        write(file, Buffer.from(text), size)
        syncFile(file)
        return true
      },
      async remove(name) {
        files.delete(name)
      },
      async space() {
        counts.space++
        if (!isTelling) throw systemError('ENOSYS')
        return { totalBytes, freeBytes: Math.max(0, Math.min(capacityBytes, totalBytes) - usedBytes()) }
      },
      close() {},
    }
  }

  return {
    /** For one life of a process. */
    storage,
    usedBytes,
    names: () => [...files.keys()],
    contentOf: (name: string) => fileOf(name).seen,
    /** Replaces a file by something else, durably. */
    put(name: string, bytes: Buffer): void {
      files.set(name, { seen: Buffer.from(bytes), durable: Buffer.from(bytes), dirty: new Set() })
    },
    /** Resolves when the process has died in the operation after so many. */
    dieAfter(operations: number): Promise<void> {
      operationsLeft = operations
      return new Promise(resolve => {
        onStopped = resolve
      })
    },
    /** The process is dead; with the power also what was not yet on the card. */
    crash(isPowerCut: boolean): void {
      boot++
      operationsLeft = Number.POSITIVE_INFINITY
      if (!isPowerCut) return
      for (const file of files.values()) {
        for (const sector of file.dirty) {
          const chance = random()
          if (chance < 0.45) settle(file, sector, SECTOR_BYTES)
          else if (chance < 0.55) settle(file, sector, Math.floor(random() * SECTOR_BYTES))
        }
        file.dirty.clear()
        file.seen = Buffer.from(file.durable)
      }
    },
    /** No further octet; undefined: as many as wanted. */
    setFull(isFull: boolean): void {
      capacityBytes = isFull ? usedBytes() : Number.POSITIVE_INFINITY
    },
    /** Others leave so many further octets on a disk of this size. */
    leave(bytes: number, of = DISK_BYTES): void {
      capacityBytes = usedBytes() + bytes
      totalBytes = of
    },
    /** Whether it tells how much is left. */
    tellSpace(tells: boolean): void {
      isTelling = tells
    },
    /** The next operations of this kind fail with EIO, once so many have gone well. */
    fail(operation: Operation, times: number, name = /./, after = 0): void {
      failing = { operation, times, name, after }
    },
    /** Operations of this kind on these files take until the function that is returned is called. */
    stall(operation: Operation, name: RegExp): () => void {
      const { promise, resolve } = Promise.withResolvers<void>()
      gate = { operation, name, opened: promise }
      return () => {
        gate = undefined
        resolve()
      }
    },
    /** Operations begun, by kind. */
    counts,
  }
}

export type Disk = ReturnType<typeof createDisk>

const systemError = (code: string): Error => Object.assign(new Error(`${code}: simulated`), { code })

/** Numbers in [0, 1) that depend on the seed alone (mulberry32). */
export const seeded = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
