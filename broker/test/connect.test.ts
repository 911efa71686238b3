import { scryptSync } from 'node:crypto'
import { connect as dial } from 'node:net'
import mqttPacket from 'mqtt-packet'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  AGENT,
  COORDINATOR,
  connected,
  connectPacket,
  INGEST,
  INGEST_TWO,
  listen,
  OTHER,
  openRaw,
  openRawAs,
  passwordOf,
  settled,
  startTestBroker,
  tidyUp,
  WAIT,
} from './support.ts'

afterEach(tidyUp)

describe('who is let in', () => {
  it('lets a client in by its name, password and client id', async () => {
    const { port, metric, connections } = await startTestBroker()
    const client = await connected(port, AGENT)
    expect(client.connected).toBe(true)
    expect(await metric('connections{role="agent"}')).toBe(1)
    expect(await connections()).toBe(1)
  })

  it.each([
    ['a wrong password', { password: Buffer.from('guess') }, 4],
    ['an empty password', { password: Buffer.from('') }, 4],
    ['a name that nobody has', connectPacket('agent:nobody:pi'), 4],
    ['a name that names nobody', { username: 'root', clientId: 'root' }, 4],
    ['no name at all', { username: undefined, password: undefined }, 4],
    ['a client id that is not the name', { clientId: OTHER }, 2],
    ['a client id of its own making', { clientId: '' }, 2],
    ['MQTT 3.1', { protocolId: 'MQIsdp', protocolVersion: 3 }, 1],
    ['MQTT 5', { protocolVersion: 5 }, 1],
    ['a bridge', { bridgeMode: true }, 1],
    ['no keep-alive', { keepalive: 0 }, 5],
    ['a keep-alive too long', { keepalive: 61 }, 5],
    ['a will on a foreign topic', { will: will('nakama/v1/haneda/pi/status') }, 5],
    ['a will that acknowledges', { will: will('nakama/v1/kamata/pi/ack') }, 5],
    ['a will on a topic that is none', { will: will('#') }, 5],
    ['a will of QoS 2', { will: { ...will('nakama/v1/kamata/pi/status'), qos: 2 } }, 5],
    ['a retained will that may not be retained', { will: will('nakama/v1/kamata/pi/records') }, 5],
  ])('refuses %s, says so and closes', async (_what, more, returnCode) => {
    const { port, metric, connections } = await startTestBroker()
    const raw = await openRaw(port)
    raw.send(connectPacket(AGENT, more))
    // A version 5 client reads another CONNACK; the bytes are those of 3.1.1.
    expect(await raw.next('connack')).toMatchObject({ returnCode })
    await raw.waitClosed()
    expect(raw.packets).toHaveLength(1)
    await vi.waitFor(async () => expect(await metric('dropped_total{reason="refused"}')).toBe(1), WAIT)
    expect(await metric('denied_total{action="connect"}')).toBe(1)
    expect(await connections()).toBe(0)
  })

  it('tells an ordinary client why it is refused', async () => {
    const { port } = await startTestBroker()
    await expect(connected(port, AGENT, { password: 'guess' })).rejects.toThrow(/Bad username or password/)
  })

  it('keeps no session for a client that asks for one', async () => {
    const { port } = await startTestBroker()
    const first = await openRawAs(port, AGENT, { clean: false })
    first.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [
        { topic: 'nakama/v1/kamata/pi/ack', qos: 1 },
        { topic: 'nakama/v1/haneda/pi/ack', qos: 1 },
      ],
    })
    expect(await first.next('suback')).toMatchObject({ granted: [1, 128] })
    first.socket.destroy()

    const ingest = await connected(port, INGEST)
    await ingest.publishAsync('nakama/v1/kamata/pi/ack', 'while away', { qos: 1 })
    await ingest.publishAsync('nakama/v1/haneda/pi/ack', 'while away', { qos: 1 })
    const second = await openRawAs(port, AGENT, { clean: false })
    await ingest.publishAsync('nakama/v1/kamata/pi/ack', 'live', { qos: 1 })
    await ingest.publishAsync('nakama/v1/haneda/pi/ack', 'live', { qos: 1 })
    await settled(second)
    expect(second.packets.map(packet => packet.cmd)).toEqual(['connack', 'pingresp'])
  })

  it('drops a client that says CONNECT twice', async () => {
    const { port } = await startTestBroker()
    const raw = await openRawAs(port, AGENT)
    raw.send(connectPacket(AGENT))
    await raw.waitClosed()
  })

  it('drops a client that falls silent for one and a half times its keep-alive, and publishes its will', async () => {
    const { port, metric } = await startTestBroker()
    const heard = await listen(await connected(port, COORDINATOR), 'nakama/v1/+/+/status')
    const raw = await openRawAs(port, AGENT, { keepalive: 1, will: will('nakama/v1/kamata/pi/status') })
    await raw.waitClosed()
    await vi.waitFor(() => expect(heard).toEqual(['nakama/v1/kamata/pi/status gone']), WAIT)
    expect(await metric('dropped_total{reason="keep-alive"}')).toBe(1)
  })

  it('publishes no will after a goodbye, even if the goodbye and the end come at once', async () => {
    const { port } = await startTestBroker()
    const heard = await listen(await connected(port, COORDINATOR), 'nakama/v1/+/+/status')
    const raw = await openRawAs(port, AGENT, { will: will('nakama/v1/kamata/pi/status') })
    raw.send({ cmd: 'publish', topic: 'nakama/v1/kamata/pi/status', payload: 'last', qos: 0, retain: true, dup: false })
    raw.send({ cmd: 'disconnect' })
    raw.socket.end()
    await raw.waitClosed()
    const again = await openRawAs(port, AGENT, { will: will('nakama/v1/kamata/pi/status') })
    again.socket.destroy()
    await vi.waitFor(() => expect(heard).toHaveLength(2), WAIT)
    expect(heard).toEqual(['nakama/v1/kamata/pi/status last', 'nakama/v1/kamata/pi/status gone'])
  })
})

describe('the same credential twice', () => {
  it('gives an agent its place back from its own half-open connection, the old will first', async () => {
    const { port, metric } = await startTestBroker()
    const heard = await listen(await connected(port, COORDINATOR), 'nakama/v1/+/+/status')
    const old = await openRawAs(port, AGENT, { will: will('nakama/v1/kamata/pi/status') })
    const young = await openRawAs(port, AGENT)
    young.send({
      cmd: 'publish',
      topic: 'nakama/v1/kamata/pi/status',
      payload: 'new',
      qos: 0,
      retain: true,
      dup: false,
    })
    await old.waitClosed()
    await vi.waitFor(() => expect(heard).toHaveLength(2), WAIT)
    expect(heard).toEqual(['nakama/v1/kamata/pi/status gone', 'nakama/v1/kamata/pi/status new'])
    expect(await metric('dropped_total{reason="taken-over"}')).toBe(1)
    expect(await metric('connections{role="agent"}')).toBe(1)
    // And who comes later hears the new word, not the will.
    const later = await listen(await connected(port, INGEST), 'nakama/v1/kamata/pi/status')
    await vi.waitFor(() => expect(later).toEqual(['nakama/v1/kamata/pi/status new!']), WAIT)
  })

  it('leaves one of many that come at once with one credential, and it works', async () => {
    const { port, metric, connections } = await startTestBroker()
    const raws = await Promise.all(Array.from({ length: 12 }, () => openRaw(port)))
    for (const raw of raws) raw.send(connectPacket(AGENT))
    await vi.waitFor(() => expect(raws.filter(raw => !raw.closed)).toHaveLength(1), WAIT)
    const last = raws.find(raw => !raw.closed) as (typeof raws)[number]
    expect(await last.next('connack')).toMatchObject({ returnCode: 0 })
    await settled(last)
    expect(await metric('connections{role="agent"}')).toBe(1)
    expect(await connections()).toBe(1)
    last.socket.destroy()
    await vi.waitFor(async () => expect(await metric('connections{role="agent"}')).toBe(0), WAIT)
  })

  it.each([
    ['the same credential', INGEST],
    ['another credential', INGEST_TWO],
  ])('refuses a second ingest with %s while the first is alive, and lets it in afterwards', async (_what, second) => {
    const { port, metric } = await startTestBroker()
    const first = await connected(port, INGEST)
    await expect(connected(port, second)).rejects.toThrow(/Server unavailable/)
    expect(first.connected).toBe(true)
    expect(await metric('connections{role="ingest"}')).toBe(1)

    first.stream.destroy()
    const next = await vi.waitFor(() => connected(port, second), WAIT)
    const heard = await listen(next, 'nakama/v1/+/+/records')
    await (await connected(port, AGENT)).publishAsync('nakama/v1/kamata/pi/records', 'hello')
    await vi.waitFor(() => expect(heard).toEqual(['nakama/v1/kamata/pi/records hello']), WAIT)
    expect(await metric('connections{role="ingest"}')).toBe(1)
  })

  it('lets the next ingest in once the first, half-open, has missed its keep-alive', async () => {
    const { port } = await startTestBroker()
    await openRawAs(port, INGEST, { keepalive: 1 })
    await expect(connected(port, INGEST)).rejects.toThrow(/Server unavailable/)
    await vi.waitFor(() => connected(port, INGEST), { timeout: 5_000, interval: 100 })
  })

  it('gives no place to one who was dropped while its password was being looked at', async () => {
    const { port, metric, connections } = await startTestBroker(
      { connectTimeoutMs: 50 },
      { credentials: [{ username: INGEST, password: { scrypt: slowHash(passwordOf(INGEST)) } }] },
    )
    const early = await openRaw(port)
    early.send(connectPacket(INGEST))
    await early.waitClosed()
    expect(await metric('dropped_total{reason="connect-timeout"}')).toBe(1)
    // By now the broker knows the password, and is quick.
    await vi.waitFor(() => connected(port, INGEST), WAIT)
    expect(await metric('connections{role="ingest"}')).toBe(1)
    expect(await connections()).toBe(1)
  })

  it('hears out one who said all and left before it was let in', async () => {
    const { port, metric } = await startTestBroker(
      {},
      { credentials: [{ username: AGENT, password: { scrypt: slowHash(passwordOf(AGENT)) } }] },
    )
    const agent = await openRaw(port)
    agent.send(connectPacket(AGENT, { will: will('nakama/v1/kamata/pi/status') }))
    await vi.waitFor(async () => expect(await metric('traffic_bytes_total{direction="in"}')).toBeGreaterThan(0), WAIT)
    agent.send({ cmd: 'publish', topic: 'nakama/v1/kamata/pi/status', payload: 'x', qos: 0, retain: true, dup: false })
    agent.send({ cmd: 'disconnect' })
    agent.socket.end()
    await agent.waitClosed()
    await vi.waitFor(async () => expect(await metric('messages_total{direction="in"}')).toBe(1), WAIT)
    await vi.waitFor(async () => expect(await metric('connections{role="agent"}')).toBe(0), WAIT)
    // The word, and no will after it.
    expect(await metric('messages_total{direction="in"}')).toBe(1)
    expect(await metric('retained_bytes')).toBe(1)
  })
})

describe('strangers', () => {
  it('drops at the header a CONNECT that declares 256 MB', async () => {
    const { port, metric } = await startTestBroker()
    const raw = await openRaw(port)
    raw.socket.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]))
    await raw.waitClosed()
    expect(await metric('dropped_total{reason="packet-too-large"}')).toBe(1)
    expect(await metric('traffic_bytes_total{direction="in"}')).toBe(5)
  })

  it.each([
    ['something else than CONNECT first', Buffer.from([0x30, 2, 0, 0]), 'not-connect-first'],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'not-connect-first'],
    ['a length that never ends', Buffer.from([0x10, 0x80, 0x80, 0x80, 0x80, 1]), 'malformed-length'],
    ['a CONNECT with flags in its header', Buffer.from([0x1f, 2, 0, 0]), 'malformed'],
    ['a CONNECT of another protocol', Buffer.from([0x10, 8, 0, 4, 72, 84, 84, 80, 4, 2]), 'malformed'],
  ])('drops %s', async (_what, bytes, reason) => {
    const { port, metric } = await startTestBroker()
    const raw = await openRaw(port)
    raw.socket.write(bytes)
    await raw.waitClosed()
    expect(await metric(`dropped_total{reason="${reason}"}`)).toBe(1)
  })

  it('drops whoever sends more than a CONNECT needs before it is let in', async () => {
    const { port, metric } = await startTestBroker()
    const raw = await openRaw(port)
    // A CONNECT that lacks its last 48 bytes, these bytes, and a thousand PINGREQ.
    raw.socket.write(Buffer.concat([Buffer.from([0x10, 0xf0, 0x3e]), Buffer.alloc(8_000)]))
    raw.socket.write(Buffer.concat([Buffer.alloc(48), Buffer.alloc(2_000, Buffer.from([0xc0, 0]))]))
    await raw.waitClosed()
    expect(await metric('dropped_total{reason="early-flood"}')).toBe(1)
  })

  it('waits only so long for a CONNECT, whole or in part', async () => {
    const { port, metric } = await startTestBroker({ connectTimeoutMs: 200 })
    const mute = await openRaw(port)
    const slow = await openRaw(port)
    slow.socket.write(Buffer.from([0x10]))
    await Promise.all([mute.waitClosed(), slow.waitClosed()])
    expect(await metric('dropped_total{reason="connect-timeout"}')).toBe(2)
  })

  it('takes so many connections and no more, and takes more when one is gone', async () => {
    const { port, metric } = await startTestBroker({ connectionsMax: 2 })
    const first = await connected(port, AGENT)
    await connected(port, OTHER)
    await expect(connected(port, COORDINATOR)).rejects.toThrow()
    expect(await metric('dropped_total{reason="connections-max"}')).toBe(1)
    await first.endAsync()
    await vi.waitFor(() => connected(port, COORDINATOR), WAIT)
  })

  it('takes so many connections from one address, and still others from another one', async () => {
    const { port, metric } = await startTestBroker({ connectionsPerAddressMax: 2 })
    await openRaw(port)
    await openRaw(port)
    const third = await openRaw(port)
    await third.waitClosed()
    expect(await metric('dropped_total{reason="address-max"}')).toBe(1)
    const elsewhere = dial({ port, host: '127.0.0.1', localAddress: '127.0.0.2' })
    elsewhere.on('error', () => {})
    elsewhere.write(Buffer.from([0x30, 0]))
    await vi.waitFor(async () => expect(await metric('dropped_total{reason="not-connect-first"}')).toBe(1), WAIT)
    elsewhere.destroy()
  })

  it('hears a client that sends everything byte by byte', async () => {
    const { port } = await startTestBroker()
    const raw = await openRaw(port)
    for (const byte of mqttPacket.generate(connectPacket(AGENT))) raw.socket.write(Buffer.from([byte]))
    expect(await raw.next('connack')).toMatchObject({ returnCode: 0 })
  })
})

/** Takes some tenths of a second to check. */
function slowHash(password: string): string {
  const salt = Buffer.alloc(16, 1)
  const derived = scryptSync(password, salt, 32, { N: 2 ** 16, r: 8, p: 1, maxmem: 2 ** 28 })
  const [saltText, derivedText] = [salt, derived].map(bytes => bytes.toString('base64').replaceAll('=', ''))
  return `$scrypt$ln=16,r=8,p=1$${saltText}$${derivedText}`
}

function will(topic: string) {
  return { topic, payload: Buffer.from('gone'), qos: 0 as const, retain: true }
}
