import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { INTERVALS, LIMITS, type NakamaRecord, type SamplesRecord } from '@nakama/contract'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { SEGMENT_BYTES, scanSegment } from '../src/journal/format.ts'
import { JOURNAL_MIN_BYTES } from '../src/journal/journal.ts'
import { createDisk, seeded } from './journal-disk.ts'
import {
  at,
  countOf,
  covered,
  drain,
  fill,
  gapsIn,
  onDisk,
  openTestJournal,
  recordOf,
  recordsOf,
  START,
  timeOf,
} from './journal-support.ts'

const BIG = 60 * 1024

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nakama-journal-'))
})
afterEach(async () => {
  vi.useRealTimers()
  await rm(dir, { recursive: true, force: true })
})

/** What a journal in a folder holds, read without it. */
const durableRecords = async (): Promise<NakamaRecord[]> => {
  const records: NakamaRecord[] = []
  for (const name of (await readdir(dir)).filter(each => each.endsWith('.segment'))) {
    const bytes = await readFile(join(dir, name))
    const scan = scanSegment(bytes)
    if (scan.type !== 'segment') continue
    for (const { offset, bytes: length } of scan.sections.flatMap(section => section.batches)) {
      records.push(...(JSON.parse(bytes.toString('utf8', offset, offset + length)) as NakamaRecord[]))
    }
  }
  return records
}

describe('what is appended', () => {
  it('survives a power cut a second later, whenever it comes', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const random = seeded(3)
    for (let round = 0; round < 10; round++) {
      const disk = createDisk(random)
      const journal = await onDisk(disk)
      const times: number[] = []
      let passedMs = 0
      for (const count = 1 + Math.floor(random() * 20); times.length < count; ) {
        const pauseMs = Math.floor(random() * 900)
        await vi.advanceTimersByTimeAsync(pauseMs)
        passedMs += pauseMs
        times.push(START + passedMs + times.length)
        journal.append(recordOf(random() < 0.5 ? 'samples' : 'events', times.at(-1)!))
      }
      await vi.advanceTimersByTimeAsync(INTERVALS.journalMaxDelayMs)
      disk.crash(true)
      vi.clearAllTimers()
      expect(
        recordsOf(await drain(await onDisk(disk)))
          .map(timeOf)
          .sort(),
      ).toEqual(times)
    }
  })

  it('reaches a real card by itself', async () => {
    const journal = await openTestJournal({ dir })
    journal.append(recordOf('samples', at(1)))
    journal.append(recordOf('events', at(2)))
    await vi.waitFor(async () => expect((await durableRecords()).map(timeOf).sort()).toEqual([at(1), at(2)]), 10_000)
    await journal.close()
  })

  it('is written in groups, about once a second, however often something comes', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    journal.append(recordOf('samples', at(0)))
    await vi.advanceTimersByTimeAsync(2_000)
    const before = disk.counts.sync
    for (let i = 1; i <= 200; i++) {
      journal.append(recordOf('samples', at(i)))
      await vi.advanceTimersByTimeAsync(50)
    }
    expect(disk.counts.sync - before).toBeGreaterThanOrEqual(10)
    expect(disk.counts.sync - before).toBeLessThanOrEqual(13)
  })

  it('can be read at once, before it is durable', async () => {
    const journal = await onDisk(createDisk(seeded(1)))
    journal.append(recordOf('events', at(1), BIG))
    journal.append(recordOf('events', at(2), BIG))
    const [batch] = await journal.read('events', journal.epoch, 1, 0)
    expect(recordsOf(batch ? [batch] : []).map(timeOf)).toEqual([at(1)])
  })

  it('keeps its order, its lane and every octet', async () => {
    const journal = await openTestJournal({ dir })
    const records = [1, 2, 3, 4].map(i => ({ ...recordOf(i % 2 ? 'events' : 'samples', at(i)), name: '旋盤 №1 "\\' }))
    for (const record of records) journal.append(record)
    await journal.close()
    const next = await openTestJournal({ dir })
    const batches = await drain(next)
    expect(batches.map(({ lane, epoch, seq }) => [lane, epoch, seq])).toEqual([
      ['events', journal.epoch, 1],
      ['samples', journal.epoch, 1],
    ])
    expect(batches.map(({ recordsJson }) => recordsJson)).toEqual([
      JSON.stringify([records[0], records[2]]),
      JSON.stringify([records[1], records[3]]),
    ])
    await next.close()
  })

  it('fits into batches that may be sent', async () => {
    const journal = await onDisk(createDisk(seeded(1)))
    for (let i = 0; i < 12_000; i++) journal.append(recordOf('events', at(i)))
    await journal.flush()
    const batches = await drain(journal)
    expect(batches.flatMap(batch => recordsOf([batch])).map(timeOf)).toEqual(
      Array.from({ length: 12_000 }, (_, i) => at(i)),
    )
    for (const batch of batches) {
      expect(batch.bytes).toBeLessThanOrEqual(LIMITS.batchMaxBytes - 200)
      expect(recordsOf([batch]).length).toBeLessThanOrEqual(LIMITS.batchMaxRecords)
    }
  })

  it('is split by rows when it is larger than a batch, and refused when it cannot be', async () => {
    const journal = await onDisk(createDisk(seeded(1)))
    const rows = Array.from({ length: 1_000 }, (_, i) => at(i))
    const names = Array.from({ length: 30 }, (_, i) => `signal_${i}`)
    const large: SamplesRecord = {
      type: 'samples',
      machine: 'm1',
      kind: 'nc-lathe',
      at: rows,
      signals: Object.fromEntries(names.map((name, n) => [name, rows.map((_, i) => i + n / 100)])),
    }
    journal.append(large)
    const before = await countOf('journal_refused_records')
    journal.append(recordOf('events', at(1), LIMITS.batchMaxBytes))
    expect(await countOf('journal_refused_records')).toBe(before + 1)
    await journal.flush()
    const parts = recordsOf(await drain(journal)) as SamplesRecord[]
    expect(parts.length).toBeGreaterThan(2)
    expect(parts.flatMap(part => part.at)).toEqual(large.at)
    for (const name of names) expect(parts.flatMap(part => part.signals[name])).toEqual(large.signals[name])
  })

  it('is refused and counted once the journal is closed', async () => {
    const journal = await openTestJournal({ dir })
    journal.append(recordOf('events', at(1)))
    const before = await countOf('journal_refused_records')
    const closed = journal.close()
    journal.append(recordOf('events', at(2)))
    await closed
    await journal.close()
    expect(await countOf('journal_refused_records')).toBe(before + 1)
    const next = await openTestJournal({ dir })
    expect(recordsOf(await drain(next)).map(timeOf)).toEqual([at(1)])
    await next.close()
  })
})

describe('a journal that is opened again', () => {
  it('delivers several epochs, the oldest first, each under its own name', async () => {
    const epochs: string[] = []
    for (let i = 0; i < 4; i++) {
      const journal = await openTestJournal({ dir })
      epochs.push(journal.epoch)
      journal.append(recordOf('events', at(2 * i)))
      await journal.flush()
      journal.append(recordOf('events', at(2 * i + 1)))
      await journal.close()
    }
    const journal = await openTestJournal({ dir })
    expect(new Set([...epochs, journal.epoch]).size).toBe(5)
    expect(journal.streams().filter(({ lane }) => lane === 'events')).toEqual([
      ...epochs.map(epoch => ({ lane: 'events', epoch, oldest: 1, newest: 2 })),
      { lane: 'events', epoch: journal.epoch, oldest: 1, newest: 0 },
    ])
    const delivered = await drain(journal)
    expect(delivered.map(({ epoch, seq }) => [epoch, seq])).toEqual(
      epochs.flatMap(epoch => [
        [epoch, 1],
        [epoch, 2],
      ]),
    )
    expect(recordsOf(delivered).map(timeOf)).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map(at))
    await journal.close()
  })

  it('does not deliver again what was acknowledged', async () => {
    const journal = await openTestJournal({ dir })
    for (let i = 1; i <= 3; i++) {
      journal.append(recordOf('samples', at(i)))
      await journal.flush()
    }
    journal.deleteUpTo('samples', journal.epoch, 2)
    await journal.close()
    const next = await openTestJournal({ dir })
    expect(next.streams().find(({ epoch }) => epoch === journal.epoch)).toMatchObject({ oldest: 3, newest: 3 })
    expect(recordsOf(await drain(next)).map(timeOf)).toEqual([at(3)])
    await next.close()
  })

  it('forgets only the oldest stream, and only what is there', async () => {
    const first = await openTestJournal({ dir })
    first.append(recordOf('events', at(1)))
    await first.close()
    const journal = await openTestJournal({ dir })
    journal.append(recordOf('events', at(2)))
    await journal.flush()
    const before = journal.streams()
    const ignored = await countOf('journal_ignored_deletes')
    journal.deleteUpTo('events', journal.epoch, 1)
    journal.deleteUpTo('events', first.epoch, 2)
    journal.deleteUpTo('events', first.epoch, 0)
    journal.deleteUpTo('events', '0123456789abcdef', 1)
    journal.deleteUpTo('samples', first.epoch, 1)
    expect(journal.streams()).toEqual(before)
    expect(await countOf('journal_ignored_deletes')).toBe(ignored + 5)
    journal.deleteUpTo('events', first.epoch, 1)
    expect(journal.streams().filter(({ lane }) => lane === 'events')).toHaveLength(1)
    await journal.close()
  })

  it('knows when each machine was last read although everything is acknowledged', async () => {
    const journal = await openTestJournal({ dir })
    expect(journal.lastJournaled).toEqual({ at: undefined, byMachine: new Map() })
    journal.append(recordOf('samples', at(10), 0, 'm1'))
    journal.append(recordOf('events', at(20), 0, 'm2'))
    journal.append({
      type: 'gap',
      at: at(99),
      machine: 'm2',
      from: at(1),
      to: at(99),
      what: 'all',
      why: 'agent-stopped',
    })
    journal.append({ type: 'profile', at: at(99), machine: 'm3', kind: 'nc-lathe', name: 'new' })
    await journal.flush()
    await drain(journal)
    await journal.close()
    for (let i = 0; i < 3; i++) {
      const next = await openTestJournal({ dir })
      expect(next.lastJournaled).toEqual({
        at: at(20),
        realAt: at(20),
        byMachine: new Map([
          ['m1', at(10)],
          ['m2', at(20)],
        ]),
      })
      await drain(next)
      await next.close()
    }
  })

  it('knows it of a machine that was silent when the segment was changed', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    // Seventeen batches fill a segment; the last one lies alone in the next.
    await fill(journal, 'samples', 0, 17)
    journal.append(recordOf('samples', at(17), BIG, 'm2'))
    await journal.flush()
    await drain(journal)
    // Enough to overwrite whatever is free.
    for (let second = 20; second < 120; second += 20) {
      for (let i = 0; i < 20; i++)
        journal.append({ type: 'profile', at: at(0), machine: 'm3', kind: 'other', name: 'x'.repeat(BIG) })
      await journal.flush()
      await drain(journal)
    }
    await journal.close()
    const { byMachine } = (await onDisk(disk)).lastJournaled
    expect(byMachine).toEqual(
      new Map([
        ['m1', at(16)],
        ['m2', at(17)],
      ]),
    )
  })

  it('knows it still after the segments have been recycled many times', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    for (let round = 0; round < 10; round++) {
      await fill(journal, 'samples', round * 20, round * 20 + 20)
      await drain(journal)
    }
    expect(disk.usedBytes()).toBeLessThan(6 * SEGMENT_BYTES)
    await journal.close()
    expect((await onDisk(disk)).lastJournaled.at).toBe(at(199))
  })

  it('does not take what follows for acknowledged when an acknowledged batch was lost with the power', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    disk.fail('open', 1_000, /segment/)
    journal.append(recordOf('events', at(1)))
    // Published without waiting for the card, acknowledged, and the ack written down.
    expect(await journal.flush()).toBe(false)
    journal.deleteUpTo('events', journal.epoch, 1)
    await vi.advanceTimersByTimeAsync(10_000)
    disk.fail('open', 0)
    disk.crash(true)
    const second = await onDisk(disk)
    second.append(recordOf('events', at(2)))
    await second.flush()
    disk.crash(true)
    const third = await onDisk(disk)
    expect(recordsOf(await drain(third)).map(timeOf)).toContain(at(2))
  })

  it('goes on where an older acks file stands, and says that something may be missing', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    await fill(journal, 'samples', 0, 10)
    await journal.close()
    const older = Buffer.from(disk.contentOf('acks'))
    const second = await onDisk(disk)
    await fill(second, 'samples', 10, 60)
    for (const batch of await drain(second)) expect(batch.seq).toBeGreaterThan(0)
    await fill(second, 'samples', 60, 100)
    await second.close()
    disk.put('acks', older)
    const third = await onDisk(disk)
    const records = recordsOf(await drain(third))
    await third.flush()
    const gaps = gapsIn([...records, ...recordsOf(await drain(third))])
    const delivered = new Set(records.map(timeOf))
    for (let second = 0; second < 100; second++) {
      expect(delivered.has(at(second)) || covered(gaps, 'samples', at(second))).toBe(true)
    }
    for (let second = 60; second < 100; second++) expect(delivered.has(at(second))).toBe(true)
  })

  it('tells no loss after a crash when everything that is gone was acknowledged', async () => {
    const disk = createDisk(seeded(1))
    const journal = await onDisk(disk)
    for (let round = 0; round < 5; round++) {
      await fill(journal, 'samples', round * 20, round * 20 + 20)
      await drain(journal)
    }
    disk.crash(true)
    const next = await onDisk(disk)
    await next.flush()
    expect(gapsIn(recordsOf(await drain(next)))).toEqual([])
  })

  it('needs no acks file: what was acknowledged is then delivered once more', async () => {
    const journal = await openTestJournal({ dir })
    journal.append(recordOf('events', at(1)))
    await journal.flush()
    await drain(journal)
    await journal.close()
    await writeFile(join(dir, 'acks'), 'nonsense')
    const next = await openTestJournal({ dir })
    const delivered = await drain(next)
    expect(delivered.map(({ epoch, seq }) => [epoch, seq])).toEqual([[journal.epoch, 1]])
    await next.close()
  })

  it('leaves alone what is not its own, and clears away what it could not finish making', async () => {
    await writeFile(join(dir, 'note.txt'), 'mine')
    await writeFile(join(dir, '000009.segment.new'), 'half made')
    const journal = await openTestJournal({ dir })
    journal.append(recordOf('events', at(1)))
    await journal.close()
    expect(await readFile(join(dir, 'note.txt'), 'utf8')).toBe('mine')
    const names = (await readdir(dir)).filter(name => !/^\d{6}\.segment$/.test(name))
    expect(names.sort()).toEqual(['acks', 'lock', 'note.txt'])
  })
})

describe('a journal that cannot be', () => {
  it('says so: a folder that is a file, too few octets', async () => {
    await writeFile(join(dir, 'file'), '')
    await expect(openTestJournal({ dir: join(dir, 'file') })).rejects.toMatchObject({ code: 'JOURNAL_UNUSABLE' })
    await expect(openTestJournal({ dir, maxBytes: JOURNAL_MIN_BYTES - 1 })).rejects.toMatchObject({
      code: 'JOURNAL_UNUSABLE',
    })
  })
})
