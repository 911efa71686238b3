import { type Static, Type } from 'typebox'
import { Id, Millis } from './ids.ts'
import { KIND_CODES } from './kinds.ts'
import { LIMITS } from './limits.ts'
import { STATE_CODES } from './states.ts'
import { type Checked, type Validator, validator } from './validate.ts'

/** The machine's kind travels in every record as journaled, so that a replay hits the same series. */
const machine = { machine: Id, kind: Type.Enum(KIND_CODES) }

/** What the machine is. Sent once per epoch and after every change of the configuration. */
export const ProfileRecord = Type.Object({
  type: Type.Literal('profile'),
  at: Millis,
  ...machine,
  name: Type.String({ maxLength: 80 }),
})

/**
 * The machine is in `code` since `since`, known up to `at`: a change, or a heartbeat when nothing changed.
 * `since` may lie before earlier records of the lane (back-dated IDLE): it then corrects them.
 */
export const StateRecord = Type.Object({
  type: Type.Literal('state'),
  at: Millis,
  ...machine,
  code: Type.Enum([...STATE_CODES]),
  since: Millis,
})

/** Readings, columnar: row i was taken at `at[i]` (ascending) and has `signals[name][i]`; null where that signal had no good value. */
export const SamplesRecord = Type.Object({
  type: Type.Literal('samples'),
  ...machine,
  at: Type.Array(Millis, { minItems: 1, maxItems: LIMITS.samplesMaxRows }),
  signals: Type.Record(
    Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_]{0,31}$' }),
    Type.Array(Type.Union([Type.Number(), Type.Null()]), { maxItems: LIMITS.samplesMaxRows }),
  ),
})

/** `parts` finished since the count before; `total` is the machine's own counter as read. */
export const CountRecord = Type.Object({
  type: Type.Literal('count'),
  at: Millis,
  ...machine,
  parts: Type.Integer({ minimum: 0, maximum: 1_000_000 }),
  total: Type.Integer({ minimum: 0 }),
})

/** 受ける / 休む: whether the shop takes work. The higher `rev` wins; at a tie, false. */
export const Taking = Type.Object({
  value: Type.Boolean(),
  until: Type.Union([Millis, Type.Null()]),
  rev: Type.Integer({ minimum: 0 }),
})

export const TakingRecord = Type.Object({ type: Type.Literal('taking'), at: Millis, ...Taking.properties })

export const GAP_REASONS = [
  'agent-stopped',
  // A new or an emptied card: nobody knows what was before this moment, nor since when. `from` and `to` are both this moment.
  'journal-new',
  'journal-full',
  'journal-corrupt',
  'dead-letter',
  // Samples only, both: the machine's server threw values away; the machine could not be read for a while.
  'source-overflow',
  'source-outage',
  'clock-unknown',
] as const

/**
 * From `from` (inclusive) to `to` (exclusive) something is missing and why. `what` names the lane that lost it; `all` also
 * means that nobody watched the machine, so its state is OFFLINE there. `machine` null: every machine of the agent.
 */
export const GapRecord = Type.Object({
  type: Type.Literal('gap'),
  at: Millis,
  machine: Type.Union([Id, Type.Null()]),
  from: Millis,
  to: Millis,
  what: Type.Enum(['all', 'events', 'samples']),
  why: Type.Enum([...GAP_REASONS]),
})

export type ProfileRecord = Static<typeof ProfileRecord>
export type StateRecord = Static<typeof StateRecord>
export type SamplesRecord = Static<typeof SamplesRecord>
export type CountRecord = Static<typeof CountRecord>
export type Taking = Static<typeof Taking>
export type TakingRecord = Static<typeof TakingRecord>
export type GapRecord = Static<typeof GapRecord>

/** Everything an agent can say that is kept until it is stored. (`Record` alone would hide TypeScript's own.) */
export type NakamaRecord = ProfileRecord | StateRecord | SamplesRecord | CountRecord | TakingRecord | GapRecord
export type RecordType = NakamaRecord['type']

export const RECORD_SCHEMAS = {
  profile: ProfileRecord,
  state: StateRecord,
  samples: SamplesRecord,
  count: CountRecord,
  taking: TakingRecord,
  gap: GapRecord,
} as const

/** `events` are few and go first; `samples` are many and are the first to be given up when the journal is full. */
export const LANES = ['events', 'samples'] as const
export type Lane = (typeof LANES)[number]

export const laneOf = (record: NakamaRecord): Lane => (record.type === 'samples' ? 'samples' : 'events')

const validators = Object.fromEntries(
  Object.entries(RECORD_SCHEMAS).map(([type, schema]) => [type, validator(schema)]),
) as unknown as { readonly [type: string]: Validator<NakamaRecord> | undefined }

/** Checks one record by its type, and what a schema cannot say: columns of equal length, times in order. */
export const checkRecord = (input: unknown): Checked<NakamaRecord> => {
  const type = (input as { type?: unknown } | null)?.type
  const check = typeof type === 'string' && Object.hasOwn(validators, type) ? validators[type] : undefined
  if (check === undefined) {
    return {
      ok: false,
      problems: [
        {
          path: 'type',
          expected: `one of ${Object.keys(RECORD_SCHEMAS).join(', ')}`,
          got: JSON.stringify(type) ?? 'nothing',
        },
      ],
    }
  }
  const checked = check.check(input)
  return checked.ok ? checkSense(checked.value) : checked
}

const checkSense = (record: NakamaRecord): Checked<NakamaRecord> => {
  const bad = (path: string, expected: string, got: string): Checked<NakamaRecord> => ({
    ok: false,
    problems: [{ path, expected, got }],
  })
  if (record.type === 'state' && record.since > record.at)
    return bad('since', `a time up to at=${record.at}`, String(record.since))
  if (record.type === 'gap' && record.from > record.to)
    return bad('from', `a time up to to=${record.to}`, String(record.from))
  if (record.type !== 'samples') return { ok: true, value: record }
  const names = Object.keys(record.signals)
  if (names.length > LIMITS.samplesMaxSignals)
    return bad('signals', `at most ${LIMITS.samplesMaxSignals} signals`, String(names.length))
  for (const name of names) {
    const column = record.signals[name] as readonly unknown[]
    if (column.length !== record.at.length)
      return bad(`signals.${name}`, `${record.at.length} values, one per row`, String(column.length))
  }
  for (let row = 1; row < record.at.length; row++) {
    if ((record.at[row] as number) <= (record.at[row - 1] as number))
      return bad(`at.${row}`, `a time after ${record.at[row - 1]}`, String(record.at[row]))
  }
  return { ok: true, value: record }
}
