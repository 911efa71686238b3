import { LANES, type Lane } from '@nakama/contract'
import type { Metrics } from '@nakama/service'

export interface JournalStats {
  /** Of records not yet acknowledged. */
  readonly bytes: number
  readonly maxBytes: number
  /** Time of the oldest record not yet acknowledged; null when there is none. */
  readonly oldestAt: number | null
}

interface Part {
  readonly bytes: number
  readonly oldestAt: number | null
}

export interface StatsOptions {
  readonly maxBytes: number
  /** What of a lane is not acknowledged, closed batches and the open one. */
  readonly partsOf: (lane: Lane) => readonly Part[]
  /** A time as a record of now has to tell it. */
  readonly told: (time: number) => number
  readonly metrics: Metrics
}

/** How much the journal holds that nobody has acknowledged. */
export const createStats = ({ maxBytes, partsOf, told, metrics }: StatsOptions): (() => JournalStats) => {
  const stats = (): JournalStats => {
    const parts = LANES.flatMap(partsOf)
    const times = parts
      .map(part => part.oldestAt)
      .filter(time => time !== null)
      .map(told)
    return {
      bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
      maxBytes,
      oldestAt: times.length === 0 ? null : Math.min(...times),
    }
  }
  metrics.gauge(
    'journal_unacknowledged_bytes',
    'Octets in the journal that nobody has acknowledged',
    () => stats().bytes,
  )
  return stats
}
