import type { Lane } from '@nakama/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NO_POSITIONS, type PositionInput, type PositionOutput, type Positions, step } from '../src/intake/positions.ts'

const LIMITS = { heldMaxBytes: 1_000, streamsMax: 4 }
const EPOCH = '00000000000000aa'

const arrived = (seq: number, oldest: number, epoch = EPOCH, lane: Lane = 'events'): PositionInput => ({
  type: 'arrived',
  batch: { lane, epoch, seq, oldest },
  text: new Uint8Array(100),
})
const stored = (seq: number, epoch = EPOCH): PositionInput => ({ type: 'stored', lane: 'events', epoch, seq })

const run = (inputs: readonly PositionInput[], from: Positions = NO_POSITIONS) => {
  let state = from
  const words: string[] = []
  for (const input of inputs) {
    const result = step(LIMITS, state, input)
    state = result.state
    words.push(...result.outputs.map(word))
  }
  return { state, words }
}
const word = (output: PositionOutput): string => {
  if (output.type === 'take') return `take ${output.batch.seq}`
  return output.type === 'ack' ? `ack ${output.seq}` : output.type
}

describe('the position in a lane and epoch', () => {
  it('takes what is next, holds what came early, and takes it in its turn', () => {
    expect(run([arrived(1, 1), arrived(3, 1), arrived(4, 1), arrived(2, 1)]).words).toEqual([
      ...['take 1', 'held', 'held', 'take 2', 'take 3', 'take 4'],
    ])
  })

  it('takes again, in its turn, what was let go, but nothing that is stored', () => {
    const letGo = (seq: number): PositionInput => ({ type: 'let-go', lane: 'events', epoch: EPOCH, seq })
    const before = run([arrived(1, 1), arrived(2, 1), arrived(3, 1), stored(1), letGo(2)])
    const again = [arrived(3, 1), arrived(1, 1), arrived(2, 1)]
    expect(run(again, before.state).words).toEqual(['held', 'ack 1', 'take 2', 'take 3'])
    expect(run([letGo(1), arrived(1, 1), arrived(2, 1)], before.state).words).toEqual(['ack 1', 'take 2'])
    expect(run([letGo(2)]).state).toEqual(NO_POSITIONS)
  })

  it('acknowledges only what is stored, and again what it already has', () => {
    const before = run([arrived(1, 1), arrived(2, 1), arrived(1, 1)])
    expect(before.words).toEqual(['take 1', 'take 2', 'ignored'])
    expect(run([stored(1), arrived(1, 1), arrived(2, 1), stored(2), arrived(1, 1)], before.state).words).toEqual([
      ...['ack 1', 'ack 1', 'ignored', 'ack 2', 'ack 2'],
    ])
  })

  it('finds its place again from `oldest` when it has forgotten everything', () => {
    expect(run([arrived(58, 57), arrived(57, 57)]).words).toEqual(['held', 'take 57', 'take 58'])
  })

  it('does not wait for what the journal gave up', () => {
    expect(run([arrived(1, 1), arrived(4, 1), arrived(3, 3)]).words).toEqual(['take 1', 'held', 'take 3', 'take 4'])
  })

  it('holds no more than the window allows, and takes the rest when it is sent again', () => {
    const early = Array.from({ length: 12 }, (_, i) => arrived(i + 2, 1))
    const { state, words } = run(early)
    expect(words.filter(said => said === 'held')).toHaveLength(10)
    expect(words.filter(said => said === 'no-room')).toHaveLength(2)
    expect(state.heldBytes).toBe(1_000)
    const after = run([arrived(1, 1), ...early], state)
    expect(after.words.filter(said => said.startsWith('take'))).toHaveLength(13)
    expect(after.state.heldBytes).toBe(0)
  })

  it('remembers a bounded number of epochs, in any order, and still acknowledges one that it forgot', () => {
    const epochs = Array.from({ length: 9 }, (_, i) => i.toString(16).padStart(16, '0'))
    const { state } = run(epochs.flatMap(epoch => [arrived(1, 1, epoch), arrived(3, 1, epoch)]))
    expect(state.streams.map(({ epoch }) => epoch)).toEqual(epochs.slice(-4))
    expect(state.heldBytes).toBe(400)
    expect(run([stored(1, epochs[0])], state).words).toEqual(['ack 1'])
  })

  it('takes every batch, each epoch in order, and never acknowledges what is not stored, whatever gets lost, doubled, disordered or forgotten', () => {
    const event = fc.oneof(
      { weight: 6, arbitrary: fc.record({ type: fc.constant('send' as const), pick: fc.nat() }) },
      { weight: 2, arbitrary: fc.record({ type: fc.constant('store' as const), pick: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('forget' as const), pick: fc.nat() }) },
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), fc.integer({ min: 1, max: 12 }), (events, batches) => {
        const epochs = ['00000000000000aa', '00000000000000bb']
        let state = NO_POSITIONS
        let inHand: { epoch: string; seq: number }[] = []
        const durable = new Map(epochs.map(epoch => [epoch, 0]))
        const acked = new Map(epochs.map(epoch => [epoch, 0]))
        const feed = (input: PositionInput): void => {
          const result = step(LIMITS, state, input)
          state = result.state
          for (const output of result.outputs) {
            if (output.type === 'take') inHand.push(output.batch)
            if (output.type !== 'ack') continue
            expect(output.seq).toBeLessThanOrEqual(durable.get(output.epoch)!)
            acked.set(output.epoch, Math.max(acked.get(output.epoch)!, output.seq))
          }
        }
        const send = (epoch: string, seq: number): void => feed(arrived(seq, acked.get(epoch)! + 1, epoch))
        const storeNext = (): void => {
          const next = inHand.shift()
          if (next === undefined) return
          // Never a hole: what is stored follows what was stored before, or is known already.
          expect(next.seq).toBeLessThanOrEqual(durable.get(next.epoch)! + 1)
          durable.set(next.epoch, Math.max(durable.get(next.epoch)!, next.seq))
          feed(stored(next.seq, next.epoch))
        }
        for (const { type, pick } of events) {
          const epoch = epochs[pick % 2]!
          const first = acked.get(epoch)! + 1
          if (type === 'send' && first <= batches) send(epoch, first + (pick % (batches - first + 1)))
          else if (type === 'store') storeNext()
          else if (type === 'forget') {
            state = NO_POSITIONS
            inHand = []
          }
        }
        // A patient agent gets everything stored in the end.
        for (let round = 0; round < 3 * batches; round++) {
          for (const epoch of epochs) {
            for (let seq = acked.get(epoch)! + 1; seq <= batches; seq++) send(epoch, seq)
          }
          while (inHand.length > 0) storeNext()
        }
        expect([...acked.values()]).toEqual([batches, batches])
      }),
      { numRuns: 300 },
    )
  })
})
