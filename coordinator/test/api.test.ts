import { describe, expect, it } from 'vitest'
import type { ErrorAnswer, MachinesAnswer, MachineView, ShopTakingView } from '../src/index.ts'
import { connectAgent, connectIngest, eventually, start, startBroker, statusOnline, temporaryDir } from './helpers.ts'
import { type Api, readApi } from './openapi.ts'

const STORE = '0123456789abcdef'

const machinesOf = async (api: Api): Promise<MachineView[]> =>
  (await api.ask<MachinesAnswer>('/api/v1/machines')).body.machines

const find = (machines: readonly MachineView[], shop: string, machine: string): MachineView | undefined =>
  machines.find(view => view.shop === shop && view.machine === machine)

describe('GET /api/v1/machines', () => {
  it('has every registered machine in the order of the register, OFFLINE while nobody ever spoke of it', async () => {
    const { port } = await startBroker()
    const { url } = await start({ brokerPort: port })
    const api = await readApi(url)
    const { status, body } = await api.ask<MachinesAnswer>('/api/v1/machines')
    expect(status).toBe(200)
    expect(
      body.machines.map(({ shop, machine, kind, area, state, since, asOf, taking, observed }) => ({
        ...{ shop, machine, kind, area, state, since, asOf, taking, observed },
      })),
    ).toEqual(
      [
        ['tanaka', 'lathe-1', 'nc-lathe', '大森'],
        ['tanaka', 'constructor', 'vertical-mc', '大森'],
        ['sato', 'lathe-1', 'nc-lathe', '羽田'],
        ['sato', 'mill-1', 'milling-machine', '羽田'],
      ].map(([shop, machine, kind, area]) => ({
        ...{ shop, machine, kind, area, state: 'OFFLINE', since: null, asOf: null, taking: null, observed: null },
      })),
    )
  })

  it('shows what an agent says, and what it said before we came, with times in RFC 3339 UTC', async () => {
    const { port } = await startBroker()
    const early = await connectAgent(port, 'sato', 'pi-1')
    const at = Date.now() - 20_000
    await early.say(
      statusOnline({ 'lathe-1': ['ALARM', at - 5_000] }, { at, taking: { value: false, until: null, rev: 3 } }),
    )
    const { url } = await start({ brokerPort: port })
    const api = await readApi(url)
    await eventually(async () => {
      expect(find(await machinesOf(api), 'sato', 'lathe-1')).toMatchObject({
        state: 'ALARM',
        since: new Date(at - 5_000).toISOString(),
        asOf: new Date(at).toISOString(),
        taking: false,
        free: false,
      })
    })
    const agent = await connectAgent(port, 'tanaka', 'pi')
    await agent.say(statusOnline({ 'lathe-1': ['RUNNING', at], constructor: ['IDLE', at] as const }))
    await eventually(async () => {
      const machines = await machinesOf(api)
      expect(find(machines, 'tanaka', 'lathe-1')).toMatchObject({ state: 'RUNNING', free: false, taking: true })
      expect(find(machines, 'tanaka', 'constructor')).toMatchObject({ state: 'IDLE', free: true, taking: true })
    })
    const { now, feed } = (await api.ask<MachinesAnswer>('/api/v1/machines')).body
    for (const time of [now, feed.since, feed.ingest.since]) expect(time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  })

  it('does not believe a status that lay in the broker for more than 90 s', async () => {
    const { port } = await startBroker()
    const agent = await connectAgent(port, 'tanaka', 'pi')
    const at = Date.now() - 95_000
    await agent.say(statusOnline({ 'lathe-1': ['IDLE', at] }, { at }))
    const { url } = await start({ brokerPort: port })
    const api = await readApi(url)
    await eventually(async () => {
      expect(find(await machinesOf(api), 'tanaka', 'lathe-1')).toMatchObject({
        state: 'OFFLINE',
        since: new Date(at).toISOString(),
      })
    })
    await agent.say(statusOnline({ 'lathe-1': ['IDLE', at] }))
    await eventually(async () => expect(find(await machinesOf(api), 'tanaka', 'lathe-1')?.state).toBe('IDLE'))
  })

  it('shows OFFLINE 30 s after the connection of an agent broke, and not before', async () => {
    const { port } = await startBroker()
    const { url, advance } = await start({ brokerPort: port })
    const api = await readApi(url)
    const state = async () => find(await machinesOf(api), 'tanaka', 'lathe-1')?.state
    const agent = await connectAgent(port, 'tanaka', 'pi')
    const other = await connectAgent(port, 'sato', 'pi-1')
    await agent.say(statusOnline({ 'lathe-1': ['IDLE', 1_000] }))
    await eventually(async () => expect(await state()).toBe('IDLE'))
    const heard = () => metric(url, 'nakama_coordinator_statuses_total')
    const before = await heard()
    agent.client.stream.destroy()
    await eventually(async () => expect(await heard()).toBe(before + 1))
    // Listened time counts in steps of at most 10 s; each message of the other agent is one.
    const passListening = async (ms: number): Promise<void> => {
      const count = await heard()
      advance(ms)
      await other.say(statusOnline({}))
      await eventually(async () => expect(await heard()).toBe(count + 1))
    }
    for (let i = 0; i < 3; i++) await passListening(9_000)
    expect(await state()).toBe('IDLE')
    await passListening(3_000)
    await eventually(async () => expect(await state()).toBe('OFFLINE'))
  })

  it('filters by kind, area and state', async () => {
    const { port } = await startBroker()
    const { url } = await start({ brokerPort: port })
    const api = await readApi(url)
    const names = async (query: string): Promise<string[]> =>
      (await api.ask<MachinesAnswer>(`/api/v1/machines${query}`)).body.machines.map(m => `${m.shop}/${m.machine}`)
    expect(await names('?kind=nc-lathe')).toEqual(['tanaka/lathe-1', 'sato/lathe-1'])
    expect(await names(`?kind=nc-lathe&area=${encodeURIComponent('羽田')}`)).toEqual(['sato/lathe-1'])
    expect(await names('?state=OFFLINE')).toHaveLength(4)
    expect(await names('?state=IDLE')).toEqual([])
  })
})

describe('reception', () => {
  it('says that it stopped when the broker is away, keeps the last view, and takes up again with the next broker', async () => {
    const first = await startBroker()
    const { url } = await start({ brokerPort: first.port })
    const api = await readApi(url)
    const answer = async () => (await api.ask<MachinesAnswer>('/api/v1/machines')).body
    const agent = await connectAgent(first.port, 'tanaka', 'pi')
    await agent.say(statusOnline({ 'lathe-1': ['IDLE', 1_000] }))
    await eventually(async () => expect((await answer()).machines[0]?.state).toBe('IDLE'))
    expect((await answer()).feed.connected).toBe(true)

    await first.stop()
    await eventually(async () => expect((await answer()).feed.connected).toBe(false))
    expect((await answer()).machines[0]).toMatchObject({ state: 'IDLE', since: new Date(1_000).toISOString() })

    const second = await startBroker(first.port)
    await eventually(async () => expect((await answer()).feed.connected).toBe(true))
    const back = await connectAgent(second.port, 'tanaka', 'pi', 'conn-2')
    await back.say(statusOnline({ 'lathe-1': ['RUNNING', 2_000] }))
    await eventually(async () => expect((await answer()).machines[0]?.state).toBe('RUNNING'))
  })

  it('says whether ingest is there', async () => {
    const { port } = await startBroker()
    const { url } = await start({ brokerPort: port })
    const api = await readApi(url)
    const ingestNow = async () => (await api.ask<MachinesAnswer>('/api/v1/machines')).body.feed.ingest.connected
    expect(await ingestNow()).toBe(false)
    const ingest = await connectIngest(port, STORE)
    await ingest.say(true)
    await eventually(async () => expect(await ingestNow()).toBe(true))
  })

  it('goes on when an agent sends rubbish, and counts it', async () => {
    const { port } = await startBroker()
    const { url } = await start({ brokerPort: port })
    const api = await readApi(url)
    const agent = await connectAgent(port, 'tanaka', 'pi')
    for (const text of ['{', '[]', '{"v":1,"online":true}', 'null', '{"v":2,"online":false,"conn":"x","at":1}']) {
      await agent.sayText(text)
    }
    await agent.say(statusOnline({ 'lathe-1': ['SETUP', 1_000], 'not-registered': ['IDLE', 1_000] }))
    await eventually(async () => expect((await machinesOf(api))[0]?.state).toBe('SETUP'))
    expect(await metric(url, 'nakama_coordinator_statuses_malformed_total')).toBe(5)
    expect(await machinesOf(api)).toHaveLength(4)
  })
})

describe('the switch between 受ける and 休む', () => {
  it('waits for the shop until every agent says that it applied it', async () => {
    const { port } = await startBroker()
    const { url } = await start({ brokerPort: port })
    const api = await readApi(url)
    const agents = [await connectAgent(port, 'sato', 'pi-1'), await connectAgent(port, 'sato', 'pi-2')]
    for (const agent of agents) await agent.say(statusOnline({}, { taking: { value: true, until: null, rev: 4 } }))
    await eventually(async () => expect(find(await machinesOf(api), 'sato', 'mill-1')?.taking).toBe(true))

    const asked = await api.put<ShopTakingView>('/api/v1/shops/sato/taking', { value: false })
    expect(asked).toMatchObject({
      status: 202,
      body: { shop: 'sato', taking: true, takingRequest: { value: false, until: null, rev: 5, status: 'waiting' } },
    })
    for (const { desired } of agents) {
      await eventually(() => expect(desired.at(-1)?.taking).toEqual({ value: false, until: null, rev: 5 }))
    }
    const shown = async () => {
      const { taking, takingRequest } = find(await machinesOf(api), 'sato', 'mill-1') as MachineView
      return { taking, status: takingRequest?.status ?? null }
    }
    expect(await shown()).toEqual({ taking: true, status: 'waiting' })
    await agents[0]?.say(statusOnline({}, { taking: { value: false, until: null, rev: 5 } }))
    await eventually(async () => expect(await shown()).toEqual({ taking: false, status: 'waiting' }))
    await agents[1]?.say(statusOnline({}, { taking: { value: false, until: null, rev: 5 } }))
    await eventually(async () => expect(await shown()).toEqual({ taking: false, status: null }))
  })

  it('says why the shop refused', async () => {
    const { port } = await startBroker()
    const { url } = await start({ brokerPort: port })
    const api = await readApi(url)
    const agent = await connectAgent(port, 'tanaka', 'pi')
    await agent.say(statusOnline({}, { taking: { value: true, until: null, rev: 0 } }))
    await eventually(async () => expect((await machinesOf(api))[0]?.taking).toBe(true))
    await api.put('/api/v1/shops/tanaka/taking', { value: false })
    await agent.say(
      statusOnline({}, { taking: { value: true, until: null, rev: 0, refused: { rev: 1, why: 'disk full' } } }),
    )
    await eventually(async () =>
      expect((await machinesOf(api))[0]).toMatchObject({
        taking: true,
        takingRequest: { value: false, status: 'refused', why: 'disk full' },
      }),
    )
  })

  it('keeps what was asked over its own restart and tells a broker that forgot', async () => {
    const first = await startBroker()
    const dir = await temporaryDir()
    const before = await start({ brokerPort: first.port, dir })
    const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 86_400_000).toISOString()
    await (await readApi(before.url)).put('/api/v1/shops/tanaka/taking', { value: false, until })
    await before.stop()
    await first.stop()

    const second = await startBroker()
    const after = await start({ brokerPort: second.port, dir })
    const agent = await connectAgent(second.port, 'tanaka', 'pi')
    await eventually(() => expect(agent.desired[0]?.taking).toEqual({ value: false, until: Date.parse(until), rev: 1 }))
    const api = await readApi(after.url)
    expect((await machinesOf(api))[0]?.takingRequest).toMatchObject({ value: false, until, status: 'waiting' })
    expect(
      (await api.put<ShopTakingView>('/api/v1/shops/tanaka/taking', { value: true })).body.takingRequest?.rev,
    ).toBe(2)
  })
})

const BAD_QUERIES = [
  ['/api/v1/machines?kind=spaceship', 400, 'COORDINATOR_QUERY_INVALID', 'kind'],
  ['/api/v1/machines?state=BUSY', 400, 'COORDINATOR_QUERY_INVALID', 'state'],
  ['/api/v1/machines?area=Atlantis', 400, 'COORDINATOR_QUERY_INVALID', 'area'],
  ['/api/v1/machines?kinds=nc-lathe', 400, 'COORDINATOR_QUERY_INVALID', 'kinds'],
  ['/api/v1/machines?kind=nc-lathe&kind=laser', 400, 'COORDINATOR_QUERY_INVALID', 'kind'],
  ['/api/v1/capacity?by=shop', 400, 'COORDINATOR_QUERY_INVALID', 'by'],
  ['/api/v1/capacity?from=yesterday', 400, 'COORDINATOR_QUERY_INVALID', 'from'],
  ['/api/v1/capacity?from=2026-11-01T00:00:00', 400, 'COORDINATOR_QUERY_INVALID', 'from'],
  ['/api/v1/capacity?from=2026-11-01T00:00:00+09:00', 400, 'COORDINATOR_QUERY_INVALID', 'from'],
  ['/api/v1/capacity?to=2026-02-31T00:00:00Z', 400, 'COORDINATOR_QUERY_INVALID', 'to'],
  ['/api/v1/capacity?from=2026-01-01T00:00:00Z&to=2026-02-02T00:00:00Z', 400, 'COORDINATOR_QUERY_INVALID', 'from'],
  ['/api/v1/capacity?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 400, 'COORDINATOR_QUERY_INVALID', 'from'],
  ['/api/v1/capacity?from=2999-01-01T00:00:00Z&to=2999-01-02T00:00:00Z', 400, 'COORDINATOR_QUERY_INVALID', 'from'],
  [`/api/v1/capacity?from=${'9'.repeat(50)}`, 400, 'COORDINATOR_QUERY_INVALID', 'from'],
  ['/api/v1/machines/TANAKA/lathe-1/timeline', 400, 'COORDINATOR_PATH_INVALID', 'shop'],
  ['/api/v1/machines/tanaka/lathe-9/timeline', 404, 'COORDINATOR_MACHINE_UNKNOWN', 'machine'],
  ['/api/v1/machines/nobody/lathe-1/timeline', 404, 'COORDINATOR_SHOP_UNKNOWN', 'shop'],
  ['/api/v1/machines/constructor/__proto__/timeline', 400, 'COORDINATOR_PATH_INVALID', 'machine'],
] as const

const BAD_BODIES = [
  [{ value: 'yes' }, 'value'],
  [{}, 'value'],
  [{ value: false, until: '2020-01-01T00:00:00Z' }, 'until'],
  [{ value: false, until: 'tomorrow' }, 'until'],
  [{ value: false, until: 12 }, 'until'],
  [{ value: false, rev: 12 }, 'rev'],
  [null, '(root)'],
] as const

describe('a bad request', () => {
  it('is refused with one error that names the place in the path or query', async () => {
    const { url } = await start({ brokerPort: 1 })
    const api = await readApi(url)
    for (const [path, status, code, place] of BAD_QUERIES) {
      const { body, ...answer } = await api.ask<ErrorAnswer>(path)
      expect([path, answer.status, body.error.code, body.error.path]).toEqual([path, status, code, place])
      expect(body.error.message).toBe(`${place}: expected ${body.error.expected}, got ${body.error.got}`)
    }
    expect((await api.ask('/api/v1/machines')).status).toBe(200)
  })

  it('is refused with one error that names the place in the body', async () => {
    const { url } = await start({ brokerPort: 1 })
    const api = await readApi(url)
    for (const [sent, place] of BAD_BODIES) {
      const { status, body } = await api.put<ErrorAnswer>('/api/v1/shops/tanaka/taking', sent)
      expect([sent, status, body.error.code, body.error.path]).toEqual([sent, 400, 'COORDINATOR_BODY_INVALID', place])
    }
  })

  it('for something that is not there gets an error too, and so does a body that is no JSON, or too long', async () => {
    const { url } = await start({ brokerPort: 1 })
    const codeOf = async (path: string, init?: RequestInit): Promise<[number, string]> => {
      const response = await fetch(url + path, init)
      return [response.status, ((await response.json()) as ErrorAnswer).error.code]
    }
    const json = { 'content-type': 'application/json' }
    const taking = '/api/v1/shops/tanaka/taking'
    expect(await codeOf('/api/v1/nothing')).toEqual([404, 'COORDINATOR_ROUTE_UNKNOWN'])
    expect(await codeOf('/api/v1/machines', { method: 'DELETE' })).toEqual([404, 'COORDINATOR_ROUTE_UNKNOWN'])
    expect(await codeOf('/%')).toEqual([400, 'COORDINATOR_REQUEST_INVALID'])
    expect(
      await codeOf('/api/v1/shops/nobody/taking', { method: 'PUT', headers: json, body: '{"value":true}' }),
    ).toEqual([404, 'COORDINATOR_SHOP_UNKNOWN'])
    expect(await codeOf(taking, { method: 'PUT', headers: json, body: '{' })).toEqual([400, 'COORDINATOR_BODY_INVALID'])
    expect(await codeOf(taking, { method: 'PUT', headers: json, body: `"${'x'.repeat(20_000)}"` })).toEqual([
      413,
      'COORDINATOR_BODY_TOO_LARGE',
    ])
    expect(await codeOf(taking, { method: 'PUT', body: '{"value":true}' })).toEqual([415, 'COORDINATOR_NOT_JSON'])
  })
})

const metric = async (url: string, name: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(new RegExp(`^${name}(?:{[^}]*})? (\\S+)$`, 'm').exec(text)?.[1] ?? 0)
}
