import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { createCommitQueue } from '../src/embedded/commit-queue.ts'
import { type Outcome, openReaderCore, openWriterCore } from '../src/embedded/core.ts'
import { openForWriting } from '../src/embedded/database.ts'
import { replaceSpan } from '../src/embedded/intervals.ts'
import type { StoreWrite } from '../src/index.ts'
import { machines, T0, temporaryFolder } from './support.ts'

describe('a transaction', () => {
  const folder = temporaryFolder()
  const limits = { fileMaxBytes: 1e9, walMaxBytes: 1e8, busyTimeoutMs: 100 }
  afterAll(() => folder.remove())

  it('rejects only the write that the tables refuse, and keeps the rest of it', () => {
    const db = openForWriting(join(folder.path, 'careful.db'), limits)
    // Stands for a limit that only the tables know, such as the number of different signals.
    db.exec(`CREATE TRIGGER no_poison BEFORE INSERT ON signal WHEN new.name = 'poison'
      BEGIN SELECT raise(ABORT, 'no such signal, please'); END`)
    const [writer, reader] = [openWriterCore(db), openReaderCore(db)]
    const [series, unheard] = [machines.next(), machines.next()]
    const sample = (of: typeof series, at: number, name: string): StoreWrite => ({
      type: 'samples',
      series: of,
      at: [at],
      signals: { [name]: [1] },
    })
    const outcome = writer.write(
      [
        sample(series, T0, 'fine'),
        sample(unheard, T0, 'poison'),
        sample(unheard, T0, 'fine'),
        sample(series, T0 + 2, 'new'),
      ],
      T0,
    )
    expect(outcome).toEqual({ rejected: [[1, expect.stringContaining('no such signal')]] })
    const range = { from: T0, to: T0 + 10 }
    expect(reader.samples({ ...series, ...range })).toEqual({
      at: [T0, T0 + 2],
      signals: { fine: [1, null], new: [null, 1] },
    })
    expect(reader.samples({ ...unheard, ...range })).toEqual({ at: [T0], signals: { fine: [1] } })
    db.close()
  })

  it('that failed leaves nothing behind, in the file or in memory', () => {
    const db = openForWriting(join(folder.path, 'failed.db'), limits)
    db.exec(`CREATE TRIGGER no_off BEFORE INSERT ON state WHEN new.code = 6 BEGIN SELECT raise(ABORT, 'not now'); END`)
    const [writer, reader] = [openWriterCore(db), openReaderCore(db)]
    const series = machines.next()
    const state = (at: number, code: 'IDLE' | 'OFF'): StoreWrite => ({
      type: 'state',
      series,
      from: T0 + at,
      to: T0 + at + 1,
      code,
      since: T0 + at,
      provisional: false,
    })
    writer.write([state(0, 'OFF')], T0)
    // Becoming the past is what the table refuses here.
    expect(writer.write([state(1, 'IDLE')], T0).rejected).toHaveLength(1)
    const range = { ...series, from: T0, to: T0 + 10 }
    expect(reader.timeline(range).map(({ code }) => code)).toEqual(['OFF'])
    db.exec('DROP TRIGGER no_off')
    expect(writer.write([state(1, 'IDLE')], T0)).toEqual({ rejected: [] })
    expect(reader.timeline(range).map(({ code }) => code)).toEqual(['OFF', 'IDLE'])
    db.close()
  })
})

describe('the commit queue', () => {
  const count = (total: number): StoreWrite => ({ type: 'count', series, at: T0 + total, parts: 1, total })
  const counts = (from: number, to: number): StoreWrite[] =>
    Array.from({ length: to - from }, (_, n) => count(from + n))
  const series = machines.next()

  /** Transactions that the test lets end, one by one. */
  const hand = () => {
    const begun: (readonly StoreWrite[])[] = []
    const ends: ((outcome: Outcome) => void)[] = []
    const commit = (writes: readonly StoreWrite[]): Promise<Outcome> => {
      begun.push(writes)
      return new Promise(resolve => ends.push(resolve))
    }
    const end = async (outcome: Outcome = { rejected: [] }): Promise<void> => {
      while (ends.length === 0) await new Promise(resolve => setImmediate(resolve))
      ends.shift()?.(outcome)
    }
    return { begun, commit, end }
  }
  const failed = { code: 'STORE_BUSY', message: 'busy', retryable: true }

  it('makes one transaction of what comes while another is under way', async () => {
    const { begun, commit, end } = hand()
    const queue = createCommitQueue({ commit, delayMs: 0 })
    const first = queue.push([count(0)])
    while (begun.length === 0) await new Promise(resolve => setImmediate(resolve))
    const others = [queue.push([count(1)]), queue.push([count(2), count(3)])]
    await end()
    await end({ rejected: [[1, 'bad']] })
    expect(begun).toEqual([[count(0)], [count(1), count(2), count(3)]])
    expect(await first).toEqual({ accepted: 1, rejected: [], retry: [] })
    expect(await Promise.all(others)).toEqual([
      { accepted: 1, rejected: [], retry: [] },
      { accepted: 1, rejected: [{ write: count(2), reason: 'bad' }], retry: [] },
    ])
    await queue.close()
  })

  it('sends nothing more of a call of which a part failed, so that its order holds', async () => {
    const { begun, commit, end } = hand()
    const queue = createCommitQueue({ commit, delayMs: 0 })
    const long = queue.push(counts(0, 10_000))
    const other = queue.push([count(10_000)])
    await end()
    await end({ rejected: [], failed })
    await end()
    const { accepted, rejected, retry } = await long
    expect([accepted, rejected]).toEqual([4_000, []])
    expect(retry).toEqual(counts(4_000, 10_000))
    expect((await other).accepted).toBe(1)
    expect(begun.map(writes => writes.length)).toEqual([4_000, 4_000, 1])
    await queue.close()
  })

  it('hands back at once what is more than it may hold', async () => {
    const { commit, end } = hand()
    const queue = createCommitQueue({ commit, delayMs: 0 })
    const held = queue.push(counts(0, 200_000))
    const refused = await queue.push([count(1)])
    expect(refused).toEqual({ accepted: 0, rejected: [], retry: [count(1)] })
    await end({ rejected: [], failed })
    expect((await held).retry).toHaveLength(200_000)
    await queue.close()
  })
})

describe('replacing a span', () => {
  it('keeps the same rows when the same is said again', () => {
    const row = { start: 0, stop: 10, code: 1, since: 0, provisional: 0, kind: 1 }
    expect(replaceSpan([row], { ...row, start: 3, stop: 5 })).toEqual([row])
    expect(replaceSpan([row], { ...row, start: 10, stop: 15 })).toEqual([{ ...row, stop: 15 }])
    expect(replaceSpan([row], { ...row, start: 3, stop: 5, kind: 2 })).toHaveLength(3)
  })
})
