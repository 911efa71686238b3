import { type NakamaRecord, STATE_CODES, type StateCode } from '@nakama/contract'
import fc from 'fast-check'

export const MINUTE = 60_000
export const HOUR = 3_600_000
/** A Monday morning, on the hour. */
export const MORNING = Date.UTC(2026, 10, 23, 0)

type StateRecord = Extract<NakamaRecord, { type: 'state' }>
type GapRecord = Extract<NakamaRecord, { type: 'gap' }>

/** What an honest agent journals of one machine, epoch by epoch, in order. */
export type History = readonly (readonly (StateRecord | GapRecord)[])[]

export interface Change {
  /** After the change before was told. */
  readonly afterMs: number
  /** How far `since` lies before the telling; never before the telling of the former state. */
  readonly backMs: number
  readonly code: StateCode
}

export interface Life {
  readonly changes: readonly Change[]
  /** From the last record to the last reading, and from there to the first reading of the next epoch. */
  readonly lastReadingMs: number
  readonly awayMs: number
  /** It begins with another card, on which nobody knows what was before. */
  readonly newCard?: boolean
}

const HEARTBEAT = 5 * MINUTE
const KIND = 'nc-lathe'

/** Heartbeats every five minutes, changes told late (debounced), what is known of before at every start but the first. */
export const historyOf = (machine: string, lives: readonly Life[], start = MORNING): History => {
  const epochs: (StateRecord | GapRecord)[][] = []
  let now = start
  let gapFrom: number | undefined
  for (const { changes, lastReadingMs, awayMs, newCard } of lives) {
    const records: (StateRecord | GapRecord)[] = []
    if (gapFrom !== undefined) {
      const gap = { type: 'gap', at: now, machine, what: 'all' } as const
      records.push(
        newCard === true
          ? { ...gap, from: now, to: now, why: 'journal-new' }
          : { ...gap, from: gapFrom, to: now, why: 'agent-stopped' },
      )
    }
    let said = now
    let current: { code: StateCode; since: number; at: number } | undefined
    const say = (at: number, code: StateCode, since: number): void => {
      records.push({ type: 'state', at, machine, kind: KIND, code, since })
      said = at
    }
    for (const { afterMs, backMs, code } of changes) {
      const at = current === undefined ? now : now + afterMs
      if (current !== undefined) {
        if (code === current.code) continue
        for (let beat = said + HEARTBEAT; beat < at; beat += HEARTBEAT) say(beat, current.code, current.since)
      }
      const since = current === undefined ? at : Math.max(current.at + (code === 'OFFLINE' ? 0 : 1), at - backMs)
      say(at, code, since)
      current = { code, since, at }
      now = at
    }
    gapFrom = said + lastReadingMs
    now = gapFrom + awayMs
    if (records.length > 0) epochs.push(records)
  }
  return epochs
}

const changes = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.integer({ min: 1, max: 30_000 }), fc.integer({ min: 1, max: 25 * MINUTE })),
    backMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 6 * MINUTE })),
    code: fc.constantFrom(...STATE_CODES),
  }),
  { minLength: 1, maxLength: 8 },
)

const life = {
  changes,
  lastReadingMs: fc.integer({ min: 0, max: HEARTBEAT }),
  awayMs: fc.oneof(
    fc.integer({ min: 1, max: 30_000 }),
    fc.integer({ min: 1, max: 12 * MINUTE }),
    fc.integer({ min: 1, max: 90 * MINUTE }),
  ),
}

export const lives = fc.array(fc.record(life), { minLength: 1, maxLength: 4 })

/** The same with other cards in between. */
export const livesOnCards = fc.array(fc.record({ ...life, newCard: fc.boolean() }), { minLength: 1, maxLength: 4 })
