import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BatchId, decodeBatches, decodeEnvelopes, encodeBatch, joinBatches, LANES } from '../src/index.ts'

const batchId: fc.Arbitrary<BatchId> = fc.record({
  lane: fc.constantFrom(...LANES),
  epoch: fc.stringMatching(/^[0-9a-f]{16}$/),
  seq: fc.integer({ min: 1 }),
})

describe('batches on the wire', () => {
  it('come out as they went in, several to a message', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(batchId, fc.integer({ min: 1 }), fc.array(fc.jsonValue())), { minLength: 1, maxLength: 5 }),
        batches => {
          const lines = batches.map(([id, oldest, records]) => encodeBatch(id, oldest, JSON.stringify(records)))
          const decoded = decodeBatches(joinBatches(lines))
          expect(decoded.map(each => each.ok && each.batch)).toEqual(
            batches.map(([id, oldest, records]) => ({
              v: 1,
              ...id,
              oldest,
              records: JSON.parse(JSON.stringify(records)),
            })),
          )
        },
      ),
    )
  })

  it('are judged one by one: a broken line costs only itself', () => {
    const good = encodeBatch({ lane: 'events', epoch: '0123456789abcdef', seq: 1 }, 1, '[]')
    const decoded = decodeBatches([good, '{"v":1,"lane":', good].join('\n'))
    expect(decoded.map(each => each.ok)).toEqual([true, false, true])
  })

  it('of an unknown version are told apart from malformed ones, because they must be kept', () => {
    const [later, none, text] = decodeBatches('{"v":2}\n{}\n"v"')
    expect(later).toMatchObject({ ok: false, why: 'unknown-version' })
    expect(none).toMatchObject({ ok: false, why: 'malformed' })
    expect(text).toMatchObject({ ok: false, why: 'malformed' })
  })

  it('name the place that is wrong', () => {
    const [bad] = decodeBatches('{"v":1,"lane":"event","epoch":"0123456789abcdef","seq":-1,"oldest":1,"records":[]}')
    expect(bad).toMatchObject({
      ok: false,
      problem: expect.stringContaining('lane: expected one of "events", "samples", got "event"'),
    })
    expect(bad).toMatchObject({ problem: expect.stringContaining('seq: expected >= 0, got -1') })
  })

  it('never throw, whatever the payload', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), payload => void decodeBatches(payload)))
  })
})

describe('envelopes alone', () => {
  const id = { lane: 'events', epoch: '00000000000000aa', seq: 3 } as const
  const envelopesOf = (line: string) =>
    decodeEnvelopes(line).map(decoded => (decoded.ok ? decoded.envelope : decoded.why))

  it('are what the whole batch says, however it is written', () => {
    const clock = { unsynchronised: { from: 1, to: 2 } }
    const lines = [
      encodeBatch(id, 2, '[{"type":"x","a":[1,[2]]}]'),
      encodeBatch(id, 2, '[]', clock),
      '{"records":[{}],"v":1,"lane":"events","epoch":"00000000000000aa","seq":3,"oldest":2}',
      '{"v":1,"note":["\\"records\\":["],"lane":"events","epoch":"00000000000000aa","seq":3,"oldest":2,"records":[1]}',
    ]
    for (const line of lines) {
      const [whole] = decodeBatches(line)
      if (whole?.ok !== true) throw new Error('expected a batch')
      const { records: _, ...envelope } = whole.batch
      expect(envelopesOf(line)).toEqual([envelope])
    }
  })

  it('are refused as the whole would be: a line cut off, another version, a batch without a place', () => {
    const line = encodeBatch(id, 2, '[{"type":"x"}]')
    expect(envelopesOf(line.slice(0, -3))).toEqual(['malformed'])
    expect(envelopesOf(line.replace('"v":1', '"v":2'))).toEqual(['unknown-version'])
    expect(envelopesOf(line.replace('"seq":3,', ''))).toEqual(['malformed'])
  })
})
