import { afterEach, describe, expect, it, vi } from 'vitest'
import { SEGMENT_BYTES } from '../src/journal/format.ts'
import { JOURNAL_MIN_BYTES } from '../src/journal/journal.ts'
import { createDisk, seeded } from './journal-disk.ts'
import { at, countOf, covered, drain, fill, gapsIn, onDisk, recordOf, recordsOf, timeOf } from './journal-support.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** Everything still there, with what was told on the way. */
const empty = async (journal: Awaited<ReturnType<typeof onDisk>>) => {
  const first = await drain(journal)
  await journal.flush()
  const records = recordsOf([...first, ...(await drain(journal))])
  return { times: new Set(records.filter(record => record.type !== 'gap').map(timeOf)), gaps: gapsIn(records) }
}

const seconds = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => at(from + i))

describe('a journal that is full', () => {
  it('gives up the oldest samples, keeps every event, and tells what it gave up', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    await fill(journal, 'events', 0, 10)
    await fill(journal, 'samples', 10, 310)
    expect(disk.usedBytes()).toBeLessThanOrEqual(JOURNAL_MIN_BYTES)
    const { times, gaps } = await empty(journal)
    for (const time of seconds(0, 10)) expect(times.has(time)).toBe(true)
    for (const time of seconds(10, 310)) expect(times.has(time)).not.toBe(covered(gaps, 'samples', time))
    expect(seconds(10, 310).filter(time => times.has(time)).length).toBeGreaterThan(40)
    expect(seconds(270, 310).every(time => times.has(time))).toBe(true)
    expect(new Set(gaps.map(gap => gap.why))).toEqual(new Set(['journal-full']))
  })

  it('gives up events only when there are no more samples to give up', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    await fill(journal, 'samples', 0, 40)
    await fill(journal, 'events', 40, 240)
    const { times, gaps } = await empty(journal)
    const kept = seconds(40, 240).filter(time => times.has(time))
    expect(kept.length).toBeGreaterThan(40)
    for (const time of seconds(0, 40)) expect(times.has(time) || covered(gaps, 'samples', time)).toBe(true)
    for (const time of seconds(40, 240)) expect(times.has(time) || covered(gaps, 'events', time)).toBe(true)
    // Of the samples the newest are still there, because they know when a machine was last read.
    expect(times.has(at(39))).toBe(true)
    expect(times.has(at(0))).toBe(false)
  })

  it('tells an older loss again when it gives up the events that told it', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    await fill(journal, 'samples', 0, 150)
    await fill(journal, 'events', 150, 450)
    const { times, gaps } = await empty(journal)
    expect(times.has(at(150))).toBe(false)
    for (const time of seconds(0, 150)) expect(times.has(time) || covered(gaps, 'samples', time)).toBe(true)
  })

  it('keeps the newest when it is opened with a smaller bound', async () => {
    const disk = createDisk(seeded(1))
    const wide = await onDisk(disk, 40 * SEGMENT_BYTES)
    await fill(wide, 'events', 0, 10)
    await fill(wide, 'samples', 10, 400)
    await wide.close()
    expect(disk.usedBytes()).toBeGreaterThan(20 * SEGMENT_BYTES)
    const journal = await onDisk(disk)
    expect(await journal.flush()).toBe(true)
    expect(disk.usedBytes()).toBeLessThanOrEqual(JOURNAL_MIN_BYTES)
    const { times, gaps } = await empty(journal)
    for (const time of seconds(0, 10)) expect(times.has(time)).toBe(true)
    for (const time of seconds(10, 400)) expect(times.has(time) || covered(gaps, 'samples', time)).toBe(true)
    expect(seconds(10, 400).filter(time => times.has(time)).length).toBeGreaterThan(40)
  })
})

describe('what is given up', () => {
  it('stays owed until its gap is on the card, whatever else is acknowledged and written down by then', async () => {
    const disk = createDisk(seeded(1))
    const wide = await onDisk(disk, 40 * SEGMENT_BYTES)
    await fill(wide, 'samples', 0, 300)
    await wide.close()
    disk.fail('open', Number.POSITIVE_INFINITY, /segment/)
    // The bound is smaller now, but nothing can be told: the acks alone are written.
    const narrow = await onDisk(disk)
    const [head] = narrow.streams().filter(({ lane }) => lane === 'samples')
    expect(head?.oldest).toBeGreaterThan(100)
    narrow.deleteUpTo('samples', wide.epoch, head!.oldest)
    await narrow.close()
    disk.fail('open', 0)
    disk.crash(true)
    const { times, gaps } = await empty(await onDisk(disk))
    for (const time of seconds(0, 300)) expect(times.has(time) || covered(gaps, 'samples', time)).toBe(true)
  })
})

describe('a file that has rotted', () => {
  it('is told of whenever the power is cut while it is being told', async () => {
    for (let operations = 0; operations < 40; operations++) {
      const disk = createDisk(seeded(operations))
      const first = await onDisk(disk)
      await fill(first, 'events', 0, 17)
      await fill(first, 'samples', 17, 17 + 17 + 5)
      await first.close()
      // Only what is used: so that the rotten file is the first that could be overwritten.
      const headOf = (name: string): Buffer => disk.contentOf(name).subarray(0, 8)
      const segments = disk.names().filter(name => name.endsWith('.segment'))
      for (const name of segments) if (headOf(name)[0] === 0) await disk.storage().remove(name)
      const rotten = segments.filter(name => disk.names().includes(name) && headOf(name)[4] === 1).at(-1)!
      disk.put(rotten, Buffer.concat([Buffer.alloc(1_024, 7), disk.contentOf(rotten).subarray(1_024)]))

      const died = disk.dieAfter(operations)
      await Promise.race([onDisk(disk), died])
      disk.crash(true)
      const { times, gaps } = await empty(await onDisk(disk))
      expect(times.has(at(33))).toBe(true)
      expect(times.has(at(38))).toBe(false)
      const isTold = gaps.some(gap => gap.what === 'samples' && gap.why === 'journal-corrupt')
      expect(`told after ${operations} operations: ${isTold}`).toBe(`told after ${operations} operations: true`)
    }
  })
})

describe('a file that was found corrupt', () => {
  it('is told of once, and not again at every opening', async () => {
    const disk = createDisk(seeded(1))
    const first = await onDisk(disk)
    await fill(first, 'samples', 0, 40)
    await first.close()
    const rotten = disk.names().find(name => name.endsWith('.segment') && disk.contentOf(name)[4] === 1) as string
    disk.put(rotten, Buffer.concat([Buffer.alloc(1_024, 7), disk.contentOf(rotten).subarray(1_024)]))
    const second = await onDisk(disk)
    await second.flush()
    expect((await empty(second)).gaps.map(gap => gap.why)).toContain('journal-corrupt')
    second.append(recordOf('samples', at(50)))
    await second.close()
    const third = await onDisk(disk)
    expect((await empty(third)).gaps).toEqual([])
    await third.close()
  })
})

describe('a disk that is full', () => {
  it('does not stop the journal: what is appended can be sent, and is written once there is room', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const disk = createDisk(seeded(1))
    disk.setFull(true)
    const journal = await onDisk(disk)
    journal.append(recordOf('events', at(1)))
    journal.append(recordOf('samples', at(2)))
    expect(await journal.flush()).toBe(false)
    expect(recordsOf(await drain(journal, false)).map(timeOf)).toEqual([at(1), at(2)])
    disk.setFull(false)
    await vi.advanceTimersByTimeAsync(15_000)
    expect(await journal.flush()).toBe(true)
    disk.crash(true)
    const next = await onDisk(disk)
    expect((await empty(next)).times).toEqual(new Set([at(1), at(2)]))
  })

  it('costs the oldest samples and no event when the journal could not grow', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk, 40 * SEGMENT_BYTES)
    await fill(journal, 'events', 0, 10)
    await fill(journal, 'samples', 10, 50)
    disk.setFull(true)
    await fill(journal, 'samples', 50, 200)
    // On the card, not only in memory.
    expect(await journal.flush()).toBe(true)
    disk.crash(true)
    const { times, gaps } = await empty(await onDisk(disk, 40 * SEGMENT_BYTES))
    for (const time of seconds(0, 10)) expect(times.has(time)).toBe(true)
    for (const time of seconds(10, 200)) expect(times.has(time) || covered(gaps, 'samples', time)).toBe(true)
    expect(times.has(at(199))).toBe(true)
  })

  it('keeps what waits in memory bounded, samples going first, with a gap', async () => {
    const disk = createDisk(seeded(1))
    disk.setFull(true)
    const journal = await onDisk(disk)
    await fill(journal, 'events', 0, 10)
    await fill(journal, 'samples', 10, 300)
    expect(journal.stats().bytes).toBeLessThan(5 * 1024 * 1024)
    const { times, gaps } = await empty(journal)
    for (const time of seconds(0, 10)) expect(times.has(time)).toBe(true)
    for (const time of seconds(10, 300)) expect(times.has(time) || covered(gaps, 'samples', time)).toBe(true)
    expect(times.has(at(299))).toBe(true)
  })
})

describe('a disk that fails', () => {
  it('makes the journal write again, elsewhere, what a failed sync may have lost', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    journal.append(recordOf('events', at(1)))
    await journal.flush()
    journal.append(recordOf('events', at(2)))
    disk.fail('sync', 1)
    expect(await journal.flush()).toBe(false)
    journal.append(recordOf('events', at(3)))
    expect(await journal.flush()).toBe(true)
    disk.crash(true)
    const next = await onDisk(disk)
    const delivered = await drain(next)
    expect(recordsOf(delivered).map(timeOf)).toEqual([at(1), at(2), at(3)])
    expect(delivered.map(({ epoch, seq }) => [epoch, seq])).toEqual([1, 2, 3].map(seq => [journal.epoch, seq]))
  })

  it('gives nothing up while every sync fails, however often it is tried', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    await fill(journal, 'samples', 0, 60)
    const full = disk.usedBytes()
    disk.fail('sync', Number.POSITIVE_INFINITY, /segment/)
    for (let i = 60; i < 100; i++) {
      journal.append(recordOf('samples', at(i)))
      expect(await journal.flush()).toBe(false)
    }
    disk.fail('sync', 0)
    expect(await journal.flush()).toBe(true)
    expect(disk.usedBytes()).toBeLessThanOrEqual(full + 2 * SEGMENT_BYTES)
    const { times, gaps } = await empty(journal)
    expect(times).toEqual(new Set(seconds(0, 100)))
    expect(gaps).toEqual([])
  })

  it('costs no file when it takes a header and then refuses the records, however often', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    await fill(journal, 'samples', 0, 20)
    const before = disk.names().length
    journal.append(recordOf('samples', at(20)))
    disk.fail('sync', 1, /segment/)
    expect(await journal.flush()).toBe(false)
    for (let i = 0; i < 20; i++) {
      disk.fail('sync', 1, /segment/, 1)
      expect(await journal.flush()).toBe(false)
    }
    expect(disk.names().length).toBeLessThanOrEqual(before + 1)
    expect(await journal.flush()).toBe(true)
    disk.crash(true)
    expect((await empty(await onDisk(disk))).times).toEqual(new Set(seconds(0, 21)))
  })

  it('finds in memory what it refused, however much was appended meanwhile', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    await fill(journal, 'samples', 0, 1)
    for (let second = 1; second < 9; second++) journal.append(recordOf('samples', at(second), 60 * 1024))
    disk.fail('sync', 1, /segment/)
    const resume = disk.stall('sync', /segment/)
    const flushed = journal.flush()
    const syncs = disk.counts.sync
    await vi.waitFor(() => expect(disk.counts.sync).toBeGreaterThan(syncs))
    for (let second = 9; second < 16; second++) journal.append(recordOf('samples', at(second), 60 * 1024))
    resume()
    await flushed
    expect(await journal.flush()).toBe(true)
    disk.crash(true)
    expect((await empty(await onDisk(disk))).times).toEqual(new Set(seconds(0, 16)))
  })

  it('goes on in another file when one refuses for good', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    journal.append(recordOf('events', at(1)))
    expect(await journal.flush()).toBe(true)
    disk.fail('write', Number.POSITIVE_INFINITY, /^000001/)
    journal.append(recordOf('events', at(2)))
    expect(await journal.flush()).toBe(false)
    expect(await journal.flush()).toBe(true)
    disk.crash(true)
    expect((await empty(await onDisk(disk))).times).toEqual(new Set([at(1), at(2)]))
  })

  it('costs a gap and a count only when a segment cannot be read again and again', async () => {
    const disk = createDisk(seeded(1))
    const first = await onDisk(disk)
    await fill(first, 'samples', 0, 40)
    await first.close()
    const journal = await onDisk(disk)
    const failed = await countOf('journal_read_errors')
    const { epoch } = first
    disk.fail('read', 3 + 3, /segment/)
    // The first segment is known from the opening; the second one is not.
    const from = 20
    expect(await journal.read('samples', epoch, from, 0)).toEqual([])
    expect(await journal.read('samples', epoch, from, 0)).toEqual([])
    expect((await journal.read('samples', epoch, from, 0))[0]?.seq).toBe(from)
    expect(await countOf('journal_read_errors')).toBe(failed + 2)
    disk.fail('read', 9, /segment/)
    // Past the copy in memory again.
    await journal.read('samples', epoch, 1, 0)
    await journal.read('samples', epoch, 1, 0)
    const given = await journal.read('samples', epoch, 1, 0)
    expect(given[0]?.seq).toBeGreaterThan(10)
    disk.fail('read', 0)
    const { times, gaps } = await empty(journal)
    expect(times.has(at(39))).toBe(true)
    for (const time of seconds(0, 40)) expect(times.has(time) || covered(gaps, 'samples', time)).toBe(true)
    expect(gaps.map(gap => gap.why)).toContain('journal-corrupt')
  })

  it('is not blamed where a segment was recycled while it was being read', async () => {
    const disk = createDisk(seeded(1))
    const first = await onDisk(disk)
    await fill(first, 'samples', 0, 40)
    await first.close()
    const journal = await onDisk(disk)
    const lives = (): string[] => {
      const used = disk.names().filter(name => name.endsWith('.segment') && disk.contentOf(name)[0] !== 0)
      return used.map(name => disk.contentOf(name).toString('hex', 8, 16))
    }
    const before = lives()
    const resume = disk.stall('read', /segment/)
    const reading = journal.read('samples', first.epoch, 20, 0)
    journal.deleteUpTo('samples', first.epoch, 40)
    for (let second = 40; second < 160; second += 20) {
      await fill(journal, 'samples', second, second + 20)
      journal.deleteUpTo('samples', journal.epoch, second - 20)
    }
    expect(lives().filter(life => before.includes(life))).toEqual([])
    resume()
    expect(await reading).toEqual([])
    expect((await empty(journal)).gaps).toEqual([])
  })

  it('does not keep the journal from opening', async () => {
    const disk = createDisk(seeded(1))
    const first = await onDisk(disk)
    await fill(first, 'samples', 0, 40)
    await first.close()
    for (const operation of ['read', 'write', 'sync', 'create', 'open'] as const) {
      disk.fail(operation, 2)
      const journal = await onDisk(disk)
      journal.append(recordOf('events', at(100)))
      disk.fail(operation, 0)
      expect(await journal.flush()).toBe(true)
      await journal.close()
    }
    const { times } = await empty(await onDisk(disk))
    expect([...times].sort()).toEqual([...seconds(0, 40), at(100)])
  })
})

describe('a batch that nobody can take', () => {
  it('goes to the dead letters, and a gap is told', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    for (const i of [1, 2, 3]) {
      journal.append(recordOf('samples', at(i)))
      await journal.flush()
    }
    const { epoch } = journal
    const before = await countOf('journal_dead_letters')
    // Only a stream's oldest batch can be the one.
    await journal.deadLetter('samples', epoch, 2)
    await journal.deadLetter('events', epoch, 1)
    await journal.deadLetter('samples', '0123456789abcdef', 1)
    expect(disk.names()).not.toContain('dead-letter.jsonl')
    await journal.deadLetter('samples', epoch, 1)
    expect(await countOf('journal_dead_letters')).toBe(before + 1)
    const [line, end] = disk.contentOf('dead-letter.jsonl').toString().split('\n')
    expect(JSON.parse(line ?? '')).toMatchObject({
      lane: 'samples',
      epoch,
      seq: 1,
      records: [recordOf('samples', at(1))],
    })
    expect(end).toBe('')
    const { times, gaps } = await empty(journal)
    expect(times).toEqual(new Set([at(2), at(3)]))
    expect(gaps).toMatchObject([{ what: 'samples', why: 'dead-letter', from: at(1), to: at(1) + 1 }])
  })

  it('stays while the disk does not take it', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    journal.append(recordOf('events', at(1)))
    await journal.flush()
    disk.fail('append', 1)
    await journal.deadLetter('events', journal.epoch, 1)
    expect(recordsOf(await drain(journal, false)).map(timeOf)).toEqual([at(1)])
    await journal.deadLetter('events', journal.epoch, 1)
    expect((await empty(journal)).gaps).toHaveLength(1)
  })
})

describe('the figures', () => {
  it('tell how much is not acknowledged, and since when', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    expect(journal.stats()).toEqual({ bytes: 0, maxBytes: JOURNAL_MIN_BYTES, oldestAt: null })
    journal.append(recordOf('samples', at(5)))
    expect(journal.stats()).toMatchObject({ oldestAt: at(5), bytes: expect.any(Number) })
    expect(journal.stats().bytes).toBeGreaterThan(80)
    await fill(journal, 'samples', 10, 60)
    expect(journal.stats().bytes).toBeGreaterThan(50 * 60 * 1024)
    expect(journal.stats().oldestAt).toBe(at(5))
    await journal.close()

    const next = await onDisk(disk)
    expect(next.stats().oldestAt).toBe(at(5))
    next.deleteUpTo('samples', journal.epoch, 20)
    await next.read('samples', journal.epoch, 21, 0)
    const [batch] = await next.read('samples', journal.epoch, 21, 0)
    expect(next.stats().oldestAt).toBe(batch && timeOf(recordsOf([batch])[0]!))
    await drain(next)
    expect(next.stats()).toMatchObject({ bytes: 0, oldestAt: null })
  })

  it('call the listener when batches come or are given up, and no more once it is taken away', async () => {
    const journal = await onDisk(createDisk(seeded(1)))
    let calls = 0
    const take = journal.onChange(() => calls++)
    journal.append(recordOf('events', at(1)))
    await journal.flush()
    expect(calls).toBeGreaterThan(0)
    const before = calls
    await journal.deadLetter('events', journal.epoch, 1)
    expect(calls).toBeGreaterThan(before)
    take()
    const after = calls
    journal.append(recordOf('events', at(2)))
    await journal.flush()
    expect(calls).toBe(after)
  })
})
