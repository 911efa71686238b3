import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { ErrorAnswer, MachinesAnswer, MachineView, Register } from '../src/index.ts'
import { connectAgent, eventually, later, start, startBroker, statusOnline } from './helpers.ts'
import { readApi } from './openapi.ts'
import { openStream } from './sse.ts'

describe('the stream of events', () => {
  it('begins with everything and then tells what looks different, each as the API describes it', async () => {
    const { port } = await startBroker()
    const { url } = await start({ brokerPort: port })
    const api = await readApi(url)
    const agent = await connectAgent(port, 'tanaka', 'pi')
    await agent.say(statusOnline({ 'lathe-1': ['IDLE', 1_000], constructor: ['OFF', 1_000] as const }))
    const machine = async () => (await api.ask<MachinesAnswer>('/api/v1/machines')).body.machines[0]
    await eventually(async () => expect((await machine())?.state).toBe('IDLE'))

    const stream = await openStream(url)
    expect(stream.status).toBe(200)
    expect(stream.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    await eventually(() => expect(stream.events).toHaveLength(1))
    expect(stream.events[0]).toMatchObject({ event: 'snapshot', data: { feed: { connected: true } } })
    expect((stream.events[0]?.data as MachinesAnswer | undefined)?.machines).toHaveLength(4)

    // Heard again, but nothing looks different; then one of two machines changes.
    await agent.say(statusOnline({ 'lathe-1': ['IDLE', 1_000], constructor: ['OFF', 1_000] as const }))
    await agent.say(statusOnline({ 'lathe-1': ['RUNNING', 2_000], constructor: ['OFF', 1_000] as const }))
    await eventually(() => expect(stream.events).toHaveLength(2))
    const change = stream.events[1]?.data as { machines: MachineView[] } | undefined
    expect(change?.machines.map(({ machine, state }) => ({ machine, state }))).toEqual([
      { machine: 'lathe-1', state: 'RUNNING' },
    ])
    await api.put('/api/v1/shops/tanaka/taking', { value: false })
    await eventually(() => expect(stream.events).toHaveLength(3))
    expect((stream.events[2]?.data as { machines: MachineView[] } | undefined)?.machines).toMatchObject([
      { machine: 'lathe-1', takingRequest: { status: 'waiting' } },
      { machine: 'constructor', takingRequest: { status: 'waiting' } },
    ])
    for (const { event, data } of stream.events) api.checkEvent(event, data)
  })

  it('tells when our own reception is lost and when it is back, and gives a returning board the whole picture', async () => {
    const broker = await startBroker()
    const { url } = await start({ brokerPort: broker.port })
    const api = await readApi(url)
    const stream = await openStream(url)
    await eventually(() => expect(stream.events.at(-1)?.data).toMatchObject({ feed: { connected: true } }))
    await broker.stop()
    await eventually(() =>
      expect(stream.events.at(-1)).toMatchObject({ event: 'feed', data: { feed: { connected: false } } }),
    )
    stream.close()
    const again = await openStream(url)
    await eventually(() =>
      expect(again.events[0]).toMatchObject({ event: 'snapshot', data: { feed: { connected: false } } }),
    )
    await startBroker(broker.port)
    await eventually(() =>
      expect(again.events.at(-1)).toMatchObject({ event: 'feed', data: { feed: { connected: true } } }),
    )
    for (const { event, data } of [...stream.events, ...again.events]) api.checkEvent(event, data)
  })

  it('ends when the service stops, which does not wait for boards', async () => {
    const { port } = await startBroker()
    const { url, stop } = await start({ brokerPort: port })
    const stream = await openStream(url)
    await eventually(() => expect(stream.events).not.toHaveLength(0))
    const before = performance.now()
    await stop()
    expect(performance.now() - before).toBeLessThan(2_000)
    await eventually(() => expect(stream.ended()).toBe(true))
  })

  it('takes no more boards than it may, and another once one has gone', async () => {
    const { port } = await startBroker()
    const { url } = await start({ brokerPort: port, http: { viewersMax: 2 } })
    const [first] = [await openStream(url), await openStream(url)]
    const refused = await fetch(`${url}/api/v1/events`)
    expect(refused.status).toBe(503)
    expect(((await refused.json()) as ErrorAnswer).error.code).toBe('COORDINATOR_VIEWERS_TOO_MANY')
    expect((await fetch(`${url}/api/v1/events`, { method: 'HEAD' })).status).toBe(404)
    first?.close()
    await eventually(async () => expect((await openStream(url)).status).toBe(200))
  })

  it('drops a board that does not read, while the others hear everything', async () => {
    const register: Register = [
      {
        id: 'big',
        name: '大工場',
        town: '大森',
        area: '大森',
        agents: ['pi'],
        machines: Array.from({ length: 60 }, (_, i) => ({ id: `m-${i}`, kind: 'other', name: `機械 ${i}` })),
      },
    ]
    const { port } = await startBroker()
    const { url } = await start({ brokerPort: port, register })
    const agent = await connectAgent(port, 'big', 'pi')
    const good = await openStream(url)
    await eventually(() => expect(good.events).not.toHaveLength(0))

    const { hostname, port: httpPort } = new URL(url)
    const deaf = connect(Number(httpPort), hostname)
    later(async () => deaf.destroy())
    await once(deaf, 'connect')
    deaf.write(`GET /api/v1/events HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`)
    deaf.pause()
    const viewers = async () => ((await (await fetch(`${url}/healthz`)).json()) as { viewers: number }).viewers
    await eventually(async () => expect(await viewers()).toBe(2))

    let told = 0
    const tellMore = async (): Promise<void> => {
      const since = 1_000 + told++
      const machines = register[0]?.machines.map(({ id }) => [id, ['IDLE', since] as const] as const) ?? []
      await agent.say(statusOnline(Object.fromEntries(machines)))
    }
    // Each change is some 30 kB; the system's own buffers take a few megabytes before ours fill.
    while ((await viewers()) === 2 && told < 2_000) for (let i = 0; i < 20; i++) await tellMore()
    expect(await viewers()).toBe(1)
    await eventually(() => expect(good.events.filter(({ event }) => event === 'change')).toHaveLength(told))
    const last = (good.events.at(-1)?.data as { machines: MachineView[] } | undefined)?.machines[0]
    expect(last?.since).toBe(new Date(1_000 + told - 1).toISOString())
  })
})
