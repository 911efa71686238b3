import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { openEmbeddedReader, openEmbeddedStore } from '../src/index.ts'
import { HOUR_MS, T0, temporaryFolder } from './support.ts'

const ROUNDS = 3
const TIMEOUT_MS = 60_000
const ref = { shop: 'killed', machine: 'lathe' }
const range = { ...ref, from: T0, to: T0 + HOUR_MS }

describe('the embedded store and other processes', { timeout: TIMEOUT_MS }, () => {
  const folder = temporaryFolder()
  let child: ChildProcess | undefined
  afterEach(() => {
    child?.kill('SIGKILL')
    folder.remove()
  })

  it('has every acknowledged write after its writer was killed in mid-write, again and again', async () => {
    const file = join(folder.path, 'killed.db')
    const acknowledged = new Set<number>()
    let next = 0
    for (let round = 1; round <= ROUNDS; round++) {
      const writer = startWriter(file, next)
      child = writer
      writer.on('message', number => acknowledged.add(number as number))
      const enough = acknowledged.size + 40 * round
      await vi.waitFor(() => expect(acknowledged.size).toBeGreaterThan(enough), { timeout: 10_000, interval: 5 })
      const ended = new Promise(resolve => writer.once('close', resolve))
      writer.kill('SIGKILL')
      await ended
      next = Math.max(...acknowledged) + 10

      const store = await openEmbeddedStore({ file })
      const counts = new Set((await store.counts(range)).map(({ total }) => total))
      const ticks = new Set((await store.samples(range)).signals.ticks)
      const states = new Set((await store.timeline(range)).map(({ from }) => from - T0))
      await store.close()
      for (const kept of [counts, ticks, states]) expect([...acknowledged].filter(each => !kept.has(each))).toEqual([])
    }
  })

  it('shows a reader what another process has just been told is stored', async () => {
    const file = join(folder.path, 'read.db')
    await expect(openEmbeddedReader({ file })).rejects.toMatchObject({ code: 'STORE_NOT_THERE', retryable: true })
    let newest = -1
    child = startWriter(file, 0)
    child.on('message', number => {
      newest = Math.max(newest, number as number)
    })
    await vi.waitFor(() => expect(newest).toBeGreaterThan(0), { timeout: 10_000 })
    const reader = await openEmbeddedReader({ file })
    for (let look = 0; look < 20; look++) {
      const before = newest
      await vi.waitFor(() => expect(newest).toBeGreaterThan(before), { timeout: 5_000, interval: 2 })
      const told = newest
      const totals = (await reader.counts({ ...range, from: T0 + told })).map(({ total }) => total)
      expect(totals[0]).toBe(told)
      expect((await reader.samples({ ...range, from: T0 + told, limitRows: 1 })).signals.ticks).toEqual([told])
      const [current] = await reader.currentStates()
      expect(current?.from).toBeGreaterThanOrEqual(T0 + told)
    }
    // The writer moves rows from table to table all the time; a look must never fall in between.
    for (let look = 0; look < 200; look++) {
      const timeline = await reader.timeline(range)
      expect(timeline.map(({ from }) => from - T0)).toEqual(timeline.map((_, number) => number))
      const { ticks } = (await reader.samples(range)).signals
      expect(ticks).toEqual(ticks?.map((_, number) => number))
    }
    await reader.close()
  })
})

const startWriter = (file: string, first: number): ChildProcess =>
  fork(join(import.meta.dirname, 'writer-child.ts'), [file, String(first), String(T0)], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
