import mqttPacket from 'mqtt-packet'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  AGENT,
  COORDINATOR,
  connected,
  connectPacket,
  INGEST,
  listen,
  OTHER,
  onCleanUp,
  openRaw,
  openRawAs,
  settled,
  startTestBroker,
  tidyUp,
  WAIT,
} from './support.ts'

afterEach(tidyUp)

const RECORDS = 'nakama/v1/kamata/pi/records'

const records = (bytes: number, qos: 0 | 1 = 0, messageId = 1): Buffer =>
  mqttPacket.generate({
    cmd: 'publish',
    topic: RECORDS,
    payload: Buffer.alloc(bytes, 'x'),
    qos,
    messageId,
    retain: false,
    dup: false,
  })

describe('a packet', () => {
  it('of the largest allowed size goes through, whole', async () => {
    const { port } = await startTestBroker()
    const ingest = await connected(port, INGEST)
    const sizes: number[] = []
    ingest.on('message', (_topic, payload) => sizes.push(payload.length))
    await ingest.subscribeAsync('nakama/v1/+/+/records')
    const agent = await openRawAs(port, AGENT)
    agent.socket.write(records(256 * 1024))
    await vi.waitFor(() => expect(sizes).toEqual([256 * 1024]), WAIT)
  })

  it('that declares more ends its connection before it has come', async () => {
    const { port, metric } = await startTestBroker()
    const agent = await openRawAs(port, AGENT)
    agent.socket.write(records(300 * 1024).subarray(0, 10))
    await agent.waitClosed()
    expect(await metric('dropped_total{reason="packet-too-large"}')).toBe(1)
  })

  it.each([
    ['of a kind that does not exist', Buffer.from([0x00, 0]), 'not-from-client'],
    ['that only a server may send', Buffer.from([0x20, 2, 0, 0]), 'not-from-client'],
    ['with both QoS bits set', Buffer.from([0x36, 4, 0, 1, 0x61, 0x62])],
    ['with a topic longer than itself', Buffer.from([0x30, 4, 0xff, 0xff, 0x61, 0x62])],
    ['with an empty topic', Buffer.from([0x30, 2, 0, 0])],
    ['with a wildcard in its topic', Buffer.from([0x30, 3, 0, 1, 0x23])],
    ['of 200 levels', Buffer.concat([Buffer.from([0x30, 0xc9, 0x01, 0, 199]), Buffer.alloc(199, '/')])],
    ['SUBSCRIBE without a filter', Buffer.from([0x82, 2, 0, 1])],
    ['SUBSCRIBE with a bad filter', Buffer.from([0x82, 8, 0, 1, 0, 3, 0x61, 0x23, 0x62, 0])],
    ['SUBSCRIBE with reserved bits', Buffer.from([0x80, 6, 0, 1, 0, 1, 0x61, 0])],
    ['UNSUBSCRIBE cut short', Buffer.from([0xa2, 4, 0, 1, 0, 9])],
  ])('%s ends its own connection alone', async (_what, bytes, reason = 'malformed') => {
    const { port, metric } = await startTestBroker()
    const other = await openRawAs(port, OTHER)
    const agent = await openRawAs(port, AGENT)
    agent.socket.write(bytes)
    await agent.waitClosed()
    await settled(other)
    expect(await metric(`dropped_total{reason="${reason}"}`)).toBe(1)
  })

  it.each([
    ['PUBREC of nothing', Buffer.from([0x50, 2, 0, 1])],
    ['PUBREL of nothing', Buffer.from([0x62, 2, 0, 1])],
    ['PUBCOMP of nothing', Buffer.from([0x70, 2, 0, 1])],
    ['PUBACK of nothing', Buffer.from([0x40, 2, 0, 1])],
    ['UNSUBSCRIBE from what it never subscribed to', Buffer.from([0xa2, 5, 0, 1, 0, 1, 0x61])],
  ])('%s does no harm', async (_what, bytes) => {
    const { port } = await startTestBroker()
    const agent = await openRawAs(port, AGENT)
    agent.socket.write(bytes)
    await settled(agent)
    expect(agent.closed).toBe(false)
  })

  it('of random bytes never ends the broker, whoever sends it', async () => {
    const { port } = await startTestBroker({ connectTimeoutMs: 500 })
    let seed = 1
    const random = () => {
      seed = (seed * 48_271) % 2_147_483_647
      return seed
    }
    for (let round = 0; round < 60; round++) {
      const raw = await openRaw(port)
      const noise = Buffer.from(Array.from({ length: random() % 200 }, random))
      if (round % 2 === 0) raw.send(connectPacket(AGENT))
      raw.socket.end(noise)
    }
    await settled(await openRawAs(port, OTHER))
  })
})

describe('a flood', () => {
  it('of messages is slowed down to the allowance, nothing of it lost, and another client does not feel it', async () => {
    const { port, metric } = await startTestBroker({ agentMessagesPerS: 100 })
    const ingest = await connected(port, INGEST)
    const heard = await listen(ingest, 'nakama/v1/+/+/records')
    const agent = await openRawAs(port, AGENT)
    const start = performance.now()
    // The bucket of one second, and two seconds' worth on credit; whoever is in debt is read again when it is paid.
    agent.socket.write(Buffer.concat(Array.from({ length: 300 }, () => records(1))))
    await vi.waitFor(() => expect(heard).toHaveLength(300), WAIT)
    agent.socket.write(records(2))
    const other = await openRawAs(port, OTHER)
    await settled(other)
    expect(heard).toHaveLength(300)
    await vi.waitFor(() => expect(heard).toHaveLength(301), WAIT)
    expect(performance.now() - start).toBeGreaterThan(1_800)
    expect(await metric('throttled_total')).toBeGreaterThan(0)
  })

  it('of bytes is slowed down too', async () => {
    const { port } = await startTestBroker({ agentBytesPerS: 256 * 1024 })
    const ingest = await connected(port, INGEST)
    let bytes = 0
    ingest.on('message', (_topic, payload) => {
      bytes += payload.length
    })
    await ingest.subscribeAsync('nakama/v1/+/+/records')
    const agent = await openRawAs(port, AGENT)
    const start = performance.now()
    for (let message = 0; message < 10; message++) agent.socket.write(records(64 * 1024))
    await vi.waitFor(() => expect(bytes).toBe(640 * 1024), WAIT)
    expect(performance.now() - start).toBeGreaterThan(1_000)
  })

  it('that is not read does not hide its end', async () => {
    const { port, metric, connections } = await startTestBroker({ agentMessagesPerS: 1, drainTimeoutMs: 300 })
    const agent = await openRawAs(port, AGENT, { keepalive: 1 })
    agent.socket.write(Buffer.concat(Array.from({ length: 1_000 }, () => records(1))))
    await agent.waitClosed()
    expect(await metric('dropped_total{reason="keep-alive"}')).toBe(1)
    await vi.waitFor(async () => expect(await connections()).toBe(0), WAIT)
  })
})

describe('a receiver that stops reading', () => {
  /** Subscribed to its acks, and then deaf. */
  const openDeaf = async (port: number) => {
    const deaf = await openRawAs(port, AGENT)
    deaf.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'nakama/v1/kamata/pi/ack', qos: 1 }] })
    await deaf.next('suback')
    deaf.socket.pause()
    return deaf
  }
  const ACK = mqttPacket.generate({
    cmd: 'publish',
    topic: 'nakama/v1/kamata/pi/ack',
    payload: Buffer.alloc(32 * 1024, 'x'),
    qos: 0,
    retain: false,
    dup: false,
  })

  it('is dropped when too much waits for it, while others are served without delay', async () => {
    const { port, metric } = await startTestBroker()
    await openDeaf(port)
    const coordinator = await connected(port, COORDINATOR)
    const heard = await listen(coordinator, 'nakama/v1/+/+/status')
    const ingest = await openRawAs(port, INGEST)
    const other = await openRawAs(port, OTHER)
    let slowestMs = 0
    for (let round = 0; (await metric('dropped_total{reason="outgoing-full"}')) === 0; round++) {
      expect(round, 'rounds until it is dropped').toBeLessThan(1_000)
      for (let ack = 0; ack < 8; ack++) ingest.socket.write(ACK)
      const before = performance.now()
      other.send({
        cmd: 'publish',
        topic: 'nakama/v1/haneda/pi/status',
        payload: 'here',
        qos: 0,
        retain: true,
        dup: false,
      })
      await vi.waitFor(() => expect(heard).toHaveLength(round + 1), WAIT)
      slowestMs = Math.max(slowestMs, performance.now() - before)
      expect(await metric('outgoing_waiting_bytes')).toBeLessThanOrEqual(512 * 1024 + 64 * 1024)
    }
    // Far less than the five seconds for which a deaf receiver is borne with.
    expect(slowestMs).toBeLessThan(3_000)
    await vi.waitFor(async () => expect(await metric('connections{role="agent"}')).toBe(1), WAIT)
    await settled(ingest)
  })

  it('is dropped when it takes nothing for too long, however little waits, and until then stalls nobody', async () => {
    const { port, metric } = await startTestBroker({ drainTimeoutMs: 2_000, agentOutgoingMaxBytes: 64 * 1024 * 1024 })
    await openDeaf(port)
    const ingest = await openRawAs(port, INGEST)
    // More than both kernels' buffers hold.
    for (let ack = 0; ack < 500; ack++) ingest.socket.write(ACK)
    await settled(ingest)
    expect(await metric('outgoing_waiting_bytes')).toBeGreaterThan(1_000_000)
    expect(await metric('dropped_total{reason="not-draining"}')).toBe(0)
    await vi.waitFor(async () => expect(await metric('dropped_total{reason="not-draining"}')).toBe(1), WAIT)
    expect(await metric('outgoing_waiting_bytes')).toBe(0)
  })

  it('slow but steady is not dropped, and gets everything in order', async () => {
    const { port, metric } = await startTestBroker({ drainTimeoutMs: 1_000, agentOutgoingMaxBytes: 64 * 1024 * 1024 })
    const slow = await openDeaf(port)
    const ingest = await openRawAs(port, INGEST)
    const MESSAGES = 600
    // A bite of up to 64 KiB every 10 ms: some 3 s for all of it, several times the broker's patience.
    slow.socket.on('data', () => slow.socket.pause())
    const reader = setInterval(() => slow.socket.resume(), 10)
    onCleanUp(() => clearInterval(reader))
    for (let ack = 0; ack < MESSAGES; ack++) {
      ingest.send({
        cmd: 'publish',
        topic: 'nakama/v1/kamata/pi/ack',
        payload: Buffer.concat([Buffer.from(`${ack} `), Buffer.alloc(32 * 1024)]),
        qos: 0,
        retain: false,
        dup: false,
      })
    }
    await settled(ingest)
    const numbers = () =>
      slow.packets.flatMap(packet => (packet.cmd === 'publish' ? [Number.parseInt(packet.payload.toString(), 10)] : []))
    await vi.waitFor(() => expect(numbers()).toHaveLength(MESSAGES), { timeout: 15_000, interval: 50 })
    expect(numbers()).toEqual(Array.from({ length: MESSAGES }, (_, index) => index))
    expect(await metric('dropped_total{reason="not-draining"}')).toBe(0)
  })
})
