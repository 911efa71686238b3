import { performance } from 'node:perf_hooks'
import { createLog, createMetrics } from '@nakama/service'
import type { PublishPacket } from 'aedes'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type Access, createAccess } from '../src/access.ts'
import { openHub } from '../src/hub.ts'
import { DEFAULT_LIMITS } from '../src/limits.ts'
import { brokerMetrics } from '../src/metrics.ts'
import { createNotices } from '../src/notices.ts'
import { openPasswordBook } from '../src/passwords.ts'
import { openRetained } from '../src/retained.ts'
import { openSessions } from '../src/sessions.ts'
import {
  AGENT,
  COORDINATOR,
  closed,
  connected,
  INGEST,
  listen,
  OTHER,
  onCleanUp,
  openRawAs,
  passwordOf,
  settled,
  startTestBroker,
  tidyUp,
  WAIT,
} from './support.ts'

afterEach(tidyUp)

const publish = (topic: string, payload: string, more: object = {}): PublishPacket => ({
  cmd: 'publish',
  topic,
  payload: Buffer.from(payload),
  qos: 0,
  retain: false,
  dup: false,
  ...more,
})

describe('the whole round', () => {
  it('carries records to ingest, acks and desired back, and presence and status to whom they are for', async () => {
    const { port, metric } = await startTestBroker()
    const agent = await connected(port, AGENT)
    const ingest = await connected(port, INGEST)
    const coordinator = await connected(port, COORDINATOR)
    const agentHeard = await listen(
      agent,
      'nakama/v1/kamata/pi/ack',
      'nakama/v1/kamata/pi/desired',
      'nakama/v1/kamata/pi/status',
      'nakama/v1/_ingest/+/status',
    )
    const ingestHeard = await listen(ingest, 'nakama/v1/+/+/records', 'nakama/v1/+/+/status')
    const coordinatorHeard = await listen(coordinator, 'nakama/v1/+/+/status', 'nakama/v1/+/+/desired')

    await agent.publishAsync('nakama/v1/kamata/pi/records', 'batch')
    await vi.waitFor(() => expect(ingestHeard).toEqual(['nakama/v1/kamata/pi/records batch']), WAIT)
    await ingest.publishAsync('nakama/v1/kamata/pi/ack', 'stored')
    await vi.waitFor(() => expect(agentHeard).toEqual(['nakama/v1/kamata/pi/ack stored']), WAIT)
    await coordinator.publishAsync('nakama/v1/kamata/pi/desired', 'rest', { qos: 1, retain: true })
    await agent.publishAsync('nakama/v1/kamata/pi/status', 'here', { qos: 1, retain: true })
    await ingest.publishAsync('nakama/v1/_ingest/one/status', 'present', { qos: 1, retain: true })
    await vi.waitFor(() => {
      expect(agentHeard.slice(1)).toEqual([
        'nakama/v1/kamata/pi/desired rest',
        'nakama/v1/kamata/pi/status here',
        'nakama/v1/_ingest/one/status present',
      ])
      expect(coordinatorHeard).toContain('nakama/v1/kamata/pi/status here')
      expect(ingestHeard).toContain('nakama/v1/kamata/pi/status here')
    }, WAIT)
    expect(await metric('messages_total{direction="in"}')).toBe(5)
    expect(await metric('retained_messages')).toBe(3)
  })

  it('delivers to another agent nothing of all this', async () => {
    const { port } = await startTestBroker()
    const other = await openRawAs(port, OTHER)
    other.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: ['ack', 'desired', 'status'].map(leaf => ({
        topic: `nakama/v1/haneda/pi/${leaf}`,
        qos: 0 as const,
      })),
    })
    await other.next('suback')
    const ingest = await connected(port, INGEST)
    await ingest.publishAsync('nakama/v1/kamata/pi/ack', 'stored', { qos: 1 })
    await settled(other)
    expect(other.packets.map(packet => packet.cmd)).toEqual(['connack', 'suback', 'pingresp'])
  })
})

describe('a refused subscription', () => {
  it('is answered with 0x80, as an ordinary MQTT 3.1.1 client sees', async () => {
    const { port, metric } = await startTestBroker()
    const agent = await connected(port, AGENT)
    const granted = await new Promise<number[] | undefined>(resolve => {
      agent.on('packetreceive', packet => {
        if (packet.cmd === 'suback') resolve(packet.granted as number[])
      })
      agent.subscribe('nakama/v1/haneda/pi/status', { qos: 1 }, () => {})
    })
    expect(granted).toEqual([0x80])
    expect(agent.connected).toBe(true)
    expect(await metric('denied_total{action="subscribe"}')).toBe(1)
  })

  it('does not take the granted ones of the same packet with it, nor come in with them', async () => {
    const { port } = await startTestBroker()
    const coordinator = await connected(port, COORDINATOR)
    await coordinator.publishAsync('nakama/v1/kamata/pi/desired', 'mine', { qos: 1, retain: true })
    await coordinator.publishAsync('nakama/v1/haneda/pi/desired', 'foreign', { qos: 1, retain: true })
    const agent = await openRawAs(port, AGENT)
    const filters = [
      'nakama/v1/haneda/pi/desired',
      'nakama/v1/kamata/pi/desired',
      '#',
      'nakama/v1/+/+/desired',
      '$SYS/#',
      'nakama/v1/kamata/pi/+',
      'nakama/v1/_ingest/+/status',
    ]
    agent.send({ cmd: 'subscribe', messageId: 7, subscriptions: filters.map(topic => ({ topic, qos: 1 as const })) })
    expect(await agent.next('suback')).toMatchObject({ messageId: 7, granted: [128, 1, 128, 128, 128, 128, 1] })
    await agent.next('publish')
    await settled(agent)
    expect(agent.packets.filter(packet => packet.cmd === 'publish')).toMatchObject([
      { topic: 'nakama/v1/kamata/pi/desired', retain: true },
    ])
  })

  it('is what the seventeenth filter gets, and no client of QoS 2', async () => {
    const { port } = await startTestBroker({ subscriptionsMax: 3 })
    const agent = await openRawAs(port, AGENT)
    const presences = ['a', 'b', 'c', 'd', 'a'].map(id => ({
      topic: `nakama/v1/_ingest/${id}/status`,
      qos: 0 as const,
    }))
    for (const [index, presence] of presences.entries()) {
      agent.send({ cmd: 'subscribe', messageId: index + 1, subscriptions: [presence] })
      expect(await agent.next('suback')).toMatchObject({ granted: [index === 3 ? 128 : 0] })
    }
    const other = await openRawAs(port, OTHER)
    other.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'nakama/v1/haneda/pi/ack', qos: 2 }] })
    expect(await other.next('suback')).toMatchObject({ granted: [128] })
  })
})

describe('a denied publish', () => {
  it.each([
    ['on a foreign topic', publish('nakama/v1/haneda/pi/records', 'x')],
    ['of an ack', publish('nakama/v1/kamata/pi/ack', 'x')],
    ['on the broker’s own topics', publish('$SYS/x/new/clients', OTHER)],
    ['on a topic of nobody', publish('elsewhere', 'x')],
    ['of QoS 1', publish('nakama/v1/haneda/pi/status', 'x', { qos: 1, messageId: 1 })],
    ['of QoS 2 on a topic of its own', publish('nakama/v1/kamata/pi/records', 'x', { qos: 2, messageId: 1 })],
    ['retained where nothing is', publish('nakama/v1/kamata/pi/records', 'x', { retain: true })],
  ])('%s reaches nobody, is not confirmed, and ends its connection alone', async (_what, packet) => {
    const { port, metric } = await startTestBroker()
    const ingest = await connected(port, INGEST)
    const heard = await listen(ingest, 'nakama/v1/+/+/records', 'nakama/v1/+/+/status')
    const other = await openRawAs(port, OTHER)
    const agent = await openRawAs(port, AGENT)
    agent.send(packet)
    await agent.waitClosed()
    expect(agent.packets.map(({ cmd }) => cmd)).toEqual(['connack'])
    await settled(other)
    other.send(publish('nakama/v1/haneda/pi/records', 'fine'))
    await vi.waitFor(() => expect(heard).toEqual(['nakama/v1/haneda/pi/records fine']), WAIT)
    expect(await metric('denied_total{action="publish"}')).toBe(1)
    expect(await metric('dropped_total{reason="denied"}')).toBe(1)
    expect(await metric('retained_messages')).toBe(0)
  })

  it('is also one by nobody: the will of a client that Aedes no longer has', async () => {
    const metrics = createMetrics('broker')
    const access = createAccess({
      limits: DEFAULT_LIMITS,
      passwords: openPasswordBook(new Map()),
      sessions: openSessions(),
      retained: openRetained(DEFAULT_LIMITS),
      peerOf: () => undefined,
      onMessage: () => {},
      onAdmitted: () => {},
      metrics: brokerMetrics(metrics, () => {
        throw new Error('not scraped')
      }),
      notices: createNotices(createLog('broker', 'silent'), () => 0),
    })
    const done = vi.fn()
    access.authorizePublish(null, publish('nakama/v1/kamata/pi/status', 'gone'), done)
    expect(done).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ message: expect.stringMatching(/nobody/) }))
  })
})

describe('the last guard, when the one before it is open', () => {
  const openLeakyHub = async (leak: (access: Access) => Access): Promise<number> => {
    const hub = await openHub({
      listen: { host: '127.0.0.1', port: 0 },
      limits: DEFAULT_LIMITS,
      passwords: openPasswordBook(new Map([AGENT, OTHER, INGEST].map(name => [name, { plain: passwordOf(name) }]))),
      log: createLog('broker', 'silent'),
      metrics: createMetrics('broker'),
      now: () => performance.now(),
      alter: leak,
    })
    onCleanUp(() => hub.stop())
    return hub.port
  }

  it('delivers nothing foreign to a subscription that should not have been granted, live or retained', async () => {
    const port = await openLeakyHub(access => ({
      ...access,
      authorizeSubscribe: (_client, subscription, done) => done(null, subscription),
    }))
    const other = await connected(port, OTHER)
    await other.publishAsync('nakama/v1/haneda/pi/status', 'retained', { qos: 1, retain: true })
    const agent = await openRawAs(port, AGENT)
    agent.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [
        { topic: '#', qos: 1 },
        { topic: '$SYS/#', qos: 1 },
      ],
    })
    expect(await agent.next('suback')).toMatchObject({ granted: [1, 1] })
    await other.publishAsync('nakama/v1/haneda/pi/status', 'live', { qos: 1, retain: true })
    await other.publishAsync('nakama/v1/haneda/pi/records', 'live', { qos: 1 })
    agent.send(publish('nakama/v1/kamata/pi/status', 'own'))
    await agent.next('publish')
    await settled(agent)
    expect(agent.packets.filter(({ cmd }) => cmd === 'publish')).toMatchObject([
      { topic: 'nakama/v1/kamata/pi/status' },
    ])
  })

  it('publishes no will that may not be, even if its CONNECT was let through', async () => {
    const port = await openLeakyHub(access => ({ ...access, preConnect: (_client, _packet, done) => done(null, true) }))
    const ingest = await connected(port, INGEST)
    const heard = await listen(ingest, 'nakama/v1/+/+/records', 'nakama/v1/+/+/status')
    const will = { topic: 'nakama/v1/haneda/pi/status', payload: Buffer.from('gone'), qos: 0, retain: true }
    const agent = await openRawAs(port, AGENT, { will })
    agent.socket.destroy()
    const other = await openRawAs(port, OTHER, { will })
    other.socket.destroy()
    await vi.waitFor(() => expect(heard).toEqual(['nakama/v1/haneda/pi/status gone']), WAIT)
  })
})

describe('what is retained', () => {
  it('is bounded in number and size, and what is kept can still be replaced and deleted', async () => {
    const { port, metric } = await startTestBroker({ retainedMax: 2, retainedMaxBytes: 100 })
    const desired = (shop: string) => `nakama/v1/${shop}/pi/desired`
    const kept = { qos: 1, retain: true } as const
    const coordinator = await connected(port, COORDINATOR)
    await coordinator.publishAsync(desired('a'), '1', kept)
    await coordinator.publishAsync(desired('b'), '1', kept)
    await coordinator.publishAsync(desired('b'), 'x'.repeat(100), kept)
    expect(await metric('retained_messages')).toBe(2)
    expect(await metric('retained_bytes')).toBe(101)

    coordinator.publish(desired('c'), '1', kept)
    await closed(coordinator)
    const again = await vi.waitFor(() => connected(port, COORDINATOR), WAIT)
    again.publish(desired('b'), 'x'.repeat(101), kept)
    await closed(again)
    expect(await metric('denied_total{action="publish"}')).toBe(2)

    const last = await vi.waitFor(() => connected(port, COORDINATOR), WAIT)
    await last.publishAsync(desired('a'), '', kept)
    await last.publishAsync(desired('c'), '1', kept)
    const heard = await listen(await vi.waitFor(() => connected(port, COORDINATOR), WAIT), 'nakama/v1/+/+/desired')
    await vi.waitFor(() => expect(heard).toEqual([`${desired('b')} ${'x'.repeat(100)}!`, `${desired('c')} 1!`]), WAIT)
  })
})
