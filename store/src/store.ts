import type { GapRecord, MachineKind, StateCode } from '@nakama/contract'

/**
 * The one interface behind which readings are kept. Every implementation passes the same contract tests (`store/test/contract.ts`).
 *
 * Idempotence: same series and time, same absolute value. Writing anything twice, in any order of batches, leaves the
 * same answers. Times are milliseconds since 1970 UTC; ranges are half-open, [from, to).
 */
export interface Store extends StoreReader {
  /**
   * Resolves when everything accepted is durable (it survives a power cut), so that the caller may acknowledge it.
   * Within one call later writes win over earlier ones. Never rejects for a bad write or an unreachable database: those
   * are the result's `rejected` and `retry`.
   */
  write(writes: readonly StoreWrite[]): Promise<WriteResult>
}

export interface StoreReader {
  /** Random, made with the store, 16 hex digits: agents send again what a store with another id never had. */
  readonly id: string
  /** The newest state of every machine that was ever stored, by shop then machine; its kind is that of the newest interval. */
  currentStates(): Promise<CurrentState[]>
  /** Ascending, not overlapping, clipped to the range. A hole between intervals is a time of which nothing was ever said. */
  timeline(query: MachineRef & TimeRange): Promise<StateInterval[]>
  /**
   * Time per state, ascending by shop, machine, then time; `from` and `to` are rounded outwards to whole buckets. A bucket in
   * which nothing is known is absent.
   */
  rollups(query: TimeRange & { readonly resolution: Resolution } & Partial<MachineRef>): Promise<Rollup[]>
  /**
   * Readings, ascending, each time once. At most `limitRows` (default 100,000) of the oldest in the range. A signal without any
   * value among these is absent.
   */
  samples(query: MachineRef & TimeRange & { readonly limitRows?: number }): Promise<Samples>
  counts(query: MachineRef & TimeRange): Promise<Count[]>
  /** Gaps that touch the range, of one shop, whole, ascending by `from`. A gap without length touches the range its instant lies in. */
  gaps(query: TimeRange & { readonly shop: string }): Promise<Gap[]>
  stats(): Promise<StoreStats>
  /** Idempotent. */
  close(): Promise<void>
}

export interface MachineRef {
  readonly shop: string
  readonly machine: string
}

/** A series is a machine as it was journaled: the kind is part of it, so that a replay hits the same series. */
export interface Series extends MachineRef {
  readonly kind: MachineKind
}

export interface TimeRange {
  readonly from: number
  readonly to: number
}

export type Resolution = 'minute' | 'hour'

/** From `from` to `to` the machine was in `code`, in which it had been since `since` (≤ from). */
export interface StateInterval extends TimeRange {
  readonly code: StateCode
  readonly since: number
  /** Made by ingest (a live status drawn on to the minute, or silence) and not yet confirmed by the agent's own record. */
  readonly provisional: boolean
}

/** Milliseconds of each minute of one hour spent in each state; a state that is absent had none. Each array has 60 numbers. */
export type MinutesByState = { readonly [code in StateCode]?: readonly number[] }

export type StoreWrite =
  /** Replaces whatever was known of [from, to) of that machine, whatever its kind was; from = to says nothing. */
  | ({ readonly type: 'state'; readonly series: Series } & StateInterval)
  /** Replaces the rollup of that machine and hour (start of a UTC hour), minutes and sum. */
  | { readonly type: 'rollup'; readonly series: Series; readonly hour: number; readonly minutes: MinutesByState }
  /** `at` ascending. Of a time and signal that come again the later value counts, but null never replaces a value. */
  | {
      readonly type: 'samples'
      readonly series: Series
      readonly at: readonly number[]
      readonly signals: { readonly [name: string]: readonly (number | null)[] }
    }
  /** One per machine and time. */
  | ({ readonly type: 'count'; readonly series: Series } & Count)
  /** One per shop, agent, machine, `from`, `what` and `why`: a later one sets `to`. */
  | ({ readonly type: 'gap'; readonly shop: string } & Gap)
  | { readonly type: 'profile'; readonly series: Series; readonly at: number; readonly name: string }
  | {
      readonly type: 'taking'
      readonly shop: string
      readonly at: number
      readonly value: boolean
      readonly until: number | null
      readonly rev: number
    }

export interface WriteResult {
  /** How many writes are durable now. */
  readonly accepted: number
  /** Writes that can never be stored, with the reason in words. */
  readonly rejected: readonly { readonly write: StoreWrite; readonly reason: string }[]
  /** Writes to hand in again, unchanged, after a pause: the database was busy, full or away. */
  readonly retry: readonly StoreWrite[]
}

export interface CurrentState extends StateInterval {
  readonly series: Series
  /**
   * The newest interval that the agent itself confirmed, from which ingest goes on after a restart; undefined when
   * everything known is provisional.
   */
  readonly confirmed: StateInterval | undefined
}

export interface Rollup {
  readonly series: Series
  /** Start of the bucket. */
  readonly at: number
  /** Milliseconds per state, all seven codes. */
  readonly stateMs: { readonly [code in StateCode]: number }
}

export interface Samples {
  readonly at: readonly number[]
  readonly signals: { readonly [name: string]: readonly (number | null)[] }
}

export interface Count {
  readonly at: number
  readonly parts: number
  readonly total: number
}

export interface Gap extends TimeRange {
  readonly agent: string
  readonly machine: string | null
  readonly what: GapRecord['what']
  readonly why: GapRecord['why']
}

export interface StoreStats {
  readonly bytes: number
  readonly maxBytes: number
  /** Start of the oldest raw data kept; null when empty. */
  readonly oldestAt: number | null
  /** Raw rows given up so far, for their age or for want of room, and up to which time; rollups are kept. */
  readonly droppedRows: number
  readonly droppedUntil: number | null
}
