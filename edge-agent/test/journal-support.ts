import type { GapRecord, Lane, NakamaRecord } from '@nakama/contract'
import { createMetrics, type Metrics } from '@nakama/service'
import { pino } from 'pino'
import type { BatchQueue, QueuedBatch } from '../src/journal/batch-queue.ts'
import { JOURNAL_MIN_BYTES, type Journal, type JournalOptions, openJournal } from '../src/journal/journal.ts'
import type { Disk } from './journal-disk.ts'

export const START = 1_700_000_000_000

export type TestJournal = Journal & BatchQueue

/** Real metrics that may be asked for more than once, since tests open many journals in one process. */
const reusable = (metrics: Metrics): Metrics => {
  const known = new Map<string, unknown>()
  const once = <T>(name: string, make: () => T): T => {
    if (!known.has(name)) known.set(name, make())
    return known.get(name) as T
  }
  return {
    ...metrics,
    counter: (name, help, labels) => once(name, () => metrics.counter(name, help, labels)),
    gauge: (name, help, read, labels) => once(name, () => metrics.gauge(name, help, read, labels)),
    seconds: (name, help, buckets) => once(name, () => metrics.seconds(name, help, buckets)),
  }
}

export const metrics = reusable(createMetrics('test'))

/** Sum over all labels of a counter of the journal's. */
export const countOf = async (name: string): Promise<number> => {
  const lines = (await metrics.text()).split('\n').filter(line => line.startsWith(`nakama_test_${name}_total`))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

export const openTestJournal = (options: Partial<JournalOptions>): Promise<TestJournal> =>
  openJournal({
    dir: '/nowhere',
    maxBytes: JOURNAL_MIN_BYTES,
    now: () => START,
    random: Math.random,
    log: pino({ level: 'silent' }),
    metrics,
    ...options,
  })

/** A record of a lane, of about so many octets. Its time is its name. */
export const recordOf = (lane: Lane, at: number, bytes = 0, machine = 'm1'): NakamaRecord => {
  const filler = 'x'.repeat(Math.max(0, bytes - 120))
  return lane === 'events'
    ? { type: 'count', at, machine, kind: 'nc-lathe', parts: 1, total: 1, ...(filler && { filler }) }
    : {
        type: 'samples',
        machine,
        kind: 'nc-lathe',
        at: [at],
        signals: { tick: [at], ...(filler && { [filler]: [1] }) },
      }
}

export const timeOf = (record: NakamaRecord): number =>
  record.type === 'samples' ? (record.at[0] as number) : record.at

export const recordsOf = (batches: readonly QueuedBatch[]): NakamaRecord[] =>
  batches.flatMap(batch => JSON.parse(batch.recordsJson) as NakamaRecord[])

export interface Delivered extends QueuedBatch {
  readonly lane: Lane
  readonly epoch: string
}

/** Everything that is queued, in the order in which it would be sent; acknowledged on the way if asked. */
export const drain = async (journal: TestJournal, isAcked = true): Promise<Delivered[]> => {
  const delivered: Delivered[] = []
  for (const lane of ['events', 'samples'] as const) {
    for (const { epoch, oldest } of journal.streams().filter(stream => stream.lane === lane)) {
      for (let from = oldest; ; ) {
        const batches = await journal.read(lane, epoch, from, 256 * 1024)
        const last = batches.at(-1)
        if (last === undefined) break
        delivered.push(...batches.map(batch => ({ ...batch, lane, epoch })))
        if (isAcked) journal.deleteUpTo(lane, epoch, last.seq)
        from = last.seq + 1
      }
    }
  }
  return delivered
}

export const at = (seconds: number): number => START + seconds * 1_000

export const onDisk = (disk: Disk, maxBytes = JOURNAL_MIN_BYTES): Promise<TestJournal> =>
  openTestJournal({ storage: disk.storage(), maxBytes })

/** Appends big records from second `from` up to `to`, and waits for the disk as it goes. */
export const fill = async (
  journal: TestJournal,
  lane: 'events' | 'samples',
  from: number,
  to: number,
): Promise<void> => {
  for (let second = from; second < to; second++) {
    journal.append(recordOf(lane, at(second), 60 * 1024))
    if (second % 10 === 9) await journal.flush()
  }
  await journal.flush()
}

export const gapsIn = (records: readonly NakamaRecord[]): GapRecord[] => records.filter(record => record.type === 'gap')

export const covered = (gaps: readonly GapRecord[], what: string, time: number): boolean =>
  gaps.some(gap => gap.what === what && gap.from <= time && time < gap.to)
