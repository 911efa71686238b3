import { LIMITS, type NakamaRecord, type SamplesRecord } from '@nakama/contract'
import { spanOf } from './times.ts'

/** Records of one lane on their way to becoming a batch. */
export interface OpenBatch {
  /** Grows in place: a copy for every record would cost the square of a batch. */
  readonly parts: string[]
  /** Octets of the JSON array so far. */
  readonly bytes: number
  readonly firstAt: number
  readonly lastAt: number
}

export interface ClosedBatch {
  readonly recordsJson: string
  readonly bytes: number
  /** Time of the oldest and the newest record. */
  readonly firstAt: number
  readonly lastAt: number
}

/** What the envelope takes of a batch's bytes at most: see `encodeBatch`. */
const ENVELOPE_MAX_BYTES = 256

export const RECORDS_MAX_BYTES = LIMITS.batchMaxBytes - ENVELOPE_MAX_BYTES

/**
 * Adds a record to a lane's open batch; what becomes full on the way is closed. A `samples` record larger than a whole
 * batch is split by rows.
 *
 * @param open is used up: go on with the one returned.
 * @returns `refused` when a record is too large and cannot be split, or is no JSON; the batch is then as before.
 */
export const addRecord = (
  open: OpenBatch | undefined,
  record: NakamaRecord,
): { open: OpenBatch | undefined; closed: readonly ClosedBatch[]; refused: string | undefined } => {
  let json: string
  try {
    json = JSON.stringify(record)
  } catch (error) {
    return { open, closed: [], refused: (error as Error).message }
  }
  const bytes = Buffer.byteLength(json)
  if (bytes + 2 > RECORDS_MAX_BYTES) {
    if (record.type === 'samples' && record.at.length > 1) return addHalves(open, record)
    return { open, closed: [], refused: `expected at most ${RECORDS_MAX_BYTES} bytes, got ${bytes}` }
  }
  const { from, to } = spanOf(record)
  if (open === undefined) {
    return { open: { parts: [json], bytes: bytes + 2, firstAt: from, lastAt: to }, closed: [], refused: undefined }
  }
  if (open.bytes + bytes + 1 > RECORDS_MAX_BYTES || open.parts.length >= LIMITS.batchMaxRecords) {
    const next = addRecord(undefined, record)
    return { ...next, closed: [closeBatch(open)] }
  }
  open.parts.push(json)
  return {
    open: {
      parts: open.parts,
      bytes: open.bytes + bytes + 1,
      firstAt: Math.min(open.firstAt, from),
      lastAt: Math.max(open.lastAt, to),
    },
    closed: [],
    refused: undefined,
  }
}

export const closeBatch = ({ parts, bytes, firstAt, lastAt }: OpenBatch): ClosedBatch => ({
  recordsJson: `[${parts.join(',')}]`,
  bytes,
  firstAt,
  lastAt,
})

const addHalves = (open: OpenBatch | undefined, record: SamplesRecord): ReturnType<typeof addRecord> => {
  const middle = Math.ceil(record.at.length / 2)
  const first = addRecord(open, sliceRows(record, 0, middle))
  const second = addRecord(first.open, sliceRows(record, middle, record.at.length))
  return {
    open: second.open,
    closed: [...first.closed, ...second.closed],
    refused: first.refused ?? second.refused,
  }
}

const sliceRows = (record: SamplesRecord, from: number, to: number): SamplesRecord => ({
  ...record,
  at: record.at.slice(from, to),
  signals: Object.fromEntries(Object.entries(record.signals).map(([name, column]) => [name, column.slice(from, to)])),
})
