import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { generate, type IPublishPacket, parser } from 'mqtt-packet'
import { afterEach, describe, expect, it } from 'vitest'
import { startMqttShuffler } from '../src/mqtt-shuffler.ts'
import { seededRandom } from '../src/random.ts'
import { startTcpProxy } from '../src/tcp-proxy.ts'
import { until } from '../src/until.ts'

let stack = new AsyncDisposableStack()
afterEach(async () => {
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
})

/** Somebody who listens, and a line to it through `open`. */
const wired = async <P extends { readonly port: number; stop(): Promise<void> }>(
  open: (target: { readonly host: string; readonly port: number }) => Promise<P>,
) => {
  const accepted = Promise.withResolvers<Socket>()
  const server = createServer(socket => accepted.resolve(socket.on('error', () => {})))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.defer(() => void server.close())
  const line = await open({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  stack.defer(() => line.stop())
  const client = connect({ host: '127.0.0.1', port: line.port }).on('error', () => {})
  stack.defer(() => void client.destroy())
  const far = await accepted.promise
  stack.defer(() => void far.destroy())
  return { line, client, far }
}

/** A reset is an error first, which is no news here. */
const closing = (socket: Socket): Promise<void> => new Promise(resolve => socket.once('close', () => resolve()))

const heard = (socket: Socket): (() => string) => {
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString()
  })
  return () => text
}

describe('a cable', () => {
  it('that is half open swallows one direction only, and is broken when it is whole again', async () => {
    const { line, client, far } = await wired(startTcpProxy)
    const [atFar, atClient] = [heard(far), heard(client)]
    line.halfOpen('up')
    client.write('lost')
    far.write('kept')
    await until('the other direction passes', () => atClient() === 'kept')
    await until('the dead one swallows', () => line.harm.swallowedBytes === 4)
    const closed = closing(client)
    line.pass()
    await closed
    expect(atFar()).toBe('')
    expect(line.harm.broken).toBe(1)
  })

  it('that is slow loses and disorders nothing, and takes its time', async () => {
    const { line, client, far } = await wired(startTcpProxy)
    const atFar = heard(far)
    const text = Array.from({ length: 500 }, (_, i) => `${i} `).join('')
    line.slow({ bytesPerS: 10_000, delayMs: 50 })
    const begun = performance.now()
    client.write(text)
    await until('everything has arrived', () => atFar().length === text.length)
    expect(performance.now() - begun).toBeGreaterThan(50 + text.length / 10 - 5)
    expect(atFar()).toBe(text)
    expect(line.harm).toMatchObject({ broken: 0, delayedBytes: text.length })
  })

  it('that is cut resets what is connected and refuses the rest', async () => {
    const { line, client } = await wired(startTcpProxy)
    const closed = closing(client)
    line.cut()
    await closed
    const late = connect({ host: '127.0.0.1', port: line.port }).on('error', () => {})
    await closing(late)
    expect(line.harm.broken).toBe(2)
    expect(line.open).toBe(0)
  })
})

describe('a shuffler', () => {
  const message = (topic: string, qos: 0 | 1, payload: string): IPublishPacket => ({
    ...{ cmd: 'publish', topic, qos, payload, dup: false, retain: false },
    ...(qos === 1 ? { messageId: 1 } : {}),
  })
  const received = (socket: Socket): string[] => {
    const payloads: string[] = []
    const packets = parser({ protocolVersion: 4 })
    packets.on('packet', packet => {
      if (packet.cmd === 'publish') payloads.push(packet.payload.toString())
    })
    socket.on('data', chunk => packets.parse(chunk))
    return payloads
  }
  const NAMES = Array.from({ length: 60 }, (_, i) => String(i))

  it('delivers everything, some twice and some late, and only records', async () => {
    const { line, client, far } = await wired(target => startMqttShuffler(target, seededRandom(1)))
    const payloads = received(client)
    line.on()
    for (const name of NAMES) {
      far.write(generate(message('nakama/v1/s/a/records', 0, name)))
      far.write(generate(message('nakama/v1/s/a/status', 1, `status ${name}`)))
    }
    await until('all has arrived', () => new Set(payloads).size === 2 * NAMES.length)
    const statuses = payloads.filter(payload => payload.startsWith('status'))
    const records = payloads.filter(payload => !payload.startsWith('status'))
    expect(statuses).toEqual(NAMES.map(name => `status ${name}`))
    expect(records.length).toBe(NAMES.length + line.duplicated)
    expect(line.duplicated).toBeGreaterThan(0)
    expect(line.reordered).toBeGreaterThan(0)
    expect([...new Set(records)]).not.toEqual(NAMES)
  })

  it('passes everything in order while it is off', async () => {
    const { line, client, far } = await wired(target => startMqttShuffler(target, seededRandom(1)))
    const payloads = received(client)
    for (const name of NAMES) far.write(generate(message('nakama/v1/s/a/records', 0, name)))
    await until('all has arrived', () => payloads.length === NAMES.length)
    expect(payloads).toEqual(NAMES)
    expect(line.duplicated).toBe(0)
  })
})
