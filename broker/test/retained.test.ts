import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openRetained, type RetainedMessage, retainedPersistence } from '../src/retained.ts'

const ROOM = { retainedMax: 1_000, retainedMaxBytes: 1_000 }

const message = (topic: string, payload = 'x'): RetainedMessage => ({
  cmd: 'publish',
  topic,
  payload: Buffer.from(payload),
  qos: 0,
})

const topicsOf = (messages: Iterable<RetainedMessage>): string[] => [...messages].map(({ topic }) => topic).sort()

describe('matching a filter', () => {
  /** MQTT 3.1.1 section 4.7, level by level, as the specification words it. */
  const matches = ([wanted, ...filter]: readonly string[], topic: readonly string[], first = true): boolean => {
    const [level, ...rest] = topic
    if (wanted === undefined) return level === undefined
    if (first && level?.startsWith('$') && (wanted === '#' || wanted === '+')) return false
    // "The multi-level wildcard represents the parent and any number of child levels."
    if (wanted === '#') return true
    return level !== undefined && (wanted === '+' || wanted === level) && matches(filter, rest, false)
  }

  const level = fc.constantFrom('a', 'b', '', '$s')
  const topic = fc.array(level, { minLength: 1, maxLength: 4 })
  const filter = fc
    .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 0, maxLength: 4 }), fc.boolean())
    .map(([levels, open]) => (open || levels.length === 0 ? [...levels, '#'] : levels))

  it('finds what the specification says, and nothing else', () => {
    fc.assert(
      fc.property(fc.array(topic, { maxLength: 20 }), filter, (topics, wanted) => {
        const retained = openRetained(ROOM)
        // An empty topic does not exist in MQTT.
        const names = [...new Set(topics.map(levels => levels.join('/')))].filter(name => name !== '')
        for (const name of names) retained.store(message(name))
        expect(topicsOf(retained.matching(wanted.join('/')))).toEqual(
          names.filter(name => matches(wanted, name.split('/'))).sort(),
        )
      }),
      { numRuns: 500 },
    )
  })
})

describe('what is retained', () => {
  it('is the last message of a topic, until an empty one deletes it', () => {
    const retained = openRetained(ROOM)
    retained.store(message('a', 'first'))
    retained.store(message('a', 'second'))
    expect([...retained.matching('a')]).toEqual([message('a', 'second')])
    expect(retained).toMatchObject({ size: 1, bytes: 6 })
    retained.store(message('a', ''))
    retained.store(message('b', ''))
    expect(retained).toMatchObject({ size: 0, bytes: 0 })
  })

  it('is a copy: it keeps nothing else alive that came with it, and nobody can change it', () => {
    const retained = openRetained(ROOM)
    const chunk = Buffer.alloc(64 * 1024, 'x')
    retained.store({ ...message('a'), payload: chunk.subarray(10, 20) })
    chunk.fill('y')
    const [kept] = [...retained.matching('a')] as [RetainedMessage]
    expect(kept.payload.toString()).toBe('xxxxxxxxxx')
    expect(kept.payload.buffer.byteLength).toBe(10)
  })

  it('is refused beyond the limits, and what is there stays', () => {
    const retained = openRetained({ retainedMax: 1, retainedMaxBytes: 3 })
    retained.store(message('a', 'abc'))
    expect(() => retained.store(message('b', 'a'))).toThrow(/no room/)
    expect(() => retained.store(message('a', 'abcd'))).toThrow(/no room/)
    expect([...retained.matching('#')]).toEqual([message('a', 'abc')])
    retained.store(message('a', ''))
    retained.store(message('b', 'a'))
    expect(topicsOf(retained.matching('#'))).toEqual(['b'])
  })
})

describe('Aedes’ persistence', () => {
  it('has every method of the one that Aedes brings, so that none can be missing when it is called', async () => {
    const { Aedes } = await import('aedes')
    const aedes = await Aedes.createBroker()
    const own = (aedes as unknown as { persistence: object }).persistence
    const theirs = Object.getOwnPropertyNames(Object.getPrototypeOf(own)).filter(name => name !== 'constructor')
    await new Promise<void>(resolve => aedes.close(resolve))
    const ours = Object.keys(retainedPersistence(openRetained(ROOM)))
    // `broker` is a property; the others are asked for by nobody inside Aedes.
    const unused = ['broker', 'countOffline', 'getWill', 'getClientList', 'cleanIncoming']
    expect(theirs.filter(name => !ours.includes(name) && !unused.includes(name))).toEqual([])
  })

  it('remembers nothing of a session', async () => {
    const persistence = retainedPersistence(openRetained(ROOM))
    await persistence.addSubscriptions()
    expect(await persistence.subscriptionsByClient()).toEqual([])
    expect(await persistence.subscriptionsByTopic()).toEqual([])
    await persistence.outgoingEnqueue()
    expect(await persistence.outgoingStream().toArray()).toEqual([])
    await persistence.putWill()
    expect(await persistence.streamWill().toArray()).toEqual([])
  })
})
