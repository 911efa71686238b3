import { type GapRecord, LANES, type Lane } from '@nakama/contract'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { JOURNAL_MIN_BYTES } from '../src/journal/journal.ts'
import { createDisk, type Operation, seeded } from './journal-disk.ts'
import { type Delivered, drain, openTestJournal, recordOf, recordsOf, START, timeOf } from './journal-support.ts'

type Command =
  | { readonly do: 'append'; readonly lane: Lane; readonly kilobytes: number; readonly times: number }
  | { readonly do: 'flush' }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'read'; readonly lane: Lane; readonly skip: number; readonly kilobytes: number }
  | { readonly do: 'ack'; readonly lane: Lane; readonly share: number }
  | { readonly do: 'ack-nonsense'; readonly lane: Lane; readonly seq: number }
  | { readonly do: 'dead-letter'; readonly lane: Lane }
  | { readonly do: 'close' }
  | { readonly do: 'crash'; readonly operations: number; readonly isPowerCut: boolean }
  | { readonly do: 'disk-full'; readonly isFull: boolean }
  | { readonly do: 'disk-fails'; readonly operation: Operation; readonly times: number }
  | { readonly do: 'others'; readonly leaveMebibytes: number }
  | { readonly do: 'rot'; readonly file: number; readonly place: number; readonly bit: number; readonly cut: boolean }

const lane = fc.constantFrom<Lane>(...LANES)

const BASE: fc.Arbitrary<Command>[] = [
  fc.record({
    do: fc.constant('append' as const),
    lane,
    kilobytes: fc.constantFrom(0, 0, 0, 3, 20, 60),
    times: fc.integer({ min: 1, max: 5 }),
  }),
  fc.record({ do: fc.constant('flush' as const) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 60, 1_000, 15_000) }),
  fc.record({
    do: fc.constant('read' as const),
    lane,
    skip: fc.integer({ min: 0, max: 5 }),
    kilobytes: fc.integer({ min: 0, max: 300 }),
  }),
  fc.record({ do: fc.constant('ack' as const), lane, share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ do: fc.constant('ack-nonsense' as const), lane, seq: fc.integer({ min: 0, max: 10 }) }),
  fc.record({ do: fc.constant('close' as const) }),
  fc.record({
    do: fc.constant('crash' as const),
    operations: fc.integer({ min: 0, max: 12 }),
    isPowerCut: fc.boolean(),
  }),
]

const ROLLING: fc.Arbitrary<Command> = fc.record({
  do: fc.constant('append' as const),
  lane,
  kilobytes: fc.constant(60),
  times: fc.constantFrom(10, 20),
})

const FLOODING: fc.Arbitrary<Command> = fc.record({
  do: fc.constant('append' as const),
  lane: fc.constantFrom<Lane>('samples', 'samples', 'events'),
  kilobytes: fc.constant(60),
  times: fc.constantFrom(40, 100),
})

const FAULTS: fc.Arbitrary<Command>[] = [
  fc.record({ do: fc.constant('disk-full' as const), isFull: fc.boolean() }),
  fc.record({
    do: fc.constant('disk-fails' as const),
    operation: fc.constantFrom<Operation>('create', 'open', 'write', 'sync', 'append'),
    times: fc.constantFrom(1, 2, 5, 20),
  }),
  // Fewer than it takes for a file to be given up.
  fc.record({
    do: fc.constant('disk-fails' as const),
    operation: fc.constant<Operation>('read'),
    times: fc.constantFrom(1, 2),
  }),
  fc.record({ do: fc.constant('dead-letter' as const), lane }),
]

/** Around the 256 MiB that are left to others. */
const OTHERS: fc.Arbitrary<Command> = fc.record({
  do: fc.constant('others' as const),
  leaveMebibytes: fc.constantFrom(0, 3, 100, 255, 257, 262, 270, 1_000),
})

const ROT: fc.Arbitrary<Command> = fc.record({
  do: fc.constant('rot' as const),
  file: fc.nat(),
  place: fc.nat(),
  bit: fc.integer({ min: 0, max: 7 }),
  cut: fc.boolean(),
})

/**
 * What the journal is held against: everything that was appended, what of it was promised (a flush said so) and what was
 * acknowledged. Times of records are distinct and ascend, so that they are names, and gaps can be held against them.
 */
const play = async (seed: number, commands: readonly Command[], maxBytes: number) => {
  const random = seeded(seed)
  const disk = createDisk(random)
  let at = START
  const now = (): number => at
  const open = () => openTestJournal({ storage: disk.storage(), maxBytes, now, random })
  let journal = await open()

  const appended = new Map<number, { lane: Lane; epoch: string }>()
  const promised = new Set<number>()
  const batches = new Map<string, string>()
  const gaps: GapRecord[] = []
  let appendedBytes = 0

  const keep = (delivered: readonly Delivered[]): void => {
    for (const { lane, epoch, seq, bytes, recordsJson } of delivered) {
      expect(bytes).toBe(Buffer.byteLength(recordsJson))
      const key = `${lane} ${epoch} ${seq}`
      // The same identity always means the same records.
      expect(batches.get(key) ?? recordsJson).toBe(recordsJson)
      if (batches.has(key)) continue
      batches.set(key, recordsJson)
      for (const record of recordsOf([{ seq, bytes, recordsJson }])) {
        if (record.type === 'gap') gaps.push(record)
        else expect(appended.get(timeOf(record))).toEqual({ lane, epoch })
      }
    }
  }

  const reopen = async (): Promise<void> => {
    vi.clearAllTimers()
    at += 60_000
    journal = await open()
    if (promised.size > 0 && !isRotten) {
      const { at: last } = journal.lastJournaled
      expect(last).toBeGreaterThanOrEqual(Math.max(...promised))
      expect(last).toBeLessThanOrEqual(Math.max(...appended.keys()))
    }
  }
  let isRotten = false
  let segmentsMaxBytes = Number.POSITIVE_INFINITY
  const segmentBytes = (): number => disk.names().filter(name => name.endsWith('.segment')).length * MIB

  const run = async (command: Command): Promise<void> => {
    switch (command.do) {
      case 'append':
        for (let i = 0; i < command.times; i++) {
          at += 1_000
          appended.set(at, { lane: command.lane, epoch: journal.epoch })
          journal.append(recordOf(command.lane, at, command.kilobytes * 1024))
        }
        appendedBytes += command.times * command.kilobytes * 1024
        // A disk that keeps up.
        if (maxBytes === ROOMY_BYTES && appendedBytes > 2 * 1024 * 1024) return run({ do: 'flush' })
        return
      case 'flush': {
        const before = [...appended].filter(([, { epoch }]) => epoch === journal.epoch)
        appendedBytes = 0
        if (await journal.flush()) for (const [time] of before) promised.add(time)
        return
      }
      case 'wait':
        await vi.advanceTimersByTimeAsync(command.ms)
        return
      case 'read': {
        for (const { lane, epoch, oldest, newest } of journal.streams()) {
          if (lane !== command.lane) continue
          const from = oldest + command.skip
          const read = await journal.read(lane, epoch, from, command.kilobytes * 1024)
          keep(read.map(batch => ({ ...batch, lane, epoch })))
          read.forEach((batch, i) => {
            expect(batch.seq).toBeGreaterThanOrEqual(from)
            expect(batch.seq).toBeLessThanOrEqual(newest)
            if (i > 0) expect(batch.seq).toBe(read[i - 1]!.seq + 1)
          })
          if (read.length > 1) {
            expect(read.reduce((sum, batch) => sum + batch.bytes, 0)).toBeLessThanOrEqual(command.kilobytes * 1024)
          }
        }
        return
      }
      case 'ack': {
        const head = journal.streams().find(({ lane, oldest, newest }) => lane === command.lane && oldest <= newest)
        if (head === undefined) return
        const upTo = head.oldest + Math.floor(command.share * (head.newest - head.oldest))
        for (let from = head.oldest; from <= upTo; ) {
          const read = (await journal.read(head.lane, head.epoch, from, 0)).filter(batch => batch.seq <= upTo)
          if (read[0] === undefined) break
          keep(read.map(batch => ({ ...batch, lane: head.lane, epoch: head.epoch })))
          journal.deleteUpTo(head.lane, head.epoch, read[0].seq)
          from = read[0].seq + 1
        }
        return
      }
      case 'ack-nonsense': {
        const before = JSON.stringify(journal.streams())
        journal.deleteUpTo(command.lane, '0123456789abcdef', command.seq)
        for (const { lane, epoch, oldest, newest } of journal.streams()) {
          if (lane !== command.lane) continue
          journal.deleteUpTo(lane, epoch, newest + 1 + command.seq)
          journal.deleteUpTo(lane, epoch, oldest - 1)
        }
        expect(JSON.stringify(journal.streams())).toBe(before)
        return
      }
      case 'dead-letter': {
        const head = journal.streams().find(({ lane, oldest, newest }) => lane === command.lane && oldest <= newest)
        if (head === undefined) return
        const read = await journal.read(head.lane, head.epoch, head.oldest, 0)
        keep(read.map(batch => ({ ...batch, lane: head.lane, epoch: head.epoch })))
        await journal.deadLetter(head.lane, head.epoch, head.oldest)
        return
      }
      case 'close': {
        await journal.close()
        return reopen()
      }
      case 'crash': {
        const died = disk.dieAfter(command.operations)
        await Promise.race([journal.flush(), died])
        disk.crash(command.isPowerCut)
        return reopen()
      }
      case 'disk-full':
        disk.setFull(command.isFull)
        return
      case 'others': {
        // No file is being made while they come, and it notices in a while.
        await journal.flush()
        disk.leave(command.leaveMebibytes * MIB)
        await vi.advanceTimersByTimeAsync(5_000)
        const { freeBytes } = await disk.storage().space()
        segmentsMaxBytes = Math.max(NEEDED_BYTES, segmentBytes() + Math.max(0, freeBytes - 256 * MIB))
        return
      }
      case 'disk-fails':
        disk.fail(command.operation, command.times)
        return
      case 'rot': {
        await journal.flush()
        disk.crash(false)
        const names = disk.names().filter(name => name.endsWith('.segment'))
        const name = names[command.file % names.length]
        if (name === undefined || isRotten) return reopen()
        isRotten = true
        const bytes = disk.contentOf(name)
        // Where something is, rather than in the zeros behind it.
        const used = bytes.findLastIndex(octet => octet !== 0) + 1
        const place = command.place % (used + 16)
        if (command.cut) disk.put(name, bytes.subarray(0, place))
        else {
          const copy = Buffer.from(bytes)
          copy[place] = copy[place]! ^ (1 << command.bit)
          disk.put(name, copy)
        }
        return reopen()
      }
    }
  }

  for (const command of commands) {
    await run(command)
    expect(disk.usedBytes()).toBeLessThanOrEqual(maxBytes)
    expect(segmentBytes()).toBeLessThanOrEqual(segmentsMaxBytes)
  }

  disk.setFull(false)
  disk.fail('read', 0)
  await run({ do: 'wait', ms: 15_000 })
  expect(await journal.flush()).toBe(true)
  await run({ do: 'flush' })
  keep(await drain(journal))
  // Whatever is found on the way is itself told.
  await run({ do: 'flush' })
  keep(await drain(journal))
  await journal.close()

  const delivered = new Set(
    [...batches.values()].flatMap(json => recordsOf([{ seq: 0, bytes: 0, recordsJson: json }]).map(timeOf)),
  )
  const missing = [...promised].filter(time => !delivered.has(time))
  const unexplained = missing.filter(time => {
    const { lane } = appended.get(time)!
    return !gaps.some(gap => gap.from <= time && time < gap.to && (gap.what === 'all' || gap.what === lane))
  })
  return { missing, unexplained, gaps }
}

const MIB = 1024 * 1024
/** Without these files a journal cannot work. */
const NEEDED_BYTES = 6 * MIB

/** More than the commands below can fill. */
const ROOMY_BYTES = 64 * 1024 * 1024

const check = async (
  commands: readonly fc.Arbitrary<Command>[],
  maxBytes: number,
  property: (outcome: Awaited<ReturnType<typeof play>>, commands: readonly Command[]) => void,
): Promise<void> => {
  const sequence = fc.array(fc.oneof(...commands), { minLength: 3, maxLength: 40 })
  const run = async (seed: number, list: readonly Command[]): Promise<void> => {
    vi.clearAllTimers()
    property(await play(seed, list, maxBytes), list)
  }
  await fc.assert(fc.asyncProperty(fc.integer(), sequence, run), { numRuns: RUNS })
}

const RUNS = Number(process.env.RUNS ?? 40)

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('whatever happens in whatever order', () => {
  it('delivers every promised record, under one identity, across crashes and power cuts', () =>
    check([...BASE, ROLLING], ROOMY_BYTES, ({ missing, gaps }, commands) => {
      expect(missing).toEqual([])
      // Only a write that was cut off can leave a doubt.
      if (!commands.some(command => command.do === 'crash')) expect(gaps).toEqual([])
    }))

  it('tells by a gap what a full or failing disk costs, and never exceeds its bound', () =>
    check([...BASE, FLOODING, ...FAULTS], JOURNAL_MIN_BYTES, ({ unexplained }) => expect(unexplained).toEqual([])))

  it('tells by a gap what others on the disk cost, and never grows into what is theirs', () =>
    check([...BASE, FLOODING, ...FAULTS.slice(1), OTHERS, OTHERS], 32 * MIB, ({ unexplained }) =>
      expect(unexplained).toEqual([]),
    ))

  it('tells by a gap what a flipped bit or a cut file costs', () =>
    check([...BASE, ROLLING, ROT], ROOMY_BYTES, ({ unexplained }) => expect(unexplained).toEqual([])))
})
