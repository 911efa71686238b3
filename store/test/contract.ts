import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Store, StoreReader } from '../src/index.ts'
import { describeEvents } from './contract-events.ts'
import { describeRollups } from './contract-rollups.ts'
import { describeSamples } from './contract-samples.ts'
import { describeStates } from './contract-states.ts'
import { HOUR_MS, machines, T0 } from './support.ts'

export interface OpenedStore {
  /** Empty, and nobody else's. */
  readonly store: Store
  /** Opens the same store again, after `store` was closed. */
  readonly reopen: () => Promise<Store>
  /** Opens it a second time, for reading, as another process would. */
  readonly reader: () => Promise<StoreReader>
  /** Closes whatever is still open and removes everything. */
  readonly cleanup: () => Promise<void>
}

/** What every implementation of `Store` must hold, whatever it is made of. Call it in a test file of that implementation. */
export const describeStoreContract = (name: string, open: () => Promise<OpenedStore>): void => {
  describe(`${name}, as a store`, () => {
    let opened: OpenedStore
    beforeAll(async () => {
      opened = await open()
    })
    afterAll(() => opened.cleanup())
    // Every test uses machines of its own, so that all can share one store.
    const store = (): Store => opened.store

    describeStates(store)
    describeRollups(store)
    describeSamples(store)
    describeEvents(store)
    describeWriting(store)
    describeLife(open)
  })
}

const describeWriting = (store: () => Store): void => {
  describe('writing', () => {
    it('counts what it took', async () => {
      const series = machines.next()
      const counts = [1, 2, 3].map(n => ({ type: 'count', series, at: T0 + n, parts: 1, total: n }) as const)
      expect(await store().write(counts)).toEqual({ accepted: 3, rejected: [], retry: [] })
      expect(await store().write([])).toEqual({ accepted: 0, rejected: [], retry: [] })
    })

    it('keeps the order of calls that are made without waiting for each other', async () => {
      const series = machines.next()
      const totals = Array.from({ length: 300 }, (_, n) => n)
      const results = await Promise.all(
        totals.map(total => store().write([{ type: 'count', series, at: T0, parts: 1, total }])),
      )
      expect(results.every(({ accepted }) => accepted === 1)).toBe(true)
      expect(await store().counts({ ...series, from: T0, to: T0 + 1 })).toEqual([{ at: T0, parts: 1, total: 299 }])
    })

    it('takes a call of any length whole', async () => {
      const series = machines.next()
      const writes = Array.from(
        { length: 10_000 },
        (_, n) => ({ type: 'count', series, at: T0 + n, parts: 1, total: n }) as const,
      )
      expect(await store().write(writes)).toMatchObject({ accepted: 10_000, retry: [] })
      expect(await store().counts({ ...series, from: T0, to: T0 + 10_000 })).toHaveLength(10_000)
    })

    it('knows nothing of a machine that was never written', async () => {
      const range = { shop: 'nobody', machine: 'nothing', from: T0 - HOUR_MS, to: T0 + HOUR_MS }
      expect(await store().timeline(range)).toEqual([])
      expect(await store().rollups({ ...range, resolution: 'hour' })).toEqual([])
      expect(await store().samples(range)).toEqual({ at: [], signals: {} })
      expect(await store().counts(range)).toEqual([])
      expect(await store().gaps(range)).toEqual([])
    })
  })
}

const describeLife = (open: () => Promise<OpenedStore>): void => {
  const series = machines.next()
  const count = { type: 'count', series, at: T0, parts: 1, total: 1 } as const

  describe('its life', () => {
    it('starts empty, under an id of its own', async () => {
      const [first, second] = [await open(), await open()]
      expect(first.store.id).toMatch(/^[0-9a-f]{16}$/)
      expect(second.store.id).not.toBe(first.store.id)
      expect(await first.store.currentStates()).toEqual([])
      expect(await first.store.stats()).toMatchObject({ oldestAt: null, droppedRows: 0, droppedUntil: null })
      await Promise.all([first.cleanup(), second.cleanup()])
    })

    it('goes on where it was after closing, under the same id', async () => {
      const opened = await open()
      await opened.store.write([
        count,
        { type: 'state', series, from: T0, to: T0 + 5, code: 'IDLE', since: T0, provisional: false },
        { type: 'samples', series, at: [T0], signals: { load: [0.1] } },
      ])
      await opened.store.close()
      const again = await opened.reopen()
      expect(again.id).toBe(opened.store.id)
      const range = { ...series, from: T0, to: T0 + HOUR_MS }
      expect(await again.counts(range)).toHaveLength(1)
      expect(await again.timeline(range)).toHaveLength(1)
      expect((await again.samples(range)).at).toEqual([T0])
      expect((await again.write([{ ...count, at: T0 + 1 }])).accepted).toBe(1)
      expect(await again.counts(range)).toHaveLength(2)
      const { oldestAt, bytes, maxBytes } = await again.stats()
      expect(oldestAt).toBeGreaterThan(T0 - HOUR_MS)
      expect(oldestAt).toBeLessThanOrEqual(T0)
      expect(bytes).toBeGreaterThan(0)
      expect(bytes).toBeLessThanOrEqual(maxBytes)
      await again.close()
      await opened.cleanup()
    })

    it('closes once, however often it is asked; then it hands writes back and refuses queries', async () => {
      const opened = await open()
      const last = opened.store.write([count])
      await Promise.all([opened.store.close(), opened.store.close()])
      await opened.store.close()
      expect((await last).accepted).toBe(1)
      expect(await opened.store.write([count])).toEqual({ accepted: 0, rejected: [], retry: [count] })
      await expect(opened.store.currentStates()).rejects.toMatchObject({ code: 'STORE_CLOSED' })
      await opened.cleanup()
    })

    it('shows a reader every acknowledged write', async () => {
      const opened = await open()
      const reader = await opened.reader()
      expect(reader.id).toBe(opened.store.id)
      for (let total = 1; total <= 20; total++) {
        await opened.store.write([{ ...count, at: T0 + total, total }])
        expect(await reader.counts({ ...series, from: T0, to: T0 + 100 })).toHaveLength(total)
      }
      await reader.close()
      await reader.close()
      await opened.cleanup()
    })
  })
}
