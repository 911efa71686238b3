import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import {
  type EmbeddedStoreOptions,
  openEmbeddedReader,
  openEmbeddedStore,
  STORE_MIN_BYTES,
  type Store,
  type StoreWrite,
} from '../src/index.ts'
import { DAY_MS, HOUR_MS, machines, T0, temporaryFolder, writeAll } from './support.ts'

const folder = temporaryFolder()
afterAll(() => folder.remove())

describe('the embedded store within its limits', () => {
  let files = 0
  let store: Store | undefined
  const open = async (options: Partial<EmbeddedStoreOptions> = {}): Promise<Store> => {
    store = await openEmbeddedStore({ file: fileOf(++files), commitDelayMs: 0, ...options })
    return store
  }
  const fileOf = (number: number): string => join(folder.path, `${number}.db`)
  afterEach(() => store?.close())

  it('stays below its bound: the oldest raw data goes first, rollups and newest states stay', async () => {
    const log: object[] = []
    const store = await open({
      maxBytes: STORE_MIN_BYTES,
      upkeepMs: 20,
      log: { info: fields => log.push(fields), warn: fields => log.push(fields) },
    })
    const series = machines.next()
    const hours = 38
    const first = T0 - hours * HOUR_MS
    const idle = { type: 'state', series, code: 'IDLE', provisional: false } as const
    for (let hour = 0; hour < hours; hour++) {
      const from = first + hour * HOUR_MS
      await writeAll(store, [
        noise(series, from),
        { type: 'rollup', series, hour: from, minutes: { IDLE: new Array(60).fill(60_000) } },
        { ...idle, from, to: from + HOUR_MS, since: from },
        { type: 'count', series, at: from, parts: 1, total: hour },
      ])
      const { bytes, maxBytes } = await store.stats()
      expect(bytes).toBeLessThanOrEqual(maxBytes)
    }
    const range = { ...series, from: first, to: T0 }
    const { droppedRows, droppedUntil, oldestAt } = await store.stats()
    expect(droppedRows).toBeGreaterThan(0)
    expect(droppedUntil).toBeGreaterThan(first)
    expect(oldestAt).toBeGreaterThanOrEqual((droppedUntil as number) - HOUR_MS)
    expect(log).toContainEqual(expect.objectContaining({ code: 'STORE_MADE_ROOM' }))

    const kept = (await store.samples({ ...range, limitRows: 1 })).at[0] as number
    expect(kept).toBeGreaterThan(first)
    expect((await store.samples({ ...range, from: T0 - HOUR_MS })).at).toHaveLength(3600)
    expect((await store.counts(range)).at(-1)?.total).toBe(hours - 1)
    expect((await store.counts(range)).length).toBeLessThan(hours)
    expect(await store.rollups({ ...range, resolution: 'hour' })).toHaveLength(hours)
    expect(await store.currentStates()).toMatchObject([{ from: T0 - HOUR_MS, to: T0 }])
  })

  it('hands writes back when even giving up raw data makes no room, and goes on answering', async () => {
    const log: object[] = []
    const store = await open({ maxBytes: STORE_MIN_BYTES, log: { info: () => {}, warn: fields => log.push(fields) } })
    const series = machines.next()
    const idle = { IDLE: new Array(60).fill(60_000) }
    const hourOf = (number: number): number => T0 - number * DAY_MS
    let result = { accepted: 0, retry: [] as readonly StoreWrite[] }
    let days = 0
    for (let shop = 0; result.retry.length === 0 && shop < 60; shop++) {
      const writes = Array.from(
        { length: 1_000 },
        (_, day): StoreWrite => ({
          type: 'rollup',
          series: { ...series, machine: `machine-${shop}` },
          hour: hourOf(day),
          minutes: idle,
        }),
      )
      result = await store.write(writes)
      days += result.accepted
    }
    expect(result).toEqual({ accepted: 0, rejected: [], retry: expect.any(Array) })
    expect(result.retry).toHaveLength(1_000)
    expect(log).toContainEqual(expect.objectContaining({ code: 'STORE_FULL' }))
    expect(await store.rollups({ from: 0, to: T0 + HOUR_MS, resolution: 'hour' })).toHaveLength(days)
    const { bytes, maxBytes } = await store.stats()
    expect(bytes).toBeLessThanOrEqual(maxBytes)
  })

  it('forgets raw data after its time, but neither rollups nor the newest state', async () => {
    let now = T0
    const store = await open({ rawRetentionDays: 10, upkeepMs: 10, now: () => now })
    const series = machines.next()
    const [old, young] = [T0, T0 + 5 * DAY_MS]
    const state = { type: 'state', series, provisional: false } as const
    await writeAll(store, [
      { type: 'count', series, at: old, parts: 1, total: 1 },
      { type: 'samples', series, at: [old], signals: { load: [1] } },
      { type: 'rollup', series, hour: old, minutes: { IDLE: new Array(60).fill(60_000) } },
      {
        type: 'gap',
        shop: series.shop,
        agent: 'pi',
        machine: null,
        from: old,
        to: old + 1,
        what: 'all',
        why: 'agent-stopped',
      },
      { ...state, from: old, to: old + 5, code: 'IDLE', since: old },
      { ...state, from: old + 5, to: old + 9, code: 'OFF', since: old + 5 },
    ])
    now = young
    await writeAll(store, [
      { type: 'count', series, at: young, parts: 1, total: 2 },
      { type: 'samples', series, at: [young], signals: { load: [2] } },
    ])
    const range = { ...series, from: old, to: young + 1 }
    now = old + 12 * DAY_MS
    await writeAll(store, [{ ...state, series: machines.next(), from: now - 1, to: now, code: 'IDLE', since: now - 1 }])
    // Samples have to be regrouped by hour first; retention looks once an hour.
    await vi.waitFor(
      async () => {
        now += HOUR_MS / 2
        expect((await store.samples(range)).signals.load).toEqual([2])
      },
      { timeout: 10_000 },
    )
    await vi.waitFor(async () => expect(await store.counts(range)).toHaveLength(1), { timeout: 10_000 })
    expect(await store.gaps({ ...range })).toEqual([])
    expect(await store.timeline(range)).toMatchObject([{ code: 'OFF' }])
    expect(await store.rollups({ ...range, resolution: 'hour' })).toHaveLength(1)
    expect((await store.rollups({ ...range, resolution: 'minute' })).length).toBe(60)
    expect((await store.stats()).droppedRows).toBeGreaterThanOrEqual(4)
  })

  it('forgets nothing because its own clock has gone wrong, either way', async () => {
    let now = Date.UTC(2000, 0, 1)
    const store = await open({ rawRetentionDays: 10, upkeepMs: 10, now: () => now })
    const series = machines.next()
    const count = { type: 'count', series, at: T0, parts: 1, total: 1 } as const
    await writeAll(store, [count, { type: 'samples', series, at: [T0], signals: { load: [1] } }])
    const upkeeps = vi.spyOn(Worker.prototype, 'postMessage')
    now = Date.UTC(2040, 0, 1)
    // Enough of them for folding, for retention, and for retention of what was folded.
    await vi.waitFor(
      () => {
        now += HOUR_MS
        expect(upkeeps.mock.calls.length).toBeGreaterThan(10)
      },
      { timeout: 10_000 },
    )
    upkeeps.mockRestore()
    expect(await store.counts({ ...series, from: T0, to: T0 + 1 })).toHaveLength(1)
    expect((await store.samples({ ...series, from: T0, to: T0 + 1 })).at).toEqual([T0])
    expect((await store.stats()).droppedRows).toBe(0)
  })

  it('hands writes back while another process holds the file, and takes them afterwards', async () => {
    const store = await open({ busyTimeoutMs: 20 })
    const count = { type: 'count', series: machines.next(), at: T0, parts: 1, total: 1 } as const
    await writeAll(store, [{ ...count, at: T0 - DAY_MS }])
    const other = new DatabaseSync(fileOf(files))
    other.exec('BEGIN IMMEDIATE')
    expect(await store.write([count])).toEqual({ accepted: 0, rejected: [], retry: [count] })
    expect(await store.counts({ ...count.series, from: T0, to: T0 + 1 })).toEqual([])
    other.exec('ROLLBACK')
    other.close()
    await writeAll(store, [count])
    expect((await store.stats()).droppedRows).toBe(0)
  })

  it('stays right when two processes write the same machines', async () => {
    const store = await open()
    const second = await openEmbeddedStore({ file: fileOf(files), commitDelayMs: 0 })
    const series = machines.next()
    for (let second_ = 0; second_ < 20; second_++) {
      const writer = second_ % 2 === 0 ? store : second
      await writeAll(writer, [
        {
          type: 'state',
          series,
          from: T0 + second_,
          to: T0 + second_ + 2,
          code: second_ % 3 === 0 ? 'IDLE' : 'OFF',
          since: T0,
          provisional: false,
        },
      ])
    }
    const timeline = await store.timeline({ ...series, from: T0, to: T0 + 100 })
    expect(timeline[0]).toMatchObject({ from: T0, to: T0 + 1, code: 'IDLE' })
    expect(timeline).toHaveLength(14)
    expect(timeline.at(-1)).toMatchObject({ from: T0 + 19, to: T0 + 21, code: 'OFF' })
    await second.close()
  })

  it('never lets the caller’s event loop wait for the disk', async () => {
    const store = await open()
    const writes: StoreWrite[] = Array.from({ length: 2_000 }, () => noise(machines.next(), T0, 10))
    let longestMs = 0
    let last = performance.now()
    const beat = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - last)
      last = performance.now()
    }, 1)
    const started = performance.now()
    await writeAll(store, writes)
    const tookMs = performance.now() - started
    clearInterval(beat)
    expect(longestMs).toBeLessThan(tookMs / 2)
  })

  it('makes a reader that cannot be written through, and that goes over to a store put in the other’s place', async () => {
    const first = await open()
    const reader = await openEmbeddedReader({ file: fileOf(files) })
    expect('write' in reader).toBe(false)
    const second = await openEmbeddedStore({ file: `${fileOf(files)}.new`, commitDelayMs: 0 })
    await writeAll(second, [
      { type: 'count', series: { shop: 'new', machine: 'new', kind: 'laser' }, at: T0, parts: 1, total: 7 },
    ])
    const { id } = second
    await Promise.all([first.close(), second.close()])
    for (const suffix of ['-wal', '-shm']) rmSync(`${fileOf(files)}${suffix}`, { force: true })
    renameSync(`${fileOf(files)}.new`, fileOf(files))
    expect(await reader.counts({ shop: 'new', machine: 'new', from: T0, to: T0 + 1 })).toMatchObject([{ total: 7 }])
    expect(reader.id).toBe(id)
    await reader.close()
  })
})

/** Readings that no packing makes smaller. */
const noise = (series: ReturnType<typeof machines.next>, from: number, rows = 3600): StoreWrite => {
  const at = Array.from({ length: rows }, (_, second) => from + second * 1000)
  const signals = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`noise${n}`, at.map(() => Math.random())]))
  return { type: 'samples', series, at, signals }
}
