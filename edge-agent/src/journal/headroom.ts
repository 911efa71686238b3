import type { Log, Metrics } from '@nakama/service'
import type { Storage } from './storage.ts'

export interface HeadroomOptions {
  readonly storage: Pick<Storage, 'space'>
  /** What is left to others of the file system. Default: `DEFAULT_MIN_FREE_BYTES`, or a twentieth where that is less. */
  readonly minFreeBytes: number | undefined
  readonly log: Log
  readonly metrics: Metrics
}

/** How far the journal may grow on a disk that it shares with others. A disk that does not tell is asked in vain, and left to ENOSPC. */
export interface Headroom {
  /** Looks at the disk, if the last look is not recent. Never rejects. */
  look(): Promise<void>
  /** Whether so much more may be taken. */
  allows(bytes: number): boolean
  /** The bound is passed already: whatever is not needed should be given back. */
  readonly isShort: boolean
  /** So much was taken, or given back if it is less than 0, since the last look. */
  take(bytes: number): void
  /** As last seen; null when the disk does not tell. */
  readonly freeBytes: number | null
  readonly minFreeBytes: number | null
}

/** For the system's log, its updates and a card that wears evenly; next to nothing of 16 GB. */
const DEFAULT_MIN_FREE_BYTES = 256 * 1024 * 1024
/** What matters on a card would be all of a small disk. */
const DEFAULT_MIN_FREE_SHARE = 1 / 20

const LOOK_AGAIN_MS = 5_000

export const createHeadroom = ({ storage, minFreeBytes: wanted, log, metrics }: HeadroomOptions): Headroom => {
  let freeBytes: number | null = null
  let minFreeBytes = wanted ?? null
  let lookAgainAt = Number.NEGATIVE_INFINITY
  let isRefusing = false

  const missing = (bytes: number): number =>
    freeBytes === null || minFreeBytes === null ? 0 : Math.max(0, minFreeBytes + bytes - freeBytes)

  metrics.gauge(
    'journal_free_bytes',
    'Octets that the file system of the journal has left, as last seen',
    () => freeBytes ?? Number.NaN,
  )
  return {
    async look() {
      if (performance.now() < lookAgainAt) return
      lookAgainAt = performance.now() + LOOK_AGAIN_MS
      const space = await storage.space().catch(() => undefined)
      freeBytes = space?.freeBytes ?? null
      minFreeBytes =
        wanted ??
        (space && Math.min(DEFAULT_MIN_FREE_BYTES, Math.floor(space.totalBytes * DEFAULT_MIN_FREE_SHARE))) ??
        null
    },
    allows(bytes) {
      const isAllowed = missing(bytes) === 0
      if (!isAllowed && !isRefusing) {
        log.warn(
          { freeBytes, minFreeBytes, code: 'JOURNAL_DISK_LOW' },
          'the disk is nearly full: the journal does not grow',
        )
      } else if (isAllowed && isRefusing) log.info({ freeBytes, minFreeBytes }, 'the journal may grow again')
      isRefusing = !isAllowed
      return isAllowed
    },
    get isShort() {
      return missing(0) > 0
    },
    take(bytes) {
      if (freeBytes !== null) freeBytes -= bytes
    },
    get freeBytes() {
      return freeBytes
    },
    get minFreeBytes() {
      return minFreeBytes
    },
  }
}
