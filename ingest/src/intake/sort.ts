import { type AgentId, checkRecord, formatProblems, type MachineKind, type NakamaRecord } from '@nakama/contract'
import type { StoreWrite } from '@nakama/store'
import { type Claim, HOLD_MAX_MS } from '../timeline/intervals.ts'

const DAY_MS = 86_400_000
/** Before this project: a clock that was never set. */
const EARLIEST = Date.UTC(2020, 0, 1)
/** A claim reaches back at most so far; `since` is kept as it is. */
export const CLAIM_MAX_MS = 31 * DAY_MS
/** The store itself refuses what is a day ahead; what follows from a record may reach a little further than the record. */
const AHEAD_MAX_MS = DAY_MS - 60_000

export interface BadRecord {
  readonly record: unknown
  readonly reason: 'malformed' | 'invalid' | 'absurd-time'
  readonly why: string
  /** It may be right, and ingest's own clock wrong. */
  readonly isAhead?: boolean
}

export type SortedRecord =
  | {
      readonly ok: true
      readonly record: NakamaRecord
      /** Written as they are: same series and time, same value. */
      readonly writes: readonly StoreWrite[]
      /** What it says of a machine's state; `machine` null: of every machine of the agent. */
      readonly claim?: { readonly machine: string | null; readonly kind?: MachineKind; readonly claim: Claim }
      /** Newest and oldest time in it. */
      readonly newestAt: number
    }
  | ({ readonly ok: false } & BadRecord)

/**
 * What one record of a batch means for the store. Judged alone, so that a bad one spoils nothing else.
 *
 * @param now ingest's clock: a record of the far future would be "the newest" for ever.
 */
export const sortRecord = (from: AgentId, input: unknown, now: number): SortedRecord => {
  const checked = checkRecord(input)
  if (!checked.ok) return { ok: false, record: input, reason: 'invalid', why: formatProblems(checked.problems) }
  const record = checked.value
  const { oldestAt, newestAt } = timesOf(record)
  const isBefore = oldestAt < EARLIEST
  if (isBefore || newestAt > now + AHEAD_MAX_MS) {
    const why = `at: expected a time from ${EARLIEST} to ${now + AHEAD_MAX_MS}, got ${isBefore ? oldestAt : newestAt}`
    return { ok: false, record: input, reason: 'absurd-time', why, isAhead: !isBefore }
  }
  return { ok: true, record, newestAt, ...meaningOf(from, record) }
}

const timesOf = (record: NakamaRecord): { readonly oldestAt: number; readonly newestAt: number } => {
  if (record.type === 'samples') return { oldestAt: record.at[0]!, newestAt: record.at.at(-1)! }
  if (record.type === 'gap') return { oldestAt: record.from, newestAt: Math.max(record.at, record.to) }
  return { oldestAt: record.at, newestAt: record.at }
}

const meaningOf = (
  { shop, agent }: AgentId,
  record: NakamaRecord,
): Pick<Extract<SortedRecord, { ok: true }>, 'writes' | 'claim'> => {
  switch (record.type) {
    case 'state': {
      const { machine, kind, code, since, at } = record
      // Known at the instant `at` too: so that a change that is told at once is a span, if only of a millisecond.
      const to = at + 1
      return {
        writes: [],
        claim: { machine, kind, claim: { code, since, from: Math.max(since, to - CLAIM_MAX_MS), to } },
      }
    }
    case 'gap': {
      const { machine, from, to, what, why } = record
      const writes: StoreWrite[] = [{ type: 'gap', shop, agent, machine, from, to, what, why }]
      if (why === 'journal-new') return { writes, claim: { machine, claim: unknownBefore(to) } }
      // A lost state is as unknown as one that nobody watched.
      if (what === 'samples' || from >= to) return { writes }
      return {
        writes,
        claim: {
          machine,
          claim: { code: 'OFFLINE', since: from, from: Math.max(from, to - CLAIM_MAX_MS), to, isGap: true },
        },
      }
    }
    case 'samples': {
      const { machine, kind, at, signals } = record
      return { writes: [{ type: 'samples', series: { shop, machine, kind }, at, signals }] }
    }
    case 'count': {
      const { machine, kind, at, parts, total } = record
      return { writes: [{ type: 'count', series: { shop, machine, kind }, at, parts, total }] }
    }
    case 'profile': {
      const { machine, kind, at, name } = record
      return { writes: [{ type: 'profile', series: { shop, machine, kind }, at, name }] }
    }
    case 'taking': {
      const { at, value, until, rev } = record
      return { writes: [{ type: 'taking', shop, at, value, until, rev }] }
    }
  }
}

/** Where a journal begins nobody knows since when nobody watched: for longer than any state is held. */
const unknownBefore = (time: number): Claim => ({
  ...{ code: 'OFFLINE', from: time - 1, to: time, isGap: true },
  since: time - 1 - HOLD_MAX_MS,
})
