import { type Ack, LANES, type Lane, LIMITS } from '@nakama/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lookAt, step } from '../src/uplink/flow.ts'
import {
  ENVELOPE_MAX_BYTES,
  FLOW_PACE,
  FLOW_START,
  type FlowInput,
  type FlowOutput,
  type FlowState,
  inFlightBytes,
  type Want,
} from '../src/uplink/flow-state.ts'
import { createModelIngest, createModelJournal } from './uplink-model.ts'

const STORE = 'aaaaaaaaaaaaaaaa'
const OTHER = 'bbbbbbbbbbbbbbbb'
const E1 = '1111111111111111'
const E2 = '2222222222222222'

type Publish = Extract<FlowOutput, { type: 'publish' }>

/** The flow with a journal in memory that answers at once, and everything that it said. */
const createBench = (batches: Partial<Record<Lane, { [epoch: string]: readonly number[] }>> = {}) => {
  const journal = createModelJournal()
  for (const lane of LANES) {
    for (const [epoch, sizes] of Object.entries(batches[lane] ?? {}))
      for (const bytes of sizes) journal.add(lane, epoch, bytes)
  }
  let state: FlowState = FLOW_START
  let now = 1_000
  let random = 0.5
  const said: FlowOutput[] = []
  const feed = (input: FlowInput): void => {
    const next = step(FLOW_PACE, state, input, { streams: journal.streams(), now, random: () => random })
    state = next.state
    said.push(...next.outputs)
    for (const output of next.outputs) {
      if (output.type === 'read') feed({ type: 'batches', want: output.want, batches: journal.read(output.want) })
      if (output.type === 'delete') {
        journal.deleteUpTo(output.lane, output.epoch, output.seq)
        feed({ type: 'look' })
      }
    }
  }
  const ack = (lane: Lane, epoch: string, seq: number, more: Partial<Ack> = {}): void =>
    feed({ type: 'ack', ack: { v: 1, store: STORE, lane, epoch, seq, window: LIMITS.windowMaxBytes, at: 1, ...more } })
  return {
    journal,
    feed,
    ack,
    state: () => state,
    now: () => now,
    presence: (online = true, store = STORE) => feed({ type: 'presence', online, store }),
    pass(ms: number) {
      now += ms
      feed({ type: 'look' })
    },
    setRandom(value: number) {
      random = value
    },
    /** What was said since it was last asked, by type. */
    taken<T extends FlowOutput['type']>(type: T) {
      const of = said.filter((output): output is Extract<FlowOutput, { type: T }> => output.type === type)
      for (const output of of) said.splice(said.indexOf(output), 1)
      return of
    },
    nextLookIn: () => {
      const at = lookAt(state, now)
      return at === undefined ? undefined : at - now
    },
  }
}

const seqsOf = (publishes: readonly Publish[]) =>
  publishes.map(({ lane, epoch, batches }) => `${lane} ${epoch[0]} ${batches.map(({ seq }) => seq).join(',')}`)

const up = (bench: ReturnType<typeof createBench>) => {
  bench.feed({ type: 'up' })
  bench.presence()
}

describe('sending', () => {
  it('puts consecutive batches into one message, events before samples', () => {
    const bench = createBench({ events: { [E1]: [100, 100, 100] }, samples: { [E1]: [500, 500] } })
    up(bench)
    const publishes = bench.taken('publish')
    expect(seqsOf(publishes)).toEqual(['events 1 1,2,3', 'samples 1 1,2'])
    expect(publishes.map(({ oldest }) => oldest)).toEqual([1, 1])
  })

  it('keeps to the window, which is small until the first ack of a connection and then what the ack grants', () => {
    const bench = createBench({ samples: { [E1]: Array(40).fill(10_000) } })
    up(bench)
    expect(seqsOf(bench.taken('publish'))).toEqual(['samples 1 1'])
    bench.ack('samples', E1, 1, { window: 50_000 })
    expect(seqsOf(bench.taken('publish'))).toEqual(['samples 1 2,3,4,5'])
    bench.ack('samples', E1, 5, { window: 10_000_000 })
    expect(inFlightBytes(bench.state())).toBeLessThanOrEqual(LIMITS.windowMaxBytes)
    expect(bench.taken('publish').flatMap(({ batches }) => batches)).toHaveLength(25)
    bench.ack('samples', E1, 30)
    bench.ack('samples', E1, 40)
    bench.feed({ type: 'down', byBroker: false })
    for (let i = 0; i < 10; i++) bench.journal.add('samples', E1, 5_000)
    up(bench)
    expect(inFlightBytes(bench.state())).toBeGreaterThan(10_000)
    expect(inFlightBytes(bench.state())).toBeLessThanOrEqual(LIMITS.windowFirstBytes)
    bench.feed({ type: 'down', byBroker: false })
    expect(inFlightBytes(bench.state())).toBe(0)
  })

  it('lets a batch that is larger than the window go alone, whatever the window', () => {
    const bench = createBench({ events: { [E1]: [100] }, samples: { [E1]: [60_000, 100] } })
    up(bench)
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 1'])
    bench.ack('events', E1, 1, { window: 0 })
    expect(seqsOf(bench.taken('publish'))).toEqual(['samples 1 1'])
    bench.ack('samples', E1, 1, { window: 0 })
    expect(seqsOf(bench.taken('publish'))).toEqual(['samples 1 2'])
  })

  it('keeps every message within a packet', () => {
    const bench = createBench({ samples: { [E1]: Array(10).fill(60_000) } })
    up(bench)
    bench.ack('samples', E1, 1)
    for (const { batches } of bench.taken('publish')) {
      const bytes = batches.reduce((sum, batch) => sum + batch.bytes + ENVELOPE_MAX_BYTES, 0)
      expect(bytes).toBeLessThan(LIMITS.packetMaxBytes)
    }
  })

  it('begins an epoch only when the one before is acknowledged', () => {
    const bench = createBench({ events: { [E1]: [100, 100], [E2]: [100] } })
    up(bench)
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 1,2'])
    bench.ack('events', E1, 1)
    expect(seqsOf(bench.taken('publish'))).toEqual([])
    bench.ack('events', E1, 2)
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 2 1'])
  })

  it('passes a hole only when everything before it is acknowledged, and says so by `oldest`', () => {
    const bench = createBench({ events: { [E1]: [100, 100, 100, 100] } })
    bench.journal.giveUp('events', E1, 2)
    up(bench)
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 1'])
    bench.ack('events', E1, 1)
    const [after] = bench.taken('publish')
    expect(after).toMatchObject({ oldest: 3 })
    expect(seqsOf([after as Publish])).toEqual(['events 1 3,4'])
  })

  it('sends what is journaled later, as it comes', () => {
    const bench = createBench({})
    up(bench)
    bench.journal.add('events', E1, 100)
    bench.feed({ type: 'look' })
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 1'])
    bench.journal.add('events', E1, 100)
    bench.feed({ type: 'look' })
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 2'])
  })

  it('asks again only after a while for what the journal cannot read just now', () => {
    const bench = createBench({ events: { [E1]: [100] } })
    bench.journal.failReads(2)
    up(bench)
    expect(bench.taken('read')).toHaveLength(1)
    bench.feed({ type: 'look' })
    expect(bench.taken('read')).toHaveLength(0)
    expect(bench.nextLookIn()).toBe(FLOW_PACE.rereadMs)
    bench.pass(FLOW_PACE.rereadMs)
    bench.pass(FLOW_PACE.rereadMs)
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 1'])
  })
})

describe('acks', () => {
  const bench = () => {
    const made = createBench({ events: { [E1]: [100, 100], [E2]: [100] }, samples: { [E2]: [100] } })
    up(made)
    made.taken('publish')
    return made
  }

  it.each([
    ['another store', (b: ReturnType<typeof bench>) => b.ack('events', E1, 1, { store: OTHER }), 'other-store'],
    ['an unknown epoch', (b: ReturnType<typeof bench>) => b.ack('events', 'cccccccccccccccc', 1), 'unknown-epoch'],
    ['an epoch that is not yet sent', (b: ReturnType<typeof bench>) => b.ack('events', E2, 1), 'never-sent'],
    ['a seq that was never sent', (b: ReturnType<typeof bench>) => b.ack('samples', E2, 2), 'never-sent'],
    ['a lane of which nothing was sent', (b: ReturnType<typeof bench>) => b.ack('samples', E1, 1), 'unknown-epoch'],
    ['nothing new', (b: ReturnType<typeof bench>) => b.ack('events', E1, 0), 'repeated'],
  ] as const)('for %s delete nothing and are counted', (_what, act, why) => {
    const made = bench()
    act(made)
    expect(made.taken('delete')).toEqual([])
    expect(made.taken('ack-ignored')).toEqual([{ type: 'ack-ignored', why }])
  })

  it('of a former epoch may name what the card has lost, and delete what was sent of the rest', () => {
    const made = bench()
    made.ack('events', E1, 5)
    expect(made.taken('delete')).toEqual([{ type: 'delete', lane: 'events', epoch: E1, seq: 2 }])
    expect(seqsOf(made.taken('publish'))).toEqual(['events 2 1'])
  })

  it('delete up to their seq, once', () => {
    const made = bench()
    made.ack('events', E1, 2)
    made.ack('events', E1, 2)
    expect(made.taken('delete')).toEqual([{ type: 'delete', lane: 'events', epoch: E1, seq: 2 }])
  })

  it('of a former connection of this process count: what was sent, was sent', () => {
    const made = bench()
    made.feed({ type: 'down', byBroker: true })
    made.feed({ type: 'up' })
    made.ack('events', E1, 2)
    expect(made.taken('delete')).toHaveLength(1)
  })
})

describe('without an ack in time', () => {
  it('the oldest goes again, alone, later and later, until an ack makes progress', () => {
    const bench = createBench({ events: { [E1]: [100, 100, 100] } })
    bench.setRandom(0.999)
    up(bench)
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 1,2,3'])
    const waits: number[] = []
    for (let i = 0; i < 8; i++) {
      const wait = bench.nextLookIn() as number
      waits.push(wait)
      bench.pass(wait - 1)
      expect(bench.taken('publish')).toEqual([])
      bench.pass(1)
      expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 1'])
      expect(bench.taken('unanswered')).toHaveLength(1)
    }
    expect(waits.slice(0, 4)).toEqual([10_000, 10_999, 11_998, 13_996])
    expect(Math.max(...waits)).toBeLessThanOrEqual(FLOW_PACE.ackTimeoutMs + FLOW_PACE.backoffMaxMs)
    bench.ack('events', E1, 1)
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 2,3'])
    expect(bench.nextLookIn()).toBe(FLOW_PACE.ackTimeoutMs)
  })

  it('presence of ingest resets the back-off, and sends nothing again that is not in doubt', () => {
    const bench = createBench({ events: { [E1]: [100, 100] } })
    bench.setRandom(0.999)
    up(bench)
    bench.taken('publish')
    bench.presence()
    expect(bench.taken('publish')).toEqual([])
    for (let i = 0; i < 6; i++) bench.pass(bench.nextLookIn() as number)
    bench.taken('publish')
    bench.presence()
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 1'])
    expect(bench.nextLookIn()).toBeLessThan(11_000)
  })

  it('of what the journal has then given up, the other lane is not held up', () => {
    const bench = createBench({ events: { [E1]: [100] }, samples: { [E1]: [100] } })
    up(bench)
    bench.ack('samples', E1, 1)
    bench.pass(FLOW_PACE.ackTimeoutMs)
    bench.journal.giveUp('events', E1, 1)
    for (let i = 0; i < 3; i++) bench.journal.add('samples', E1, 100)
    bench.taken('publish')
    bench.feed({ type: 'look' })
    expect(seqsOf(bench.taken('publish'))).toEqual(['samples 1 2,3,4'])
  })

  it('acks of one lane do not hide the silence of the other', () => {
    const bench = createBench({ events: { [E1]: [100] }, samples: { [E1]: Array(20).fill(100) } })
    up(bench)
    for (let seq = 1; seq <= 20; seq++) {
      bench.pass(600)
      bench.ack('samples', E1, seq)
    }
    expect(seqsOf(bench.taken('publish')).filter(line => line.startsWith('events'))).toHaveLength(2)
  })
})

describe('presence of ingest', () => {
  it('is not needed: the oldest batch probes every 30 s, and its ack wakes', () => {
    const bench = createBench({ events: { [E1]: [100, 100] }, samples: { [E1]: [100] } })
    bench.feed({ type: 'up' })
    expect(bench.nextLookIn()).toBe(15_000)
    bench.pass(15_000)
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 1'])
    for (let i = 0; i < 3; i++) {
      bench.pass(29_999)
      expect(bench.taken('publish')).toEqual([])
      bench.pass(1)
      expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 1'])
    }
    bench.ack('events', E1, 1)
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 2', 'samples 1 1'])
  })

  it('that ends stops the sending but for probes; that comes back sends everything again', () => {
    const bench = createBench({ events: { [E1]: [100, 100] } })
    up(bench)
    bench.taken('publish')
    bench.presence(false)
    bench.journal.add('events', E1, 100)
    bench.pass(14_000)
    expect(bench.taken('publish')).toEqual([])
    bench.presence(true)
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 1,2,3'])
  })

  it('with another store says so once, and sends again what the former one never acknowledged', () => {
    const bench = createBench({ events: { [E1]: [100, 100] } })
    up(bench)
    bench.taken('publish')
    bench.ack('events', E1, 1)
    bench.presence(true, OTHER)
    bench.presence(true, OTHER)
    expect(bench.taken('new-store')).toEqual([{ type: 'new-store', store: OTHER }])
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 2'])
    bench.ack('events', E1, 2)
    expect(bench.taken('delete')).toHaveLength(1)
    bench.ack('events', E1, 2, { store: OTHER })
    expect(bench.taken('delete')).toHaveLength(1)
  })

  it('that ends does not name the store', () => {
    const bench = createBench({})
    up(bench)
    bench.presence(false, OTHER)
    bench.presence(true, STORE)
    expect(bench.taken('new-store')).toEqual([])
  })
})

describe('a connection that closes', () => {
  it('sends what is unacknowledged again, the first of it alone', () => {
    const bench = createBench({ events: { [E1]: [100, 100, 100] } })
    up(bench)
    bench.taken('publish')
    bench.feed({ type: 'down', byBroker: true })
    up(bench)
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 1'])
    bench.ack('events', E1, 1)
    expect(seqsOf(bench.taken('publish'))).toEqual(['events 1 2,3'])
  })

  it('five times on the same lone batch gives this batch up, and only it', () => {
    const bench = createBench({ samples: { [E1]: [100, 100, 100] } })
    const dead: FlowOutput[] = []
    for (let connection = 0; connection < 12 && dead.length === 0; connection++) {
      up(bench)
      // The second batch breaks the connection, whoever else is in flight.
      if (bench.taken('publish').some(({ batches }) => batches.every(({ seq }) => seq !== 2)))
        bench.ack('samples', E1, 1)
      bench.pass(10)
      bench.feed({ type: 'down', byBroker: true })
      dead.push(...bench.taken('dead-letter'))
    }
    expect(dead).toEqual([{ type: 'dead-letter', lane: 'samples', epoch: E1, seq: 2 }])
  })

  it('is no proof against a batch when we ended it, or long after it was sent', () => {
    const bench = createBench({ events: { [E1]: [100] } })
    for (let connection = 0; connection < 20; connection++) {
      up(bench)
      if (connection % 2 === 0) bench.pass(FLOW_PACE.suspectMs + 1)
      bench.feed({ type: 'down', byBroker: connection % 2 === 0 })
    }
    expect(bench.taken('dead-letter')).toEqual([])
  })

  it('is no proof against a batch that the broker has taken', () => {
    const bench = createBench({ events: { [E1]: [100] } })
    for (let connection = 0; connection < 20; connection++) {
      up(bench)
      // The first close is as suspicious as any; from then on every sending is followed by a question.
      expect(bench.taken('ask')).toHaveLength(connection === 0 ? 0 : 1)
      bench.pass(1)
      if (connection > 0) bench.feed({ type: 'heard', saidAt: bench.now() })
      bench.feed({ type: 'down', byBroker: true })
    }
    expect(bench.taken('dead-letter')).toEqual([])
  })

  it('is forgotten once the batch is acknowledged', () => {
    const bench = createBench({ events: { [E1]: [100, 100] } })
    for (let connection = 0; connection < 4; connection++) {
      up(bench)
      bench.feed({ type: 'down', byBroker: true })
    }
    up(bench)
    bench.taken('ask')
    bench.ack('events', E1, 1)
    for (let i = 0; i < 5; i++) {
      bench.journal.add('events', E1, 100)
      bench.feed({ type: 'look' })
    }
    expect(bench.taken('ask')).toEqual([])
    bench.feed({ type: 'down', byBroker: true })
    expect(bench.taken('dead-letter')).toEqual([])
  })

  it('is not excused by a status that was said before the batch was sent', () => {
    const bench = createBench({ events: { [E1]: [100] } })
    for (let connection = 0; connection < 5; connection++) {
      const saidAt = bench.now()
      bench.pass(1)
      up(bench)
      bench.feed({ type: 'heard', saidAt })
      bench.feed({ type: 'down', byBroker: true })
    }
    expect(bench.taken('dead-letter')).toHaveLength(1)
  })
})

describe('whatever is lost, doubled, delayed or cut', () => {
  const action = fc.oneof(
    { weight: 6, arbitrary: fc.constant({ do: 'deliver' as const }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('journal' as const),
        lane: fc.constantFrom(...LANES),
        bytes: fc.integer({ min: 2, max: 60_000 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 100, 1_000, 10_000, 40_000) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('lose' as const),
        from: fc.constantFrom('agent' as const, 'ingest' as const),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('double' as const),
        from: fc.constantFrom('agent' as const, 'ingest' as const),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('reorder' as const),
        from: fc.constantFrom('agent' as const, 'ingest' as const),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), byBroker: fc.boolean() }) },
    { weight: 2, arbitrary: fc.constant({ do: 'connect' as const }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('presence' as const), online: fc.boolean() }) },
    { weight: 1, arbitrary: fc.constant({ do: 'restart ingest' as const }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('give up' as const), lane: fc.constantFrom(...LANES) }) },
    { weight: 1, arbitrary: fc.constant({ do: 'fail a read' as const }) },
  )

  it('everything is acknowledged in the end, in order, within the window, and nothing that ingest does not have', () =>
    fc.assert(
      fc.property(
        fc.array(action, { maxLength: 150, size: 'max' }),
        fc.array(fc.integer({ min: 2, max: 40_000 }), { maxLength: 8 }),
        fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
        fc.integer({ min: 0, max: 300_000 }),
        (actions, old, randoms, window) => {
          const run = createRun(old, () => randoms.next().value as number, window)
          for (const each of actions) run.act(each)
          run.settle()
        },
      ),
      { numRuns: 400 },
    ))
})

type Action =
  | { do: 'deliver' | 'connect' | 'restart ingest' | 'fail a read' }
  | { do: 'journal'; lane: Lane; bytes: number }
  | { do: 'pass'; ms: number }
  | { do: 'lose' | 'double' | 'reorder'; from: 'agent' | 'ingest' }
  | { do: 'cut'; byBroker: boolean }
  | { do: 'presence'; online: boolean }
  | { do: 'give up'; lane: Lane }

/** The flow against a model of ingest, over a network that loses, doubles and reorders. Checks what must always hold. */
const createRun = (old: readonly number[], random: () => number, window: number) => {
  const journal = createModelJournal()
  const ingest = createModelIngest(STORE, window)
  for (const [at, bytes] of old.entries()) journal.add(at % 2 === 0 ? 'events' : 'samples', E1, bytes)
  const wires: { agent: Publish[]; ingest: Ack[] } = { agent: [], ingest: [] }
  const reads: Want[] = []
  let state: FlowState = FLOW_START
  let now = 0
  const lastSent = new Map<string, number>()

  const check = (publish: Publish): void => {
    const { lane, epoch, batches, oldest } = publish
    const head = journal.streams().find(stream => stream.lane === lane)
    expect(head?.epoch).toBe(epoch)
    expect(oldest).toBe(head?.oldest)
    const name = `${lane} ${epoch}`
    const first = batches[0]?.seq as number
    // Forward without a hole, or again something that is not acknowledged.
    const before = lastSent.get(name) ?? 0
    expect(first <= before || journal.isNext(lane, epoch, before, first)).toBe(true)
    expect(first).toBeGreaterThanOrEqual(oldest)
    for (const [at, { seq }] of batches.entries()) expect(seq).toBe(first + at)
    lastSent.set(name, Math.max(before, batches.at(-1)?.seq as number))
    const inFlight = LANES.reduce((sum, each) => sum + state.lanes[each].flights.length, 0)
    if (inFlight > 1) expect(inFlightBytes(state)).toBeLessThanOrEqual(state.windowBytes)
  }

  const feed = (input: FlowInput): void => {
    const next = step(FLOW_PACE, state, input, { streams: journal.streams(), now, random })
    state = next.state
    for (const output of next.outputs) {
      if (output.type === 'read') {
        expect(reads).toEqual([])
        reads.push(output.want)
      } else if (output.type === 'publish') {
        check(output)
        wires.agent.push(output)
      } else if (output.type === 'delete') {
        expect(ingest.has(output.lane, output.epoch, output.seq)).toBe(true)
        journal.deleteUpTo(output.lane, output.epoch, output.seq)
        feed({ type: 'look' })
      } else if (output.type === 'dead-letter') journal.deadLetter(output.lane, output.epoch, output.seq)
    }
  }
  const answerRead = (): void => {
    const want = reads.shift()
    if (want !== undefined) feed({ type: 'batches', want, batches: journal.read(want) })
  }
  const deliver = (): void => {
    answerRead()
    const publish = wires.agent.shift()
    if (publish !== undefined) wires.ingest.push(...ingest.take(publish))
    const ack = wires.ingest.shift()
    if (ack !== undefined && state.up) feed({ type: 'ack', ack })
  }
  const connect = (): void => {
    if (!state.up) feed({ type: 'up' })
  }

  return {
    act(action: Action): void {
      if (action.do === 'deliver') deliver()
      else if (action.do === 'journal') {
        journal.add(action.lane, E2, action.bytes)
        feed({ type: 'look' })
      } else if (action.do === 'pass') {
        now += action.ms
        feed({ type: 'look' })
      } else if (action.do === 'lose') wires[action.from].shift()
      else if (action.do === 'double') {
        duplicate(wires.agent, action.from === 'agent')
        duplicate(wires.ingest, action.from === 'ingest')
      } else if (action.do === 'reorder') wires[action.from].reverse()
      else if (action.do === 'cut') {
        wires.ingest = []
        if (state.up) feed({ type: 'down', byBroker: action.byBroker })
      } else if (action.do === 'connect') connect()
      else if (action.do === 'presence') {
        if (state.up) feed({ type: 'presence', online: action.online, store: STORE })
      } else if (action.do === 'restart ingest') ingest.forgetHeld()
      else if (action.do === 'give up') journal.giveUpOldest(action.lane)
      else journal.failReads(1)
    },
    settle(): void {
      connect()
      for (let round = 0; round < 2_000 && !journal.isEmpty(); round++) {
        deliver()
        if (journal.isEmpty() || reads.length + wires.agent.length + wires.ingest.length > 0) continue
        const at = lookAt(state, now)
        // Nothing on its way, and the flow has nothing more to wait for: it would stand still for ever.
        expect(at).toBeDefined()
        now = at as number
        feed({ type: 'look' })
      }
      expect(journal.isEmpty()).toBe(true)
    },
  }
}

const duplicate = <T>(items: T[], isMeant: boolean): void => {
  const [first] = items
  if (isMeant && first !== undefined) items.unshift(first)
}
