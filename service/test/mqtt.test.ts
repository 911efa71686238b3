import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Aedes } from 'aedes'
import { generate, parser } from 'mqtt-packet'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createLog, type MqttLink, type MqttLinkOptions, openMqttLink } from '../src/index.ts'

const cleanUp: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step()
})

const startBroker = async (
  port = 0,
): Promise<{ broker: Aedes; server: Server; sockets: Set<Socket>; port: number }> => {
  const broker = await Aedes.createBroker()
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    broker.handle(socket)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  cleanUp.push(() => stopBroker({ broker, server, sockets }))
  return { broker, server, sockets, port: (server.address() as AddressInfo).port }
}

const stopBroker = async ({ broker, server, sockets }: { broker: Aedes; server: Server; sockets: Set<Socket> }) => {
  for (const socket of sockets) socket.destroy()
  server.close()
  await new Promise<void>(resolve => broker.close(resolve))
}

const open = (port: number, more: Partial<MqttLinkOptions> = {}): MqttLink => {
  const link = openMqttLink({
    url: `mqtt://127.0.0.1:${port}`,
    clientId: 'agent:a:b',
    username: 'agent:a:b',
    password: 'secret',
    keepAliveS: 15,
    subscriptions: ['x/#'],
    onUp: () => {},
    onDown: () => {},
    onMessage: () => {},
    // Back-off without waiting.
    random: () => 0.01,
    log: createLog('test', 'silent'),
    ...more,
  })
  cleanUp.push(() => link.stop())
  return link
}

describe('a link to the broker', () => {
  it('is up only when its subscriptions stand, and hears what is published', async () => {
    const { broker, port } = await startBroker()
    const heard: string[] = []
    const link = open(port, {
      onUp: () => {
        broker.publish({ cmd: 'publish', topic: 'x/1', payload: 'hello', qos: 0, retain: false, dup: false }, () => {})
      },
      onMessage: (topic, payload) => heard.push(`${topic} ${payload}`),
    })
    await vi.waitFor(() => expect(heard).toEqual(['x/1 hello']))
    expect(link.connected).toBe(true)
  })

  it('comes back by itself, subscribed and with a new will, after the broker was killed and replaced', async () => {
    const first = await startBroker()
    const wills: string[] = []
    let connection = 0
    const ups = vi.fn()
    const downs = vi.fn()
    open(first.port, {
      will: () => ({ topic: 'x/status', payload: `gone ${++connection}`, qos: 1, retain: true }),
      onUp: ups,
      onDown: downs,
    })
    await vi.waitFor(() => expect(ups).toHaveBeenCalledTimes(1))
    await stopBroker(first)
    await vi.waitFor(() => expect(downs).toHaveBeenCalledTimes(1))

    const second = await startBroker(first.port)
    second.broker.on('publish', packet => {
      if (packet.topic === 'x/status') wills.push(packet.payload.toString())
    })
    await vi.waitFor(() => expect(ups).toHaveBeenCalledTimes(2), 5_000)
    for (const socket of second.sockets) socket.destroy()
    // The will of the connection that ended, not that of the first one.
    await vi.waitFor(() => expect(wills).toHaveLength(1))
    expect(Number(wills[0]?.split(' ')[1])).toBeGreaterThan(1)
  })

  it('tells that it is up before it tells what came, also when the broker delivers before it confirms', async () => {
    const server = createServer(socket => {
      const packets = parser()
      socket.on('data', data => packets.parse(data))
      packets.on('packet', packet => {
        if (packet.cmd === 'connect') socket.write(generate({ cmd: 'connack', returnCode: 0, sessionPresent: false }))
        if (packet.cmd !== 'subscribe') return
        const kept = { topic: 'x/1', payload: 'kept', qos: 0, retain: true, dup: false } as const
        socket.write(generate({ cmd: 'publish', ...kept }))
        socket.write(generate({ cmd: 'suback', messageId: packet.messageId as number, granted: [1] }))
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    cleanUp.push(async () => server.close())
    const told: string[] = []
    open((server.address() as AddressInfo).port, {
      onUp: () => told.push('up'),
      onMessage: (_topic, payload) => told.push(payload),
    })
    await vi.waitFor(() => expect(told).toEqual(['up', 'kept']))
  })

  it('comes back later each time that it is thrown out at once, and at once after a connection that lasted', async () => {
    const { sockets, port } = await startBroker()
    let downAt = 0
    const waits: number[] = []
    const ups = vi.fn(() => {
      if (downAt > 0) waits.push(performance.now() - downAt)
    })
    open(port, {
      onUp: ups,
      onDown: () => {
        downAt = performance.now()
      },
      // Of the ceilings 500, 1000, 2000 and 4000 ms.
      random: () => 0.2,
    })
    const throwOut = async (times: number): Promise<void> => {
      await vi.waitFor(() => expect(ups).toHaveBeenCalledTimes(times), 5_000)
      for (const socket of sockets) socket.destroy()
    }
    for (const times of [1, 2, 3, 4]) await throwOut(times)
    await vi.waitFor(() => expect(ups).toHaveBeenCalledTimes(5), 5_000)
    for (const [i, waitMs] of [100, 200, 400, 800].entries()) expect(waits[i]).toBeGreaterThanOrEqual(waitMs - 5)
    const { now } = performance
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 10_000)
    try {
      await throwOut(5)
      await vi.waitFor(() => expect(ups).toHaveBeenCalledTimes(6), 5_000)
      expect(waits[4]).toBeLessThan(800)
    } finally {
      clock.mockRestore()
    }
  })

  it('queues nothing while it is down: says so instead', async () => {
    const { port, ...broker } = await startBroker()
    await stopBroker({ ...broker })
    const link = open(port)
    expect(link.publish({ topic: 'x/1', payload: 'lost', qos: 0, retain: false })).toBe(false)
  })

  it('gives its last word before it goes, and stays down', async () => {
    const { broker, port } = await startBroker()
    const last: string[] = []
    broker.on('publish', packet => last.push(packet.payload.toString()))
    const ups = vi.fn()
    const link = open(port, { onUp: ups })
    await vi.waitFor(() => expect(ups).toHaveBeenCalledTimes(1))
    await link.stop({ topic: 'x/status', payload: 'goodbye', qos: 1, retain: true })
    expect(last).toContain('goodbye')
    expect(link.connected).toBe(false)
    await link.stop()
    expect(ups).toHaveBeenCalledTimes(1)
  })
})
