import { LANES, laneOf } from '@nakama/contract'
import { describe, expect, it } from 'vitest'
import { createDisk, seeded } from './journal-disk.ts'
import { at, drain, gapsIn, openTestJournal, recordOf, recordsOf, timeOf } from './journal-support.ts'

const SECONDS = 6
const SIZES_MAX_BYTES = 6_000
/** Somewhere in mid-write. */
const AGAIN_OPERATIONS = 26

/**
 * The first seconds of a journal, ended in the disk operation after so many, and the next opening. `isAgain`: the seconds after
 * it was killed for the first time.
 *
 * @returns undefined when it takes fewer operations.
 */
const crashAfter = async (operations: number, isPowerCut: boolean, isAgain: boolean) => {
  const random = seeded(operations)
  const disk = createDisk(random)
  let second = 0
  const open = () => openTestJournal({ storage: disk.storage(), now: () => at(second), random })
  const promised: number[] = []
  const live = async (): Promise<boolean> => {
    const journal = await open()
    for (const last = second + SECONDS; second < last; ) {
      second += 1
      // Most of them cross a page, and some of them three.
      for (const lane of second % 3 === 1 ? LANES : (['samples'] as const)) {
        journal.append(recordOf(lane, at(second), Math.floor(random() * SIZES_MAX_BYTES)))
      }
      if (await journal.flush()) promised.push(at(second))
    }
    return false
  }
  if (isAgain) {
    const killed = disk.dieAfter(AGAIN_OPERATIONS).then(() => true)
    expect(await Promise.race([live(), killed])).toBe(true)
    disk.crash(false)
    second += 2
  }
  const died = disk.dieAfter(operations).then(() => true)
  if (!(await Promise.race([live(), died]))) return undefined
  disk.crash(isPowerCut)
  second += 2
  const journal = await open()
  const records = recordsOf(await drain(journal))
  await journal.close()
  const readable = records
    .filter(record => record.type !== 'gap')
    .map(record => [laneOf(record), timeOf(record)] as const)
  return { promised, readable, gaps: gapsIn(records) }
}

type Outcome = NonNullable<Awaited<ReturnType<typeof crashAfter>>>

const atEveryStep = async (
  { isPowerCut = false, isAgain = false },
  property: (outcome: Outcome) => void,
): Promise<void> => {
  for (let operations = 0; ; operations++) {
    const outcome = await crashAfter(operations, isPowerCut, isAgain)
    if (outcome === undefined) break
    const { promised, readable } = outcome
    expect(promised.filter(time => !readable.some(([lane, of]) => lane === 'samples' && of === time))).toEqual([])
    property(outcome)
  }
}

describe('the first seconds of a journal', () => {
  it('tell of no loss when the process is killed, at whatever step', () =>
    atEveryStep({}, ({ gaps }) => expect(gaps).toEqual([])))

  it('tell of no loss when the process is killed, started again and killed again, at whatever step', () =>
    atEveryStep({ isAgain: true }, ({ gaps }) => expect(gaps).toEqual([])))

  it('tell at most of what was being written when the power is cut, at whatever step', () =>
    atEveryStep({ isPowerCut: true }, ({ gaps, readable }) => {
      for (const { what, from } of gaps) {
        expect(readable.filter(([lane, time]) => (what === 'all' || what === lane) && time > from)).toEqual([])
      }
    }))
})
