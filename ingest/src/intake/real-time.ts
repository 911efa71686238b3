import { type BatchEnvelope, hasBootTimes, moveBootTimes } from '@nakama/contract'

type Envelope = Pick<BatchEnvelope, 'lane' | 'records' | 'shiftMs' | 'unsynchronised'>

/**
 * The records of a batch in real time, before anything of them is checked. Of a boot whose time nobody ever knew what was read
 * becomes a gap with bounds for each machine: a reading at a wrong time is worse than none. What the shop said itself (受ける / 休む)
 * holds whenever it was, and is stamped with the later bound.
 */
export const realRecords = ({ lane, records, shiftMs, unsynchronised }: Envelope): readonly unknown[] => {
  if (unsynchronised !== undefined) return boundedRecords(lane, records, unsynchronised)
  if (shiftMs === undefined) return records
  return records.map(record => inOrder(moveBootTimes(record, shiftMs)))
}

interface Bounds {
  readonly from: number
  readonly to: number
}

const boundedRecords = (
  lane: Envelope['lane'],
  records: readonly unknown[],
  { from, to }: Bounds,
): readonly unknown[] => {
  const kept: unknown[] = []
  const lost = new Set<unknown>()
  for (const record of records) {
    if (!hasBootTimes(record)) kept.push(record)
    else if (typeOf(record) === 'taking') kept.push({ ...(record as object), at: to })
    else lost.add((record as { readonly machine?: unknown }).machine)
  }
  const what = lane === 'events' ? 'all' : 'samples'
  const gaps = [...lost].map(machine => ({
    type: 'gap',
    at: to,
    machine,
    from: Math.min(from, to),
    to,
    what,
    why: 'clock-unknown',
  }))
  return [...kept, ...gaps]
}

const typeOf = (record: unknown): unknown => (record as { readonly type?: unknown } | null)?.type

/** The beginning of a gap may be by a clock that was wrong then: it is never after its end. */
const inOrder = (record: unknown): unknown => {
  if (typeOf(record) !== 'gap') return record
  const { from, to } = record as { readonly from?: unknown; readonly to?: unknown }
  return typeof from === 'number' && typeof to === 'number' && from > to ? { ...(record as object), from: to } : record
}
