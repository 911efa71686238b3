import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BOOT_TIME_ZERO, SHIFT_MIN_MS } from '@nakama/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openBoots } from '../src/journal/boots.ts'
import { encodeLine } from '../src/journal/checked-line.ts'
import { createDisk } from './journal-disk.ts'
import { at, drain, openTestJournal, recordOf, recordsOf, START, timeOf } from './journal-support.ts'

const BOOT_A = 'aaaaaaaaaaaa'
const BOOT_B = 'bbbbbbbbbbbb'
const boot = (seconds: number): number => BOOT_TIME_ZERO + seconds * 1_000
const SHIFT_MS = START - BOOT_TIME_ZERO

const inFolder = async (work: (dir: string) => Promise<void>): Promise<void> => {
  const dir = await mkdtemp(join(tmpdir(), 'boots-'))
  try {
    await work(dir)
  } finally {
    await rm(dir, { recursive: true })
  }
}

const openIn = (dir: string, of: string, nowMs: number) => openTestJournal({ dir, boot: of, now: () => nowMs })

describe('a journal whose boot is not synchronised yet', () => {
  it('keeps no shift that cannot be true, nor believes one that it finds, and then keeps the right one', async () => {
    await inFolder(async dir => {
      await writeFile(join(dir, 'clock.1'), encodeLine({ boot: BOOT_A, shiftMs: -4_000 }))
      const journal = await openIn(dir, BOOT_A, boot(1))
      journal.append(recordOf('events', boot(2)))
      await journal.flush()
      for (const shiftMs of [-4_000, 0, SHIFT_MIN_MS - 1]) {
        expect([await journal.keepBootShift(shiftMs), journal.bootShiftMs]).toEqual([false, undefined])
      }
      expect(await drain(journal, false)).toEqual([])
      expect(await journal.keepBootShift(SHIFT_MS)).toBe(true)
      await journal.close()
      const next = await openIn(dir, BOOT_A, boot(3))
      expect((await drain(next)).map(({ clock }) => clock?.shiftMs)).toEqual([SHIFT_MS])
      await next.close()
    })
  })

  it('keeps back what it has until the shift is kept, and then tells it with every batch', async () => {
    await inFolder(async dir => {
      const journal = await openIn(dir, BOOT_A, boot(1))
      for (const lane of ['events', 'samples'] as const) journal.append(recordOf(lane, boot(2)))
      await journal.flush()
      expect(await drain(journal, false)).toEqual([])
      expect(journal.streams().filter(({ oldest, newest }) => oldest <= newest)).toEqual([])
      let told = 0
      journal.onChange(() => told++)
      expect(await journal.keepBootShift(SHIFT_MS)).toBe(true)
      expect(told).toBe(1)
      journal.append(recordOf('events', at(3)))
      await journal.flush()
      const sent = await drain(journal)
      expect(sent.map(({ lane, clock }) => [lane, clock])).toEqual([
        ['events', { shiftMs: SHIFT_MS }],
        ['events', undefined],
        ['samples', { shiftMs: SHIFT_MS }],
      ])
      await journal.close()
    })
  })

  it('sends what former boots left, in the meantime', async () => {
    await inFolder(async dir => {
      const former = await openIn(dir, BOOT_A, at(0))
      await former.keepBootShift(SHIFT_MS)
      former.append(recordOf('events', at(1)))
      await former.close()
      const journal = await openIn(dir, BOOT_B, boot(1))
      journal.append(recordOf('events', boot(2)))
      await journal.flush()
      expect(recordsOf(await drain(journal)).map(timeOf)).toEqual([at(1)])
      await journal.close()
    })
  })

  it('keeps the first shift for good, over restarts', async () => {
    await inFolder(async dir => {
      for (const shiftMs of [SHIFT_MS, SHIFT_MS + 777, SHIFT_MS - 777]) {
        const journal = await openIn(dir, BOOT_A, boot(1))
        journal.append(recordOf('events', boot(2)))
        await journal.keepBootShift(shiftMs)
        await journal.flush()
        expect(new Set((await drain(journal, false)).map(({ clock }) => clock?.shiftMs))).toEqual(new Set([SHIFT_MS]))
        await journal.close()
      }
    })
  })

  it('knows in real time when a machine was last read, or by its own clock in another life of the same boot', async () => {
    await inFolder(async dir => {
      const real = await openIn(dir, BOOT_A, at(0))
      real.append(recordOf('events', at(1)))
      await real.close()
      const dark = await openIn(dir, BOOT_B, boot(1))
      expect(dark.lastJournaled.at).toBe(at(1))
      dark.append(recordOf('events', boot(2)))
      await dark.close()
      const again = await openIn(dir, BOOT_B, boot(9))
      expect(again.lastJournaled).toMatchObject({ at: boot(2), realAt: at(1) })
      await again.keepBootShift(SHIFT_MS + 100_000)
      await again.close()
      const known = await openIn(dir, BOOT_B, at(200))
      expect(known.lastJournaled.at).toBe(at(102))
      await known.close()
    })
  })

  it('journals its losses in real time once that is known', async () => {
    await inFolder(async dir => {
      const dark = await openIn(dir, BOOT_A, boot(1))
      dark.append(recordOf('events', boot(2)))
      await dark.keepBootShift(SHIFT_MS)
      await dark.flush()
      const { epoch } = dark
      const [stream] = dark.streams()
      await dark.deadLetter('events', epoch, stream?.oldest ?? 0)
      await dark.flush()
      const gap = recordsOf(await drain(dark)).find(record => record.type === 'gap')
      expect(gap).toMatchObject({ from: at(2), to: at(2) + 1, why: 'dead-letter' })
      await dark.close()
    })
  })
})

describe('a boot that was never synchronised', () => {
  const leaveDark = async (dir: string, withFormer: boolean): Promise<void> => {
    if (withFormer) {
      const former = await openIn(dir, 'cccccccccccc', at(0))
      former.append(recordOf('events', at(1)))
      await drain(former)
      await former.close()
    }
    const dark = await openIn(dir, BOOT_A, boot(1))
    dark.append(recordOf('events', boot(50)))
    await dark.close()
  }

  it('gets bounds from the newest reading before to the start of the boot after, the same at every repetition', async () => {
    await inFolder(async dir => {
      await leaveDark(dir, true)
      const unsynchronised = { from: at(1), to: BOOT_TIME_ZERO + SHIFT_MS + 60_000 }
      const next = await openIn(dir, BOOT_B, at(99))
      await next.keepBootShift(SHIFT_MS + 60_000)
      next.append(recordOf('events', at(100)))
      await next.flush()
      const sent = await drain(next, false)
      expect(sent.find(({ recordsJson }) => recordsJson.includes(`${boot(50)}`))?.clock).toEqual({ unsynchronised })
      await next.close()
      const third = await openIn(dir, 'dddddddddddd', at(200))
      await third.keepBootShift(SHIFT_MS + 150_000)
      const again = await drain(third, false)
      expect(again.find(({ recordsJson }) => recordsJson.includes(`${boot(50)}`))?.clock).toEqual({ unsynchronised })
      // It holds nothing up.
      expect(recordsOf(again).map(timeOf)).toContain(at(100))
      await third.close()
    })
  })

  it('has a gap as long as it ran when nothing was ever read before', async () => {
    await inFolder(async dir => {
      await leaveDark(dir, false)
      const next = await openIn(dir, BOOT_B, at(99))
      expect(next.lastJournaled.at).toBeUndefined()
      await next.keepBootShift(SHIFT_MS)
      const [first] = await drain(next)
      expect(first?.clock).toEqual({ unsynchronised: { from: at(-50), to: at(0) } })
      await next.close()
    })
  })
})

describe('the file of the boots', () => {
  it('survives a torn or rotten line, and never believes it', async () => {
    await inFolder(async dir => {
      const journal = await openIn(dir, BOOT_A, boot(1))
      await journal.keepBootShift(SHIFT_MS)
      await journal.close()
      const [name] = (await readdir(dir)).filter(each => each.startsWith('clock.'))
      const file = join(dir, name as string)
      const text = await readFile(file, 'utf8')
      await writeFile(file, text.replace(`${SHIFT_MS}`, `${SHIFT_MS + 1}`).slice(0, -1))
      const next = await openIn(dir, BOOT_A, boot(2))
      expect(next.bootShiftMs).toBeUndefined()
      expect(await next.keepBootShift(SHIFT_MS + 5)).toBe(true)
      await next.close()
      const third = await openIn(dir, BOOT_A, boot(3))
      expect(third.bootShiftMs).toBe(SHIFT_MS + 5)
      await third.close()
    })
  })

  it('believes the first word of a boot, whatever was added behind it', async () => {
    const disk = createDisk(Math.random)
    const lives = [
      await openBoots(disk.storage(), BOOT_A, new Map()),
      await openBoots(disk.storage(), BOOT_A, new Map()),
    ]
    for (const [i, boots] of lives.entries()) await boots.keep(SHIFT_MS + i, undefined)
    expect((await openBoots(disk.storage(), BOOT_A, new Map())).shiftMs).toBe(SHIFT_MS)
  })

  it('stays small over hundreds of boots', async () => {
    const disk = createDisk(Math.random)
    const kept = { name: (0xabc).toString(16).padStart(12, '0'), shiftMs: SHIFT_MS }
    for (let i = 1; i <= 1_000; i++) {
      const needed = new Map([[kept.name, boot(1)]])
      const boots = await openBoots(disk.storage(), i === 1 ? kept.name : i.toString(16).padStart(12, '0'), needed)
      await boots.keep(SHIFT_MS + (i === 1 ? 0 : i), undefined)
      expect(boots.tell(boot(1), kept.name)).toBe(boot(1) + SHIFT_MS)
    }
    const names = disk.names().filter(name => name.startsWith('clock.'))
    expect(names).toHaveLength(1)
    expect(disk.contentOf(names[0] as string).length).toBeLessThan(20 * 1024)
  })

  it('gives the same stamps after a kill at any moment, and none before they are durable', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 60 }),
        fc.integer({ min: -5_000, max: 5_000 }),
        async (operations, late) => {
          const disk = createDisk(Math.random)
          const first = await openTestJournal({ storage: disk.storage(), boot: BOOT_A, now: () => boot(1) })
          first.append(recordOf('events', boot(2)))
          await first.flush()
          const crashed = disk.dieAfter(operations)
          const sent: (number | undefined)[] = []
          const life = (async () => {
            if (await first.keepBootShift(SHIFT_MS))
              for (const { clock } of await drain(first, false)) sent.push(clock?.shiftMs)
            await first.close()
          })()
          await Promise.race([life, crashed])
          disk.crash(true)
          const next = await openTestJournal({ storage: disk.storage(), boot: BOOT_A, now: () => boot(9) })
          await next.keepBootShift(SHIFT_MS + late)
          const again = (await drain(next, false)).map(({ clock }) => clock?.shiftMs)
          await next.close()
          expect(again.length).toBeGreaterThan(0)
          expect(new Set(again).size).toBe(1)
          if (sent.length > 0) expect(new Set([...sent, ...again])).toEqual(new Set([SHIFT_MS]))
        },
      ),
      { numRuns: 60 },
    )
  })
})
