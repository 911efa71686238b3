import { BOOT_TIME_ZERO, encodeBatch, type NakamaRecord } from '@nakama/contract'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { realRecords } from '../src/intake/real-time.ts'
import { MINUTE, MORNING } from './support/history.ts'
import { epochOf } from './support/journal.ts'
import { EVERYTHING, state } from './support/store-contents.ts'
import { openWorkbench, type Workbench } from './support/workbench.ts'

let bench: Workbench

beforeAll(async () => {
  bench = await openWorkbench()
})

afterAll(() => bench.close())

const SHIFT_MS = MORNING - BOOT_TIME_ZERO
const m1 = { machine: 'm1', kind: 'nc-lathe' } as const
const boot = (ms: number): number => BOOT_TIME_ZERO + ms

const records: NakamaRecord[] = [
  state(boot(MINUTE), 'RUNNING', boot(0)),
  { type: 'count', at: boot(1_000), ...m1, parts: 2, total: 7 },
  { type: 'taking', at: boot(5), value: true, until: null, rev: 1 },
]

describe('records in boot time', () => {
  it('are stored in real time, each batch as often as it comes', async () => {
    const who = await bench.fresh({ now: MORNING + 10 * MINUTE })
    const { shop, machine } = who
    const line = encodeBatch({ lane: 'events', epoch: epochOf(1), seq: 1 }, 1, JSON.stringify(records), {
      shiftMs: SHIFT_MS,
    })
    for (let times = 0; times < 2; times++) {
      bench.pipeline.records(who, line)
      await vi.waitFor(() => expect(bench.acks).toHaveLength(times + 1))
    }
    expect(await bench.store.timeline({ shop, machine, ...EVERYTHING })).toMatchObject([
      { code: 'RUNNING', from: MORNING, to: MORNING + MINUTE + 1 },
    ])
    expect(await bench.store.counts({ shop, machine, ...EVERYTHING })).toEqual([
      { at: MORNING + 1_000, parts: 2, total: 7 },
    ])
  })

  it('of a boot that nobody ever synchronised become a gap with bounds and are acknowledged', async () => {
    const who = await bench.fresh({ now: MORNING + 10 * MINUTE })
    const { shop, machine } = who
    const bounds = { from: MORNING, to: MORNING + 5 * MINUTE }
    const line = encodeBatch({ lane: 'events', epoch: epochOf(1), seq: 1 }, 1, JSON.stringify(records), {
      unsynchronised: bounds,
    })
    bench.pipeline.records(who, line)
    await vi.waitFor(() => expect(bench.acks).toMatchObject([{ lane: 'events', seq: 1 }]))
    expect(await bench.store.gaps({ shop, ...EVERYTHING })).toMatchObject([
      { machine: 'm1', what: 'all', why: 'clock-unknown', ...bounds },
    ])
    expect(await bench.store.timeline({ shop, machine, ...EVERYTHING })).toMatchObject([{ code: 'OFFLINE', ...bounds }])
    expect(await bench.store.counts({ shop, machine, ...EVERYTHING })).toEqual([])
  })

  it('without a word about them are absurd, and spoil nothing else', async () => {
    const who = await bench.fresh({ now: MORNING + 10 * MINUTE })
    const json = JSON.stringify([...records.slice(1, 2), { type: 'count', at: MORNING, ...m1, parts: 1, total: 1 }])
    bench.pipeline.records(who, encodeBatch({ lane: 'events', epoch: epochOf(1), seq: 1 }, 1, json))
    await vi.waitFor(() => expect(bench.acks).toHaveLength(1))
    expect(await bench.store.counts({ shop: who.shop, machine: 'm1', ...EVERYTHING })).toMatchObject([{ at: MORNING }])
  })

  it('are answered with the time when only that is asked, and the first batch is then still taken', async () => {
    const who = await bench.fresh({ now: MORNING + 10 * MINUTE })
    bench.pipeline.records(who, encodeBatch({ lane: 'events', epoch: epochOf(1), seq: 0 }, 1, '[]'))
    await vi.waitFor(() => expect(bench.acks).toMatchObject([{ seq: 0, at: bench.now }]))
    bench.pipeline.records(
      who,
      encodeBatch({ lane: 'events', epoch: epochOf(1), seq: 1 }, 1, JSON.stringify(records), { shiftMs: SHIFT_MS }),
    )
    await vi.waitFor(() => expect(bench.acks).toMatchObject([{ seq: 0 }, { seq: 1 }]))
    expect(await bench.store.counts({ shop: who.shop, machine: 'm1', ...EVERYTHING })).toHaveLength(1)
  })

  it('keep the shop’s own word, at the later bound, and what is in real time', () => {
    const real = { type: 'profile', at: MORNING, ...m1, name: 'x' }
    const unsynchronised = { from: MORNING, to: MORNING + 1 }
    expect(realRecords({ lane: 'events', records: [records[2], real], unsynchronised })).toEqual([
      { ...records[2], at: MORNING + 1 },
      real,
    ])
  })

  it('never put the beginning of a gap after its end, whatever the clock said before', () => {
    const gap = { type: 'gap', at: boot(9), machine: 'm1', from: MORNING + 999, to: boot(9), what: 'all' }
    expect(realRecords({ lane: 'events', records: [gap], shiftMs: SHIFT_MS })).toEqual([
      { ...gap, at: MORNING + 9, from: MORNING + 9, to: MORNING + 9 },
    ])
  })
})
