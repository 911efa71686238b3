import {
  type AgentId,
  type DecodedBatch,
  decodeBatches,
  type Lane,
  type NakamaRecord,
  type RecordType,
} from '@nakama/contract'
import type { MachineRef, StoreWrite } from '@nakama/store'
import { realRecords } from '../intake/real-time.ts'
import { type BadRecord, sortRecord } from '../intake/sort.ts'
import type { Claim } from '../timeline/intervals.ts'
import { type Machines, machineKey } from '../timeline/machines.ts'
import type { Lesson } from '../timeline/plan.ts'

/** A batch that was taken in its turn. */
export interface TakenBatch {
  readonly from: AgentId
  readonly lane: Lane
  readonly epoch: string
  readonly seq: number
  /** As on the wire. */
  readonly text: Uint8Array
}

/**
 * It has a record of the far future, by an agent that calls its clock right. Then either clock may be wrong, and a good reading
 * must not be thrown away: the agent keeps it until a person has set one of them.
 */
export interface AheadBatch {
  readonly batch: TakenBatch
  readonly why: string
}

/** Everything that goes into the store together. */
export interface Group {
  readonly batches: readonly TakenBatch[]
  /** Not to be stored now, nor anything behind them. */
  readonly ahead: readonly AheadBatch[]
  /** Samples, counts, gaps, profiles, taking. */
  readonly writes: readonly StoreWrite[]
  /** State, per machine. */
  readonly lessons: readonly Lesson[]
  readonly bad: readonly (BadRecord & { readonly batch: TakenBatch })[]
  readonly records: ReadonlyMap<RecordType, number>
  readonly values: number
  /** Newest time in each batch that has a good record. */
  readonly newestAt: readonly number[]
}

/**
 * Sorts the records of batches, in their order, into what the store is to learn.
 *
 * @param machinesOf the machines that an agent is known to have; a gap may speak of all of them.
 */
export const assemble = (
  batches: readonly TakenBatch[],
  presumed: ReadonlyMap<string, { readonly ref: MachineRef; readonly claim: Claim }>,
  machines: Machines,
  machinesOf: (from: AgentId) => readonly string[],
  now: number,
): Group => {
  const stored: TakenBatch[] = []
  const ahead = new Map<string, AheadBatch>()
  const writes: StoreWrite[] = []
  const bad: (BadRecord & { batch: TakenBatch })[] = []
  const records = new Map<RecordType, number>()
  const newestAt: number[] = []
  const learning = new Map<string, { ref: MachineRef; claims: Claim[] }>()
  let values = 0

  const learnOf = (ref: MachineRef, claim: Claim | undefined): void => {
    const key = machineKey(ref)
    const lesson = learning.get(key) ?? { ref, claims: [] }
    learning.set(key, lesson)
    if (claim !== undefined) lesson.claims.push(claim)
  }

  for (const batch of batches) {
    const { shop } = batch.from
    let newest = 0
    // An ack speaks of everything before it too.
    if (ahead.has(streamKey(batch))) continue
    const found = readRecords(batch.text)
    if (!found.ok) bad.push({ record: found.line, reason: 'malformed', why: found.problem, batch })
    const all = found.ok ? realRecords(found.batch).map(input => sortRecord(batch.from, input, now)) : []
    const tooEarly = all.find(sorted => !sorted.ok && sorted.isAhead)
    if (tooEarly?.ok === false && found.ok && found.batch.unsynchronised === undefined) {
      ahead.set(streamKey(batch), { batch, why: tooEarly.why })
      continue
    }
    stored.push(batch)
    for (const sorted of all) {
      if (!sorted.ok) {
        bad.push({ ...sorted, batch })
        continue
      }
      const { record, claim } = sorted
      writes.push(...sorted.writes)
      records.set(record.type, (records.get(record.type) ?? 0) + 1)
      values += valuesIn(record)
      newest = Math.max(newest, sorted.newestAt)
      if ('kind' in record) machines.describe({ shop, machine: record.machine }, record.kind)
      if (claim === undefined) continue
      const named = claim.machine === null ? machinesOf(batch.from) : [claim.machine]
      for (const machine of named) learnOf({ shop, machine }, machines.news({ shop, machine }, claim.claim))
    }
    if (newest > 0) newestAt.push(newest)
  }
  for (const { ref } of presumed.values()) learnOf(ref, undefined)
  const lessons = [...learning].map(([key, { ref, claims }]) => ({
    series: machines.series(ref),
    claims,
    presumed: presumed.get(key)?.claim,
  }))
  return { batches: stored, ahead: [...ahead.values()], writes, lessons, bad, records, values, newestAt }
}

export const streamKey = ({ from, lane, epoch }: Pick<TakenBatch, 'from' | 'lane' | 'epoch'>): string =>
  `${from.shop}/${from.agent}/${lane}/${epoch}`

/** Only now that they are due. */
const readRecords = (text: Uint8Array): DecodedBatch =>
  decodeBatches(Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString())[0] as DecodedBatch

const valuesIn = (record: NakamaRecord): number =>
  record.type === 'samples' ? record.at.length * Object.keys(record.signals).length : 1
