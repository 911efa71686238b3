import { type Static, Type } from 'typebox'
import { Epoch, Millis } from './ids.ts'
import { LIMITS } from './limits.ts'
import { LANES, type Lane } from './records.ts'
import { formatProblems, validator } from './validate.ts'

export const CONTRACT_VERSION = 1

/**
 * What identifies a batch, together with its agent: within a lane and epoch `seq` starts at 1 and has no holes.
 * `oldest` is the lowest seq of this lane and epoch still in the journal; it is filled in when the batch is sent.
 *
 * Seq 0 is no batch but a question, without records: it is answered with an ack, whose `at` tells the time.
 *
 * What was journaled before the agent knew the time carries boot times (see `isBootTime`). With `shiftMs` they are to be moved
 * by this much. With `unsynchronised` nobody will ever know when they were: between these bounds.
 */
export const BatchEnvelope = Type.Object({
  v: Type.Literal(CONTRACT_VERSION),
  lane: Type.Enum([...LANES]),
  epoch: Epoch,
  seq: Type.Integer({ minimum: 0 }),
  oldest: Type.Integer({ minimum: 1 }),
  shiftMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 8_640_000_000_000_000 })),
  unsynchronised: Type.Optional(Type.Object({ from: Millis, to: Millis })),
  records: Type.Array(Type.Unknown(), { maxItems: LIMITS.batchMaxRecords }),
})

export type BatchEnvelope = Static<typeof BatchEnvelope>

export interface BatchId {
  readonly lane: Lane
  readonly epoch: string
  readonly seq: number
}

/** What is said beside the records about their boot times: the same at every repetition. */
export type BatchClock = Pick<BatchEnvelope, 'shiftMs' | 'unsynchronised'>

/**
 * One line of a `records` message. The journal keeps `recordsJson` (a JSON array) as it was appended, and it goes onto the
 * wire as it is: nothing is parsed and nothing is stamped again between the card and the database.
 */
export const encodeBatch = (id: BatchId, oldest: number, recordsJson: string, clock: BatchClock = {}): string =>
  `{"v":${CONTRACT_VERSION},"lane":"${id.lane}","epoch":"${id.epoch}","seq":${id.seq},"oldest":${oldest},${clockJson(clock)}"records":${recordsJson}}`

const clockJson = ({ shiftMs, unsynchronised }: BatchClock): string => {
  if (unsynchronised !== undefined) return `"unsynchronised":${JSON.stringify(unsynchronised)},`
  return shiftMs === undefined ? '' : `"shiftMs":${shiftMs},`
}

/** A `records` message is one batch per line (a line break never occurs inside JSON without white space). */
export const joinBatches = (lines: readonly string[]): string => lines.join('\n')

export type DecodedBatch =
  | { readonly ok: true; readonly batch: BatchEnvelope; readonly bytes: number }
  /** `unknown-version`: an agent newer than this ingest; not acknowledged, so that the agent keeps it. `malformed`: never any use. */
  | {
      readonly ok: false
      readonly why: 'unknown-version' | 'malformed'
      readonly problem: string
      readonly line: string
    }

const envelope = validator(BatchEnvelope)

/** Reads a `records` message. Each line is judged alone; never throws. The records inside are not checked here (see `checkRecord`). */
export const decodeBatches = (payload: string): DecodedBatch[] =>
  payload
    .split('\n')
    .filter(line => line !== '')
    .map(decodeLine)

export type DecodedEnvelope =
  | { readonly ok: true; readonly envelope: Omit<BatchEnvelope, 'records'>; readonly line: string }
  | Extract<DecodedBatch, { ok: false }>

/** The same without looking into the records: for whoever lets batches wait, and reads them with `decodeBatches` later. */
export const decodeEnvelopes = (payload: string): DecodedEnvelope[] =>
  payload
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const short = withoutRecords(line)
      const quick = short === undefined ? undefined : decodeLine(short)
      const decoded = quick?.ok === true ? quick : decodeLine(line)
      if (!decoded.ok) return decoded
      const { records: _, ...envelope } = decoded.batch
      return { ok: true, envelope, line }
    })

const RECORDS = '"records":['

/** A line as `encodeBatch` makes it, with no record in it. */
const withoutRecords = (line: string): string | undefined => {
  const at = line.indexOf(RECORDS)
  const isLast = at !== -1 && line.indexOf('[') === at + RECORDS.length - 1 && line.endsWith(']}')
  return isLast && line.length <= LIMITS.batchMaxBytes ? `${line.slice(0, at + RECORDS.length)}]}` : undefined
}

const decodeLine = (line: string): DecodedBatch => {
  if (Buffer.byteLength(line) > LIMITS.packetMaxBytes) {
    return {
      ok: false,
      why: 'malformed',
      problem: `expected at most ${LIMITS.packetMaxBytes} bytes`,
      line: line.slice(0, 200),
    }
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(line)
  } catch (error) {
    return { ok: false, why: 'malformed', problem: `not JSON: ${(error as Error).message}`, line }
  }
  const version = (parsed as { v?: unknown } | null)?.v
  if (Number.isInteger(version) && version !== CONTRACT_VERSION) {
    return { ok: false, why: 'unknown-version', problem: `v: expected ${CONTRACT_VERSION}, got ${version}`, line }
  }
  const checked = envelope.check(parsed)
  if (!checked.ok) return { ok: false, why: 'malformed', problem: formatProblems(checked.problems), line }
  return { ok: true, batch: checked.value, bytes: Buffer.byteLength(line) }
}
