import { execFileSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NakamaRecord } from '@nakama/contract'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { SEGMENT_BYTES } from '../src/journal/format.ts'
import { createDisk, type Disk, seeded } from './journal-disk.ts'
import {
  at,
  covered,
  drain,
  fill,
  gapsIn,
  metrics,
  openTestJournal,
  recordsOf,
  type TestJournal,
  timeOf,
} from './journal-support.ts'

const MIB = 1024 ** 2
/** More often the disk is not asked. */
const LOOK_MS = 5_000
/** Two segments of each lane and the two that are ready. */
const NEEDED_BYTES = 6 * SEGMENT_BYTES
const OTHER_FILES_BYTES = 64 * 1024

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const open = (disk: Disk, minFreeBytes?: number): Promise<TestJournal> =>
  openTestJournal({ storage: disk.storage(), maxBytes: 64 * SEGMENT_BYTES, minFreeBytes })

const freeOn = async (disk: Disk): Promise<number> => (await disk.storage().space()).freeBytes

/** Time for the disk to be looked at again, and a commit that does it. */
const lookAgain = async (journal: TestJournal): Promise<void> => {
  vi.advanceTimersByTime(LOOK_MS)
  await journal.flush()
}

/** Of the seconds from 0 up to `to`, in which samples were journaled: those that are neither there nor told. */
const missing = (records: readonly NakamaRecord[], to: number): number[] => {
  const times = new Set(records.filter(record => record.type !== 'gap').map(timeOf))
  const gaps = gapsIn(records)
  return Array.from({ length: to }, (_, second) => second).filter(
    second => !times.has(at(second)) && !covered(gaps, 'samples', at(second)),
  )
}

const drainAll = async (journal: TestJournal): Promise<NakamaRecord[]> => {
  const first = await drain(journal)
  await journal.flush()
  return recordsOf([...first, ...(await drain(journal))])
}

describe('a journal on a disk that it shares', () => {
  it('never takes what is left to others: it then gives up its oldest samples, with a gap', async () => {
    const disk = createDisk(seeded(1))
    disk.leave(20 * MIB)
    const journal = await open(disk, 8 * MIB)
    await fill(journal, 'events', 0, 10)
    for (let second = 10; second < 400; second += 10) {
      await fill(journal, 'samples', second, second + 10)
      vi.advanceTimersByTime(1_000)
      expect(await freeOn(disk)).toBeGreaterThanOrEqual(8 * MIB - OTHER_FILES_BYTES)
    }
    // It took all that it may, and no more.
    expect(await freeOn(disk)).toBeLessThan(8 * MIB + SEGMENT_BYTES)
    expect(await journal.flush()).toBe(true)
    disk.crash(true)
    const records = await drainAll(await open(disk, 8 * MIB))
    const times = new Set(records.map(timeOf))
    expect(missing(records, 400)).toEqual([])
    for (let second = 0; second < 10; second++) expect(times.has(at(second))).toBe(true)
    expect(times.has(at(10))).toBe(false)
    expect(times.has(at(399))).toBe(true)
    expect(new Set(gapsIn(records).map(gap => gap.why))).toEqual(new Set(['journal-full']))
  })

  it('deletes nothing that is owed because others fill the disk, and does not grow', async () => {
    const disk = createDisk(seeded(1))
    disk.leave(100 * MIB)
    const journal = await open(disk, 40 * MIB)
    await fill(journal, 'samples', 0, 300)
    const used = disk.usedBytes()
    disk.leave(10 * MIB)
    for (let i = 0; i < 5; i++) await lookAgain(journal)
    expect(disk.usedBytes()).toBe(used)
    expect(recordsOf(await drain(journal, false)).map(timeOf)).toEqual(Array.from({ length: 300 }, (_, i) => at(i)))
    expect(journal.disk).toMatchObject({ freeBytes: 10 * MIB, minFreeBytes: 40 * MIB })

    // What comes now takes the place of the oldest.
    await fill(journal, 'samples', 300, 400)
    expect(await journal.flush()).toBe(true)
    expect(disk.usedBytes()).toBeLessThanOrEqual(used)
    const records = await drainAll(journal)
    expect(missing(records, 400)).toEqual([])
    expect(records.some(record => timeOf(record) === at(399))).toBe(true)
    await journal.close()
  })

  it('gives back what it needs no more, a few files at a time, and may grow again once there is room', async () => {
    const disk = createDisk(seeded(1))
    disk.leave(100 * MIB)
    const journal = await open(disk, 40 * MIB)
    await fill(journal, 'samples', 0, 300)
    await drain(journal)
    await journal.flush()
    // As long as nobody needs it, it is kept for the next time.
    expect(disk.usedBytes()).toBeGreaterThan(18 * MIB)
    disk.leave(30 * MIB)
    const before = disk.usedBytes()
    for (const givenBack of [4, 8, 10, 10]) {
      await lookAgain(journal)
      expect(disk.usedBytes()).toBe(before - givenBack * SEGMENT_BYTES)
    }

    disk.leave(0)
    for (let i = 0; i < 10; i++) await lookAgain(journal)
    expect(disk.usedBytes()).toBeLessThanOrEqual(NEEDED_BYTES + OTHER_FILES_BYTES)
    await fill(journal, 'samples', 300, 310)
    expect(await journal.flush()).toBe(true)

    disk.leave(100 * MIB)
    vi.advanceTimersByTime(LOOK_MS)
    await fill(journal, 'samples', 310, 500)
    expect(disk.usedBytes()).toBeGreaterThan(10 * MIB)
    expect(recordsOf(await drain(journal)).map(timeOf)).toEqual(Array.from({ length: 200 }, (_, i) => at(300 + i)))
    await journal.close()
  })

  it('takes the few files without which it cannot work, even of what is left to others', async () => {
    const disk = createDisk(seeded(1))
    disk.leave(10 * MIB)
    const journal = await open(disk)
    await fill(journal, 'samples', 0, 200)
    expect(await journal.flush()).toBe(true)
    expect(disk.usedBytes()).toBeLessThanOrEqual(NEEDED_BYTES + OTHER_FILES_BYTES)
    expect(disk.usedBytes()).toBeGreaterThan(4 * SEGMENT_BYTES)
    disk.crash(true)
    expect(missing(await drainAll(await open(disk)), 200)).toEqual([])
  })

  it('leaves 256 MiB unless told, and a twentieth of a disk on which that would be nearly all', async () => {
    const large = createDisk(seeded(1))
    large.leave(1_000 * MIB)
    expect((await open(large)).disk.minFreeBytes).toBe(256 * MIB)
    const small = createDisk(seeded(1))
    small.leave(14 * MIB, 14 * MIB)
    const journal = await open(small)
    expect(journal.disk.minFreeBytes).toBe(Math.floor((14 * MIB) / 20))
    await fill(journal, 'samples', 0, 300)
    expect(small.usedBytes()).toBeGreaterThan(12 * MIB)
    expect(small.usedBytes()).toBeLessThan(13.5 * MIB)
    expect((await open(createDisk(seeded(1)), 0)).disk.minFreeBytes).toBe(0)
  })

  it('is bounded by its own size alone when the disk does not tell what is left', async () => {
    const disk = createDisk(seeded(1))
    disk.tellSpace(false)
    const journal = await open(disk)
    await fill(journal, 'samples', 0, 300)
    expect(disk.usedBytes()).toBeGreaterThan(17 * MIB)
    expect(journal.disk.freeBytes).toBe(null)
    expect(missing(await drainAll(journal), 300)).toEqual([])
  })

  it('asks the disk at most every few seconds, and tells what it heard', async () => {
    const disk = createDisk(seeded(1))
    disk.leave(1_000 * MIB)
    const journal = await open(disk, 8 * MIB)
    const asked = disk.counts.space
    await fill(journal, 'samples', 0, 200)
    expect(disk.counts.space).toBe(asked)
    await lookAgain(journal)
    expect(disk.counts.space).toBe(asked + 1)
    expect(journal.disk.freeBytes).toBe(await freeOn(disk))
    expect(await metrics.text()).toMatch(/^nakama_test_journal_free_bytes [0-9]+$/m)
  })
})

const DISK_BYTES = 32 * MIB
const MIN_FREE_BYTES = 12 * MIB

/** Only root may mount a disk of its own. */
describe.runIf(process.getuid?.() === 0)('a journal on a small disk', () => {
  let dir: string
  beforeEach(async () => {
    vi.useRealTimers()
    dir = await mkdtemp(join(tmpdir(), 'nakama-headroom-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'nakama-test', dir])
  })
  afterEach(async () => {
    // Lazily: a journal whose test has failed still has files open.
    execFileSync('umount', ['-l', dir])
    await rm(dir, { recursive: true, force: true })
  })
  const free = (): number => statfsSync(dir).bavail * statfsSync(dir).bsize

  it('leaves to others what is theirs, through backlog, others that come and an opening anew', async () => {
    const journalDir = join(dir, 'journal')
    const openHere = () =>
      openTestJournal({ dir: journalDir, maxBytes: 64 * SEGMENT_BYTES, minFreeBytes: MIN_FREE_BYTES })
    const journal = await openHere()
    for (let second = 0; second < 500; second += 10) {
      await fill(journal, 'samples', second, second + 10)
      expect(free()).toBeGreaterThanOrEqual(MIN_FREE_BYTES - OTHER_FILES_BYTES)
    }
    expect(free()).toBeLessThan(MIN_FREE_BYTES + SEGMENT_BYTES + OTHER_FILES_BYTES)
    const full = (await readdir(journalDir)).length
    await writeFile(join(dir, 'others'), Buffer.alloc(8 * MIB, 1))
    await fill(journal, 'samples', 500, 600)
    expect((await readdir(journalDir)).length).toBe(full)
    await journal.close()

    const next = await openHere()
    expect(missing(await drainAll(next), 600)).toEqual([])
    await next.flush()
    await vi.waitFor(
      async () => {
        await fill(next, 'samples', 600, 601)
        expect(free()).toBeGreaterThanOrEqual(MIN_FREE_BYTES - OTHER_FILES_BYTES)
      },
      { timeout: 15_000, interval: 200 },
    )
    await next.close()
  })
})
