import { type Area, hasBits, MAX_BITS, MAX_REGISTERS, type ReadRequest } from './protocol.ts'
import type { Field } from './types.ts'

/** One request and the fields that its answer carries. */
export interface PlannedRequest extends ReadRequest {
  readonly fields: readonly Field[]
}

/** What one device takes; the numbers of the specification unless it is known to take less. */
export interface PlanLimits {
  readonly maxRegisters: number
  readonly maxBits: number
  /** Reading so many unwanted registers, or eight times as many bits, costs less than another request. */
  readonly maxHole: number
  readonly oneSignalPerRequest: boolean
}

export const DEFAULT_LIMITS: PlanLimits = {
  maxRegisters: MAX_REGISTERS,
  maxBits: MAX_BITS,
  maxHole: 8,
  oneSignalPerRequest: false,
}
const BITS_PER_REGISTER_OF_HOLE = 8

/** Whether something is known that forbids to read `from` up to (not including) `to` in one request. */
export type Barrier = (area: Area, from: number, to: number) => boolean

/**
 * As few requests as the limits allow: sorted by address, small holes filled, no field split over two. Taking as much as
 * goes from the lowest address on is the fewest there can be, because a request that begins later ends no earlier.
 */
export const planRequests = (
  fields: readonly Field[],
  limits: PlanLimits = DEFAULT_LIMITS,
  barrier: Barrier = () => false,
): PlannedRequest[] => {
  const requests: PlannedRequest[] = []
  for (const field of sorted(fields)) {
    const last = requests.at(-1)
    const joined = last === undefined ? undefined : joinTo(last, field)
    if (last !== undefined && joined !== undefined && fits(last, joined, field, limits, barrier)) {
      requests[requests.length - 1] = joined
    } else requests.push(requestFor([field]))
  }
  return requests
}

export const sorted = (fields: readonly Field[]): Field[] =>
  fields.toSorted((a, b) => a.area.localeCompare(b.area) || a.address - b.address || a.width - b.width)

/** @param fields of one area, sorted, at least one. */
export const requestFor = (fields: readonly Field[]): PlannedRequest => {
  const { area, address } = fields[0] as Field
  return { area, address, count: Math.max(...fields.map(endOf)) - address, fields }
}

export const endOf = ({ address, width }: Field): number => address + width

const joinTo = ({ area, address, count, fields }: PlannedRequest, field: Field): PlannedRequest | undefined =>
  area === field.area
    ? { area, address, count: Math.max(count, endOf(field) - address), fields: [...fields, field] }
    : undefined

const fits = (
  last: PlannedRequest,
  joined: PlannedRequest,
  field: Field,
  { maxRegisters, maxBits, maxHole, oneSignalPerRequest }: PlanLimits,
  barrier: Barrier,
): boolean => {
  const bits = hasBits(joined.area)
  // Several bits of one register are one request even on a device that wants a request for each signal.
  const same = joined.count === last.count && field.address === last.address && field.width === last.count
  if (oneSignalPerRequest && !same) return false
  const hole = field.address - (last.address + last.count)
  if (hole > (bits ? maxHole * BITS_PER_REGISTER_OF_HOLE : maxHole)) return false
  if (joined.count > (bits ? maxBits : maxRegisters)) return false
  return !barrier(joined.area, joined.address, joined.address + joined.count)
}
