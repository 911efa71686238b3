import type { ReadFailure, Value } from '../source.ts'
import { decodeField } from './decode.ts'
import type { PlanLimits, PlannedRequest } from './plan.ts'
import { AREAS, dataOctets, hasBits, type ReadRequest } from './protocol.ts'
import type { ReadResult } from './station.ts'
import type { Field } from './types.ts'

/** One round of a machine's requests. Its values are of one time, so it is a reading when all of them came, or none. */
export interface Poll {
  /** Which of all times at which it could begin, counted from the start. */
  readonly slot: number
  readonly begunAt: number
  readonly due: readonly Field[]
  /** A question whose answer cannot be taken for that of any before; its own is not looked at. */
  probe: ReadRequest | undefined
  readonly queue: PlannedRequest[]
  /** For something that was refused before; see learning.ts. */
  retry: PlannedRequest | undefined
  readonly values: { [signal: string]: Value }
  readonly good: PlannedRequest[]
  readonly refused: PlannedRequest[]
  /** Why, of the last one that was refused. */
  refusal: ReadFailure | undefined
  /** How long its answers took together. */
  wireMs: number
}

/** Illegal function, address, value, and device failure, which some say instead: it does not have what was asked for. */
const REFUSALS = [1, 2, 3, 4]

/** @param owed shapes of the answers that the unit may still owe. */
export const startPoll = (
  due: readonly Field[],
  { requests, retry }: { readonly requests: PlannedRequest[]; readonly retry: PlannedRequest | undefined },
  owed: readonly string[],
  limits: PlanLimits,
  at: { readonly slot: number; readonly begunAt: number },
): Poll => ({
  ...{ ...at, due, retry, queue: requests },
  ...{ values: {}, good: [], refused: [], refusal: undefined, wireMs: 0 },
  probe: owed.length === 0 ? undefined : probeFor(requests, owed, limits),
})

export const questionOf = ({ probe, queue, retry }: Poll): ReadRequest => (probe ?? queue[0] ?? retry) as ReadRequest

/** Whether a result says something about the addresses, good or not; everything else ends the poll. */
export const isAnswer = (result: ReadResult): boolean =>
  result.ok || (result.exception !== undefined && REFUSALS.includes(result.exception))

/** Puts an answer where it belongs. @returns which of the poll's questions it was for. */
export const takeAnswer = (poll: Poll, result: ReadResult): 'probe' | 'request' | 'retry' => {
  if (poll.probe !== undefined) {
    poll.probe = undefined
    return 'probe'
  }
  const request = poll.queue.shift()
  if (request === undefined) {
    poll.retry = undefined
    return 'retry'
  }
  if (result.ok) {
    poll.good.push(request)
    for (const field of request.fields) poll.values[field.name] = decodeField(field, request, result.data)
  } else {
    poll.refused.push(request)
    poll.refusal = result.failure
  }
  return 'request'
}

export const isOver = ({ probe, queue, retry }: Poll): boolean =>
  probe === undefined && queue.length === 0 && retry === undefined

/** All that was due, null where it was refused. */
export const valuesOf = ({ due, values }: Poll): { readonly [signal: string]: Value } =>
  Object.fromEntries(due.map(({ name }) => [name, values[name] ?? null]))

/**
 * A small question whose answer can be told from all that may still come and all that will be asked next, by its function or
 * its length. Undefined where the device takes too little at once for that.
 */
const probeFor = (
  requests: readonly PlannedRequest[],
  owed: readonly string[],
  limits: PlanLimits,
): ReadRequest | undefined => {
  const { area: first, address } = requests[0] as PlannedRequest
  const taken = new Set([...owed, ...requests.map(shapeOf)])
  for (const area of [first, ...AREAS.filter(area => area !== first)]) {
    const [step, most] = hasBits(area) ? [8, limits.maxBits] : [1, limits.maxRegisters]
    for (let count = 1; count <= most; count += step) {
      const probe = { area, address: Math.min(address, 0x1_0000 - count), count }
      if (!taken.has(shapeOf(probe))) return probe
    }
  }
  return undefined
}

/** What an answer without a number shows of its question. */
export const shapeOf = (request: ReadRequest): string => `${request.area} ${dataOctets(request)}`
