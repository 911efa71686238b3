import { type GapRecord, LANES, type Lane, laneOf, type NakamaRecord } from '@nakama/contract'
import type { Log, Metrics } from '@nakama/service'
import { addRecord, closeBatch, type OpenBatch } from './batcher.ts'
import type { LaneBook } from './lane.ts'
import type { Loss } from './recovery.ts'
import { gapsOf } from './times.ts'

/** In memory, waiting for a disk that refuses or cannot keep up; beyond this the oldest goes, with a gap record. */
const WAITING_MAX_BYTES = 4 * 1024 * 1024
const WAITING_KEPT_BYTES = 3 * 1024 * 1024

export interface IntakeOptions {
  readonly books: { readonly [lane in Lane]: LaneBook }
  readonly now: () => number
  /** A time as a record of now has to tell it. */
  readonly told: (time: number) => number
  readonly log: Log
  readonly metrics: Metrics
}

/** Where records wait until they are a batch. */
export interface Intake {
  /** True when a batch became full on the way: it is in the book. */
  add(record: NakamaRecord): boolean
  refuse(record: NakamaRecord, reason: string): void
  /** Adds the gap record of something that the journal itself has lost for good. */
  addGap(loss: Loss, why: GapRecord['why']): void
  /** Whatever has come together so far becomes batches. */
  closeBatches(): void
  gathering(lane: Lane): { readonly bytes: number; readonly oldestAt: number | null }
}

export const createIntake = ({ books, now, told, log, metrics }: IntakeOptions): Intake => {
  const open = new Map<Lane, OpenBatch>()
  const gaps = metrics.counter('journal_gaps', 'Gap records of the journal itself', ['why'])
  const refused = metrics.counter('journal_refused_records', 'Records that could not be journaled')

  const add = (record: NakamaRecord): boolean => {
    const lane = laneOf(record)
    const added = addRecord(open.get(lane), record)
    if (added.open === undefined) open.delete(lane)
    else open.set(lane, added.open)
    if (added.refused !== undefined) refuse(record, added.refused)
    for (const batch of added.closed) books[lane].add(batch)
    if (added.closed.length > 0) boundWaiting()
    return added.closed.length > 0
  }

  const refuse = ({ type }: NakamaRecord, reason: string): void => {
    refused.inc()
    log.error({ code: 'JOURNAL_REFUSED', type }, `record cannot be journaled: ${reason}`)
  }

  const boundWaiting = (): void => {
    if (books.events.waitingBytes + books.samples.waitingBytes <= WAITING_MAX_BYTES) return
    for (const lane of ['samples', 'events'] as const) {
      const others = lane === 'samples' ? books.events.waitingBytes : books.samples.waitingBytes
      const lost = books[lane].dropUnwritten(Math.max(0, WAITING_KEPT_BYTES - others))
      if (lost.length === 0) continue
      const to = Math.max(...lost.map(batch => batch.lastAt)) + 1
      addGap({ what: lane, from: Math.min(...lost.map(batch => batch.firstAt)), to }, 'journal-full')
      if (lane === 'events') for (const gap of gapsOf(lost.map(batch => batch.recordsJson))) add(gap)
    }
  }

  const addGap: Intake['addGap'] = (loss, why) => {
    const { what } = loss
    const [from, to] = [told(loss.from), told(loss.to)]
    gaps.inc({ why })
    log.warn({ what, from, to, why, code: 'JOURNAL_GAP' }, 'readings are missing')
    add({ type: 'gap', at: now(), machine: null, from, to: Math.max(from, to), what, why })
  }

  return {
    add,
    refuse,
    addGap,
    closeBatches() {
      for (const lane of LANES) {
        const batch = open.get(lane)
        if (batch !== undefined) books[lane].add(closeBatch(batch))
      }
      open.clear()
      boundWaiting()
    },
    gathering(lane) {
      const batch = open.get(lane)
      return { bytes: batch?.bytes ?? 0, oldestAt: batch?.firstAt ?? null }
    },
  }
}
