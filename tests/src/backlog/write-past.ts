import { openJournal } from '@nakama/edge-agent'
import { createLog, createMetrics } from '@nakama/service'
import type { Past } from './past.ts'

export interface WrittenPast {
  /** Of the journal, not acknowledged. */
  readonly bytes: number
  readonly records: number
}

/** Between two waits for the disk: well within what a journal keeps in memory. */
const SECONDS_AT_ONCE = 256

/**
 * Writes a past into the folder of a journal as an agent without a network does: about one batch per lane and second. It
 * ends as a cut power does, without a last word.
 */
export const writePast = async (
  past: Past,
  dir: string,
  maxBytes: number,
  random: () => number,
): Promise<WrittenPast> => {
  let now = 0
  let records = 0
  const log = createLog('backlog', 'silent')
  const journal = await openJournal({ dir, maxBytes, now: () => now, random, log, metrics: createMetrics('backlog') })
  let second = 0
  for (const { at, records: said } of past.seconds()) {
    now = at
    for (const record of said) journal.append(record)
    records += said.length
    const flushed = journal.flush()
    if (++second % SECONDS_AT_ONCE === 0) await flushed
  }
  await journal.flush()
  const { bytes } = journal.stats()
  await journal.close()
  return { bytes, records }
}
