import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { STATE_CODES, type StateCode } from '@nakama/contract'
import { openEmbeddedReader, openEmbeddedStore, type Series, type Store, type StoreWrite } from '@nakama/store'
import { describe, expect, it } from 'vitest'
import { HOUR_MS } from '../src/capacity.ts'
import { openHistory } from '../src/history.ts'
import type { CapacityAnswer, ErrorAnswer, MachinesAnswer, TimelineAnswer } from '../src/index.ts'
import { connectAgent, eventually, later, silent, start, startBroker, statusOnline, temporaryDir } from './helpers.ts'
import { readApi } from './openapi.ts'

const LATHE: Series = { shop: 'tanaka', machine: 'lathe-1', kind: 'nc-lathe' }
const HOUR = Math.floor(Date.now() / HOUR_MS) * HOUR_MS

const openStore = async (file: string): Promise<Store> => {
  const store = await openEmbeddedStore({ file })
  later(() => store.close())
  return store
}

const state = (series: Series, from: number, to: number, code: StateCode): StoreWrite => ({
  ...{ type: 'state', series, from, to, code, since: from, provisional: false },
})

/** One hour, the same in each of its minutes. */
const hourOf = (series: Series, hour: number, shares: { readonly [code in StateCode]?: number }): StoreWrite => ({
  type: 'rollup',
  series,
  hour,
  minutes: Object.fromEntries(
    STATE_CODES.flatMap(code => {
      const share = shares[code]
      return share === undefined ? [] : [[code, Array.from({ length: 60 }, () => share * 60_000)]]
    }),
  ),
})

const write = async (store: Store, ...writes: StoreWrite[]): Promise<void> => {
  expect(await store.write(writes)).toMatchObject({ accepted: writes.length, rejected: [], retry: [] })
}

/** Long ago enough that the hours are over whatever the time is, and never across now. */
const BEFORE = HOUR - 3 * HOUR_MS

describe('the past', () => {
  it('comes from the store: a timeline without holes, hours per kind and area, the observed share', async () => {
    const dir = await temporaryDir()
    const store = await openStore(join(dir, 'store.sqlite'))
    await write(
      store,
      state(LATHE, BEFORE, BEFORE + HOUR_MS, 'RUNNING'),
      state(LATHE, BEFORE + 1.5 * HOUR_MS, BEFORE + 2 * HOUR_MS, 'IDLE'),
      hourOf(LATHE, BEFORE, { RUNNING: 1 }),
      hourOf(LATHE, BEFORE + HOUR_MS, { IDLE: 0.5, OFFLINE: 0.5 }),
    )
    const { url } = await start({ brokerPort: 1, dir })
    const api = await readApi(url)
    await eventually(async () =>
      expect((await fetch(`${url}/healthz`)).json()).resolves.toMatchObject({ storeAvailable: true }),
    )
    const iso = (ms: number): string => new Date(ms).toISOString()
    const range = `from=${iso(BEFORE)}&to=${iso(BEFORE + 3 * HOUR_MS)}`

    const timeline = await api.ask<TimelineAnswer>(`/api/v1/machines/tanaka/lathe-1/timeline?${range}`)
    expect(timeline.body).toEqual({
      shop: 'tanaka',
      machine: 'lathe-1',
      from: iso(BEFORE),
      to: iso(BEFORE + 3 * HOUR_MS),
      observed: 0.5,
      intervals: [
        { from: iso(BEFORE), to: iso(BEFORE + HOUR_MS), state: 'RUNNING', provisional: false },
        { from: iso(BEFORE + HOUR_MS), to: iso(BEFORE + 1.5 * HOUR_MS), state: 'OFFLINE', provisional: false },
        { from: iso(BEFORE + 1.5 * HOUR_MS), to: iso(BEFORE + 2 * HOUR_MS), state: 'IDLE', provisional: false },
        { from: iso(BEFORE + 2 * HOUR_MS), to: iso(BEFORE + 3 * HOUR_MS), state: 'OFFLINE', provisional: false },
      ],
    })

    const byKind = await api.ask<CapacityAnswer>(`/api/v1/capacity?${range}&by=kind`)
    expect(byKind.body).toMatchObject({ by: 'kind', from: iso(BEFORE), to: iso(BEFORE + 3 * HOUR_MS) })
    const [lathes] = byKind.body.groups
    expect(lathes).toMatchObject({
      ...{
        group: 'nc-lathe',
        machines: 2,
        idleNow: 0,
        takingNow: 0,
        idleHours: 0.5,
        utilisation: 0.6667,
        observed: 0.25,
      },
      hours: { RUNNING: 1, IDLE: 0.5, OFFLINE: 4.5 },
    })
    const byArea = await api.ask<CapacityAnswer>(`/api/v1/capacity?${range}&by=area`)
    expect(byArea.body.groups.map(({ group, machines }) => [group, machines])).toEqual([
      ['大森', 2],
      ['羽田', 2],
    ])

    // Nobody has spoken since the start; the store knows when somebody last did.
    await eventually(async () => {
      const [lathe] = (await api.ask<MachinesAnswer>('/api/v1/machines')).body.machines
      expect(lathe).toMatchObject({
        state: 'OFFLINE',
        since: iso(BEFORE + 2 * HOUR_MS),
        asOf: iso(BEFORE + 2 * HOUR_MS),
      })
      const day = Date.now() - (HOUR - 24 * HOUR_MS)
      expect(lathe?.observed).toBeCloseTo((1.5 * HOUR_MS) / day, 3)
    })
  })

  it('goes over into the present where the live status takes on', async () => {
    const dir = await temporaryDir()
    const store = await openStore(join(dir, 'store.sqlite'))
    await write(store, state(LATHE, HOUR - HOUR_MS, HOUR - 600_000, 'RUNNING'))
    const { port } = await startBroker()
    const { url } = await start({ brokerPort: port, dir })
    const api = await readApi(url)
    const agent = await connectAgent(port, 'tanaka', 'pi')
    await agent.say(statusOnline({ 'lathe-1': ['IDLE', HOUR - 300_000] }))
    await eventually(async () => {
      const { body } = await api.ask<TimelineAnswer>('/api/v1/machines/tanaka/lathe-1/timeline')
      expect(body.intervals.slice(-3)).toMatchObject([
        { state: 'RUNNING', provisional: false },
        { state: 'OFFLINE', provisional: false },
        { state: 'IDLE', provisional: true, to: body.to },
      ])
    })
  })

  it('is refused while there is no store, and the present goes on; a store that is made later is found', async () => {
    const dir = await temporaryDir()
    const { url } = await start({ brokerPort: 1, dir })
    const api = await readApi(url)
    for (const path of ['/api/v1/capacity', '/api/v1/machines/tanaka/lathe-1/timeline']) {
      const { status, body } = await api.ask<ErrorAnswer>(path)
      expect([status, body.error.code]).toEqual([503, 'COORDINATOR_STORE_UNAVAILABLE'])
    }
    expect((await api.ask<MachinesAnswer>('/api/v1/machines')).body.machines).toHaveLength(4)
    expect((await fetch(`${url}/readyz`)).status).toBe(503)
    await openStore(join(dir, 'store.sqlite'))
    await eventually(async () => expect((await api.ask('/api/v1/capacity')).status).toBe(200))
  })

  it('is asked day by day and remembered: the same hours again within a minute, and old days within an hour, cost nothing', async () => {
    const dir = await temporaryDir()
    const file = join(dir, 'store.sqlite')
    const store = await openStore(file)
    const from = HOUR - 10 * 24 * HOUR_MS
    await write(store, hourOf(LATHE, from, { IDLE: 1 }), hourOf(LATHE, HOUR - HOUR_MS, { IDLE: 1 }))
    let now = HOUR
    const history = openHistory({
      open: () => openEmbeddedReader({ file }),
      ...{ onOpen: () => {}, onObserved: () => {}, now: () => now, log: silent },
    })
    later(() => history.stop())
    await eventually(() => expect(history.available).toBe(true))
    const idle = async () => (await history.spent({ from, to: HOUR })).get('tanaka/lathe-1')?.IDLE
    expect(await idle()).toBe(2 * HOUR_MS)
    await write(store, hourOf(LATHE, from, { IDLE: 0.5 }), hourOf(LATHE, HOUR - HOUR_MS, { IDLE: 0.5 }))
    now += 59_000
    expect(await idle()).toBe(2 * HOUR_MS)
    now += 1_000
    expect(await idle()).toBe(1.5 * HOUR_MS)
    now += HOUR_MS
    expect(await idle()).toBe(HOUR_MS)
  })

  it('is not asked by more than may wait at once', async () => {
    const dir = await temporaryDir()
    const file = join(dir, 'store.sqlite')
    await openStore(file)
    const history = openHistory({
      open: () => openEmbeddedReader({ file }),
      ...{ onOpen: () => {}, onObserved: () => {}, now: Date.now, log: silent },
    })
    later(() => history.stop())
    await eventually(() => expect(history.available).toBe(true))
    const asked = Array.from({ length: 20 }, (_, i) => history.spent({ from: i * HOUR_MS, to: (i + 1) * HOUR_MS }))
    const results = await Promise.allSettled(asked)
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(16)
    for (const result of results.slice(16)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'COORDINATOR_OVERLOADED' } })
    }
    expect(await history.spent({ from: 0, to: HOUR_MS })).toEqual(new Map())
  })

  it('forgets what it knew of a store that was replaced by another', async () => {
    const dir = await temporaryDir()
    const file = join(dir, 'store.sqlite')
    const first = await openEmbeddedStore({ file })
    const longAgo = HOUR - 10 * 24 * HOUR_MS
    await write(first, state(LATHE, BEFORE, BEFORE + 1_000, 'IDLE'), hourOf(LATHE, longAgo, { IDLE: 1 }))
    const opened: number[] = []
    let passedMs = 0
    const history = openHistory({
      open: () => openEmbeddedReader({ file }),
      onOpen: states => opened.push(states.length),
      // A minute passes from one renewal to the next.
      onObserved: () => {
        passedMs += 60_000
      },
      ...{ now: () => Date.now() + passedMs, log: silent, renewMs: 50 },
    })
    later(() => history.stop())
    await eventually(() => expect(opened).toEqual([1]))
    const spent = () => history.spent({ from: longAgo, to: longAgo + HOUR_MS })
    expect((await spent()).get('tanaka/lathe-1')?.IDLE).toBe(HOUR_MS)
    await first.close()
    const other = join(dir, 'other.sqlite')
    await (await openEmbeddedStore({ file: other })).close()
    for (const suffix of ['-wal', '-shm']) await rm(file + suffix, { force: true })
    await rename(other, file)
    await eventually(() => expect(opened).toEqual([1, 0]))
    expect(await spent()).toEqual(new Map())
  })
})
