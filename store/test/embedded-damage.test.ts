import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { openEmbeddedReader, openEmbeddedStore } from '../src/index.ts'
import { HOUR_MS, machines, T0, temporaryFolder, writeAll } from './support.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())
afterEach(() => vi.restoreAllMocks())

describe('opening the embedded store', () => {
  const bothRefuse = async (file: string, code: string, words: RegExp): Promise<void> => {
    const before = readFileSync(file)
    for (const opening of [() => openEmbeddedStore({ file }), () => openEmbeddedReader({ file })]) {
      const error = await opening().then(
        () => undefined,
        thrown => thrown,
      )
      expect(error).toMatchObject({ name: 'NakamaError', code })
      expect(error.message).toContain(file)
      expect(error.message).toMatch(words)
    }
    expect(readFileSync(file).equals(before)).toBe(true)
  }

  it('refuses a file that is no database, says what to do, and leaves it as it is', async () => {
    const file = join(folder.path, 'garbage.db')
    writeFileSync(file, 'not a database at all, but long enough to have a header'.repeat(200))
    await bothRefuse(file, 'STORE_CORRUPT', /move it away.*backup/)
  })

  it('refuses another program’s database', async () => {
    const file = join(folder.path, 'foreign.db')
    const foreign = new DatabaseSync(file)
    foreign.exec('CREATE TABLE recipe (name TEXT)')
    foreign.close()
    await bothRefuse(file, 'STORE_CORRUPT', /not one of ours/)
  })

  it('refuses a store of a newer Nakama', async () => {
    const file = join(folder.path, 'newer.db')
    await (await openEmbeddedStore({ file })).close()
    const later = new DatabaseSync(file)
    later.exec('PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE)')
    later.close()
    await bothRefuse(file, 'STORE_NEWER', /version 1 or older, got version 99/)
  })

  it('says when it is given a folder, or limits without sense', async () => {
    const file = join(folder.path, 'folder.db')
    mkdirSync(file)
    await expect(openEmbeddedStore({ file })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' })
    const good = join(folder.path, 'good.db')
    await expect(openEmbeddedStore({ file: good, maxBytes: 1000 })).rejects.toThrow(/maxBytes: expected at least/)
    await expect(openEmbeddedStore({ file: good, rawRetentionDays: 0 })).rejects.toMatchObject({
      code: 'STORE_OPTIONS',
    })
  })
})

describe('an embedded store that goes bad', () => {
  it('says so for what is damaged: queries name it, writes are handed back, nothing ends', async () => {
    const file = join(folder.path, 'damaged.db')
    const series = machines.next()
    const range = { ...series, from: T0, to: T0 + HOUR_MS }
    const counts = Array.from(
      { length: 20_000 },
      (_, n) => ({ type: 'count', series, at: T0 + n, parts: 1, total: n }) as const,
    )
    const store = await openEmbeddedStore({ file })
    await writeAll(store, counts)
    await store.close()
    overwrite(file, 0.2, 0.9)
    const again = await openEmbeddedStore({ file })
    await expect(again.counts(range)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
    const result = await again.write(counts.slice(0, 5_000))
    expect(result.retry.length).toBeGreaterThan(0)
    expect(result.rejected).toEqual([])
    await again.close()
  })

  it('starts its thread again when that is gone: what was under way is handed back', async () => {
    const posts = vi.spyOn(Worker.prototype, 'postMessage')
    const store = await openEmbeddedStore({ file: join(folder.path, 'thread.db'), commitDelayMs: 0 })
    const series = machines.next()
    const count = (total: number) => ({ type: 'count', series, at: T0 + total, parts: 1, total }) as const
    await writeAll(store, [count(1)])
    const worker = posts.mock.contexts.at(-1) as Worker
    const ended = worker.terminate()
    const lost = await store.write([count(2)])
    expect(lost.accepted + lost.retry.length).toBe(1)
    await ended
    await vi.waitFor(async () => expect((await store.write([count(2)])).accepted).toBe(1), { timeout: 5_000 })
    expect(await store.counts({ ...series, from: T0, to: T0 + 10 })).toHaveLength(2)
    await store.close()
  })
})

const overwrite = (file: string, fromShare: number, toShare: number): void => {
  const { size } = statSync(file)
  const handle = openSync(file, 'r+')
  writeSync(
    handle,
    Buffer.alloc(Math.floor(size * (toShare - fromShare)), 0xa5),
    0,
    undefined,
    Math.floor(size * fromShare),
  )
  closeSync(handle)
}
