import { bytesOnDisk, type Database, PAGE_BYTES } from './database.ts'
import { openRegrouper } from './regroup.ts'
import { openNewest, openOldest, openRetention } from './retention.ts'
import { DAY_MS, HOUR_MS } from './schema.ts'

export interface UpkeepLimits {
  readonly rawRetentionDays: number
  readonly fileMaxBytes: number
  readonly walMaxBytes: number
}

/** What is worth a line in the log. */
export interface Notice {
  readonly code: 'STORE_RETENTION' | 'STORE_MADE_ROOM' | 'STORE_FULL'
  readonly rows: number
  /** Raw data from before this time is gone. */
  readonly until: number | null
}

export interface Upkeep {
  /** A few times a second: regroups samples, enforces retention and the bound on the disk, cuts the log back. */
  run(now: number): Notice[]
  /** After each transaction: makes room before the bound is met. `force`: a write has just met it. */
  afterWrite(force: boolean): Notice[]
}

/** Work of one call beyond its first step: writes wait behind it. */
const BUDGET_MS = 15
const FOLD_AFTER_MS = 10_000
/** At most, and at most this share of the file: folding needs the room twice for a moment. */
const FOLD_MAX_BYTES = 4 * 1024 * 1024
const FOLD_MAX_SHARE = 1 / 20
const RETENTION_EVERY_MS = HOUR_MS
const VACUUM_PAGES = 256
/** Room kept free in the file, so that a transaction rarely meets the bound. */
const RESERVE = 0.1

export const openUpkeep = (db: Database, limits: UpkeepLimits): Upkeep => {
  const regrouper = openRegrouper(db)
  const retention = openRetention(db)
  const oldestAt = openOldest(db)
  const newestAt = openNewest(db)
  const foldMaxBytes = Math.min(FOLD_MAX_BYTES, limits.fileMaxBytes * FOLD_MAX_SHARE)
  let foldedAt: number | undefined
  let retainedAt = Number.NEGATIVE_INFINITY
  let retaining: { cutoff: number; rows: number } | undefined

  const regroup = (now: number): void => {
    foldedAt ??= now
    const bytes = regrouper.recentBytes()
    const due = bytes >= foldMaxBytes / 2 || now - foldedAt >= FOLD_AFTER_MS || now < foldedAt
    if (regrouper.folding || (due && bytes > 0)) regrouper.fold(foldMaxBytes, BUDGET_MS)
    if (due) foldedAt = now
    withinBudget(() => regrouper.compactOne(now))
  }

  const retain = (now: number): Notice[] => {
    if (retaining === undefined && Math.abs(now - retainedAt) >= RETENTION_EVERY_MS) {
      // By the data as well as by the clock: a server that wakes up in 2040 must not forget everything.
      const newest = newestAt() ?? 0
      retaining = { cutoff: Math.min(now, newest) - limits.rawRetentionDays * DAY_MS, rows: 0 }
      retainedAt = now
    }
    const notices: Notice[] = []
    withinBudget(() => {
      if (retaining === undefined) return false
      const { rows, done } = retention.dropBefore(retaining.cutoff)
      retaining = { ...retaining, rows: retaining.rows + rows }
      if (!done) return true
      if (retaining.rows > 0) notices.push({ code: 'STORE_RETENTION', rows: retaining.rows, until: retaining.cutoff })
      retaining = undefined
      return false
    })
    return notices
  }

  const isCrowded = (): boolean =>
    (db.pragma('page_count') - db.pragma('freelist_count')) * PAGE_BYTES > limits.fileMaxBytes * (1 - RESERVE)

  /** Only what was regrouped can be dropped by age; folding itself needs some room. */
  const tryFold = (): boolean => {
    try {
      if (regrouper.recentBytes() === 0) return false
      regrouper.fold(foldMaxBytes, BUDGET_MS)
      return true
    } catch {
      return false
    }
  }

  const makeRoom = (force: boolean): Notice[] => {
    let rows = 0
    let until: number | null = null
    let full = false
    withinBudget(() => {
      if (!isCrowded() && !(force && rows === 0)) return false
      const oldest = oldestAt()
      if (oldest === null) {
        if (tryFold()) return true
        const minutes = retention.dropMinutes()
        rows += minutes
        full = minutes === 0
        return !full
      }
      until = (Math.floor(oldest / HOUR_MS) + 1) * HOUR_MS
      rows += retention.dropBefore(until).rows
      return true
    })
    if (full) return [{ code: 'STORE_FULL', rows, until }]
    return rows > 0 ? [{ code: 'STORE_MADE_ROOM', rows, until }] : []
  }

  const trim = (): void => {
    // Only after the bound was lowered is the file larger than it may be.
    if (db.pragma('page_count') * PAGE_BYTES > limits.fileMaxBytes)
      db.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`)
    if (bytesOnDisk(db.file).wal > limits.walMaxBytes) db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  return {
    afterWrite(force) {
      const notices = makeRoom(force)
      // Between two runs more may come than a file near its bound could fold at once.
      if (regrouper.recentBytes() >= foldMaxBytes) regrouper.fold(foldMaxBytes, BUDGET_MS)
      return notices
    },
    run(now) {
      // Room first: in a full file nothing else would work.
      const notices = [...makeRoom(false), ...retain(now)]
      regroup(now)
      trim()
      return notices
    },
  }
}

/** Repeats `step` while it says that there is more to do, at least once, then until the budget is spent. */
const withinBudget = (step: () => boolean): void => {
  const start = performance.now()
  while (step() && performance.now() - start < BUDGET_MS);
}
