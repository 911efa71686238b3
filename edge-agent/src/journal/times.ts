import { type GapRecord, isBootTime, type NakamaRecord } from '@nakama/contract'
import type { Boots } from './boots.ts'

export interface Span {
  readonly from: number
  /** Inclusive. */
  readonly to: number
}

/** When what a record tells was so. */
export const spanOf = (record: NakamaRecord): Span =>
  record.type === 'samples'
    ? { from: record.at[0] ?? 0, to: record.at.at(-1) ?? 0 }
    : { from: record.at, to: record.at }

/** The same over a batch as it lies in the journal; undefined for what is not a batch of records. */
export const spanOfBatch = (recordsJson: string): Span | undefined => {
  const spans = parseRecords(recordsJson).map(spanOf)
  if (spans.length === 0) return undefined
  return { from: Math.min(...spans.map(span => span.from)), to: Math.max(...spans.map(span => span.to)) }
}

/** Gaps of one kind that lie closer than this are told as one. */
const GAP_MERGE_MS = 60_000

/** What these batches tell of losses: who gives the batches up has to tell it again. */
export const gapsOf = (batches: Iterable<string>): GapRecord[] => {
  const last = new Map<string, GapRecord>()
  const gaps: GapRecord[] = []
  const found = [...batches].flatMap(parseRecords).filter(record => record.type === 'gap')
  for (const gap of found.sort((a, b) => a.from - b.from)) {
    const kind = `${gap.machine} ${gap.what} ${gap.why}`
    const before = last.get(kind)
    if (before !== undefined && gap.from <= before.to + GAP_MERGE_MS) before.to = Math.max(before.to, gap.to)
    else {
      last.set(kind, gap)
      gaps.push(gap)
    }
  }
  return gaps
}

export interface Newest {
  readonly at: number | undefined
  /** Of what is known in real time. */
  readonly realAt: number | undefined
  readonly byMachine: ReadonlyMap<string, number>
}

export interface BootBatch {
  readonly boot: string
  readonly recordsJson: string
}

/**
 * Time of the newest reading of each machine. Only what was read at a machine counts: a profile or a gap is written at the
 * start of an agent, whether or not it then sees anything. A time of the present boot's own clock is newer than any real one,
 * since the present boot keeps to real time once it knows it.
 */
export const newestReadings = (batches: Iterable<BootBatch>, tell: Boots['tell']): Newest => {
  const byMachine = new Map<string, number>()
  let realAt: number | undefined
  for (const { boot, recordsJson } of batches) {
    for (const record of parseRecords(recordsJson)) {
      if (record.type !== 'state' && record.type !== 'samples' && record.type !== 'count') continue
      const to = tell(spanOf(record).to, boot)
      if (to === undefined) continue
      if (!isBootTime(to)) realAt = Math.max(realAt ?? 0, to)
      if (ageRank(to) > ageRank(byMachine.get(record.machine) ?? 0)) byMachine.set(record.machine, to)
    }
  }
  const [at] = [...byMachine.values()].sort((a, b) => ageRank(b) - ageRank(a))
  return { at, realAt, byMachine }
}

const ageRank = (time: number): number => (isBootTime(time) ? time + 1e15 : time)

/** The CRC held, so this is what was appended; what another version of the agent appended need not be what we know. */
const parseRecords = (recordsJson: string): NakamaRecord[] => {
  try {
    const parsed: unknown = JSON.parse(recordsJson)
    return Array.isArray(parsed) ? parsed.filter(isTimed) : []
  } catch {
    return []
  }
}

const isTimed = (input: unknown): boolean => {
  const { type, at } = (input ?? {}) as { type?: unknown; at?: unknown }
  return type === 'samples' ? Array.isArray(at) && at.length > 0 && Number.isFinite(at.at(-1)) : Number.isFinite(at)
}
