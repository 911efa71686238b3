import { type Barrier, endOf, type PlanLimits, type PlannedRequest, planRequests, requestFor } from './plan.ts'
import type { Area } from './protocol.ts'
import type { Field } from './types.ts'

/**
 * What is known of the addresses that a unit does not have. A request that was refused is cut in two until what remains is
 * good, or one field that is refused alone; then cuts that were only scaffolding are taken away again, one a poll.
 */
export interface Learning {
  readonly cuts: readonly Cut[]
  /** Fields that were refused alone: null in readings, and no request reads across them. */
  readonly refused: readonly Field[]
  /** A cut that was taken away to see whether it was needed. */
  readonly trial: Cut | undefined
  /** When to ask again for something that is believed not to be there: machines are updated, and start up slowly. */
  readonly retryAt: number
  readonly retryMs: number
}

/** No request reads from before `at` to behind it. */
export interface Cut {
  readonly area: Area
  readonly at: number
  /** Each side of it was good while both together were refused. */
  readonly proven: boolean
}

/** What came of one poll's requests. */
export interface PollLesson {
  readonly good: readonly PlannedRequest[]
  readonly refused: readonly PlannedRequest[]
}

const RETRY_FIRST_MS = 60_000
const RETRY_MAX_MS = 3_600_000

export const startLearning = (now: number): Learning => ({
  cuts: [],
  refused: [],
  trial: undefined,
  retryAt: now + RETRY_FIRST_MS,
  retryMs: RETRY_FIRST_MS,
})

/** The requests for `due`, and now and then one for a field that was refused before: its answer is no part of the reading. */
export const planPoll = (
  learning: Learning,
  due: readonly Field[],
  limits: PlanLimits,
  now: number,
): { readonly requests: PlannedRequest[]; readonly retry: PlannedRequest | undefined } => {
  const requests = planRequests(wanted(learning, due), limits, barrierOf(learning))
  const again = now >= learning.retryAt ? learning.refused[0] : undefined
  return { requests, retry: again === undefined ? undefined : requestFor([again]) }
}

const wanted = ({ refused }: Learning, fields: readonly Field[]): Field[] =>
  fields.filter(field => !refused.includes(field))

const barrierOf =
  ({ cuts, refused }: Learning): Barrier =>
  (area, from, to) =>
    cuts.some(cut => cut.area === area && from < cut.at && cut.at < to) ||
    refused.some(field => field.area === area && from <= field.address && endOf(field) <= to)

/**
 * @param fields all fields of the machine.
 * @returns what was known at the start when nothing is left: a control that refuses everything is starting up, not empty.
 */
export const learn = (
  before: Learning,
  lesson: PollLesson,
  fields: readonly Field[],
  limits: PlanLimits,
  now: number,
): Learning => {
  const after = lesson.refused.reduce(learnRefusal, before)
  if (after.refused.length === fields.length) return startLearning(now)
  if (lesson.refused.length > 0) return after
  return recall(tryWithout(settleTrial(after, lesson, fields, limits)), now)
}

const learnRefusal = (learning: Learning, request: PlannedRequest): Learning => {
  const { cuts, trial } = learning
  if (trial !== undefined && spans(request, trial)) {
    return { ...learning, cuts: [...cuts, { ...trial, proven: true }], trial: undefined }
  }
  const at = placeOfCut(request.fields)
  if (at === undefined) return { ...learning, refused: [...learning.refused, ...request.fields] }
  return { ...learning, cuts: [...cuts, { area: request.area, at, proven: false }] }
}

/** The largest hole, since what nobody wants to read is what is not there; else the middle. Undefined: indivisible. */
const placeOfCut = (fields: readonly Field[]): number | undefined => {
  const middle = (fields.length - 1) / 2
  let best: { at: number; hole: number; off: number } | undefined
  let end = endOf(fields[0] as Field)
  for (const [index, field] of fields.entries()) {
    if (index > 0 && field.address >= end) {
      const candidate = { at: field.address, hole: field.address - end, off: Math.abs(index - 0.5 - middle) }
      const better =
        best === undefined || candidate.hole > best.hole || (candidate.hole === best.hole && candidate.off < best.off)
      if (better) best = candidate
    }
    end = Math.max(end, endOf(field))
  }
  return best?.at
}

/** A cut that was not missed is forgotten: what it divided was read at once, or is never asked for at once anyway. */
const settleTrial = (
  learning: Learning,
  { good }: PollLesson,
  fields: readonly Field[],
  limits: PlanLimits,
): Learning => {
  const { trial } = learning
  if (trial === undefined) return learning
  const settled =
    good.some(request => spans(request, trial)) ||
    !planRequests(wanted(learning, fields), limits, barrierOf(learning)).some(request => spans(request, trial))
  return settled ? { ...learning, trial: undefined } : learning
}

const tryWithout = (learning: Learning): Learning => {
  const candidate = learning.trial === undefined ? learning.cuts.find(cut => !cut.proven) : undefined
  if (candidate === undefined) return learning
  return { ...learning, cuts: learning.cuts.filter(cut => cut !== candidate), trial: candidate }
}

/** With nothing refused, the oldest proven cut is doubted once in a while: it costs one poll when it is still needed. */
const recall = (learning: Learning, now: number): Learning => {
  const proven = learning.cuts.find(cut => cut.proven)
  if (now < learning.retryAt || learning.refused.length > 0 || proven === undefined) return learning
  const others = learning.cuts.filter(cut => cut !== proven)
  return { ...later(learning, now), cuts: [...others, { ...proven, proven: false }] }
}

/** What came of asking again for the first refused field. If it is there now, all that was believed is in doubt. */
export const learnRetry = (learning: Learning, isThere: boolean, now: number): Learning => {
  const [first, ...others] = learning.refused
  if (first === undefined) return learning
  if (!isThere) return { ...later(learning, now), refused: [...others, first] }
  const cuts = learning.cuts.map(cut => ({ ...cut, proven: false }))
  return { ...learning, cuts, refused: others, retryAt: now + RETRY_FIRST_MS, retryMs: RETRY_FIRST_MS }
}

const later = (learning: Learning, now: number): Learning => {
  const retryMs = Math.min(RETRY_MAX_MS, learning.retryMs * 2)
  return { ...learning, retryMs, retryAt: now + retryMs }
}

const spans = ({ area, address, count }: PlannedRequest, cut: Cut): boolean =>
  area === cut.area && address < cut.at && cut.at < address + count
