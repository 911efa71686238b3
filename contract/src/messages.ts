import { type Static, Type } from 'typebox'
import { CONTRACT_VERSION } from './batches.ts'
import { Epoch, Id, Millis, StoreId } from './ids.ts'
import { KIND_CODES } from './kinds.ts'
import { LANES, Taking } from './records.ts'
import { STATE_CODES } from './states.ts'
import { formatProblems, type Validator, validator } from './validate.ts'

const v = Type.Literal(CONTRACT_VERSION)

/** Ingest → agent: everything of this lane and epoch up to `seq` is stored durably. Only this deletes from the journal. */
export const Ack = Type.Object({
  v,
  /** The store that has it. An ack from another store than the one in the presence message counts for nothing. */
  store: StoreId,
  lane: Type.Enum([...LANES]),
  epoch: Epoch,
  seq: Type.Integer({ minimum: 0 }),
  /** Bytes that this agent may have in flight, over both lanes. */
  window: Type.Integer({ minimum: 0 }),
  /** Ingest's clock, for a Pi that has no other. */
  at: Millis,
})

export const MachineStatus = Type.Object({
  kind: Type.Enum(KIND_CODES),
  name: Type.String({ maxLength: 80 }),
  code: Type.Enum([...STATE_CODES]),
  since: Millis,
})

/** Agent → everyone, retained: what is true now. `conn` names the connection, so that a late will is recognised. */
export const StatusOnline = Type.Object({
  v,
  online: Type.Literal(true),
  conn: Type.String({ maxLength: 64 }),
  at: Millis,
  version: Type.String({ maxLength: 40 }),
  clock: Type.Object({ synchronised: Type.Boolean() }),
  journal: Type.Object({
    bytes: Type.Integer({ minimum: 0 }),
    maxBytes: Type.Integer({ minimum: 0 }),
    /** Time of the oldest record not yet acknowledged; null when everything is stored. */
    oldestAt: Type.Union([Millis, Type.Null()]),
  }),
  config: Type.Object({ rev: Type.Integer({ minimum: 0 }) }),
  /** As the Pi has it. `refused` names the last desired rev that was not applied, and why. */
  taking: Type.Object({
    ...Taking.properties,
    refused: Type.Optional(Type.Object({ rev: Type.Integer({ minimum: 0 }), why: Type.String({ maxLength: 200 }) })),
  }),
  machines: Type.Record(Id, MachineStatus),
})

/** The same topic, as the will: the connection `conn` ended without a word. */
export const StatusOffline = Type.Object({
  v,
  online: Type.Literal(false),
  conn: Type.String({ maxLength: 64 }),
  at: Millis,
})

export const Status = Type.Union([StatusOnline, StatusOffline])

/** Coordinator → agent, retained: what the agent should apply. */
export const Desired = Type.Object({ v, at: Millis, taking: Taking })

/** Ingest → everyone, retained, also the will. */
export const IngestStatus = Type.Object({ v, online: Type.Boolean(), id: Id, store: StoreId, at: Millis })

export type Ack = Static<typeof Ack>
export type MachineStatus = Static<typeof MachineStatus>
export type StatusOnline = Static<typeof StatusOnline>
export type StatusOffline = Static<typeof StatusOffline>
export type Status = Static<typeof Status>
export type Desired = Static<typeof Desired>
export type IngestStatus = Static<typeof IngestStatus>

export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string }

const decoder =
  <T>(check: Validator<T>) =>
  (payload: string): Decoded<T> => {
    let parsed: unknown
    try {
      parsed = JSON.parse(payload)
    } catch (error) {
      return { ok: false, problem: `not JSON: ${(error as Error).message}` }
    }
    const checked = check.check(parsed)
    return checked.ok ? checked : { ok: false, problem: formatProblems(checked.problems) }
  }

/** Decoders never throw: a bad message is one clear problem, and nothing else stops. */
export const decodeAck = decoder(validator(Ack))
export const decodeStatus = decoder(validator(Status))
export const decodeDesired = decoder(validator(Desired))
export const decodeIngestStatus = decoder(validator(IngestStatus))

/** 受ける / 休む from two sides: the higher rev wins; at a tie the cautious answer does: 休む, and the longer rest. */
export const newerTaking = (a: Taking, b: Taking): Taking => {
  if (a.rev !== b.rev) return a.rev > b.rev ? a : b
  if (a.value !== b.value) return a.value ? b : a
  const untilA = a.until ?? Number.POSITIVE_INFINITY
  const untilB = b.until ?? Number.POSITIVE_INFINITY
  return untilA > untilB === a.value ? b : a
}
