import type { ServedLine } from '@nakama/simulators'
import { doubtfulSpans, settlingSpans } from './doubt.ts'
import type { MachineEvidence, RunFacts } from './evidence.ts'
import { covers, type Span, widened } from './spans.ts'

/** Numbers of ticks. `served` is the sum of the next four. */
export interface JudgedReadings {
  readonly served: number
  readonly stored: number
  readonly inGaps: number
  /** Not surely read, or not promised yet. */
  readonly inDoubt: number
  readonly lost: readonly ServedLine[]
  readonly duplicated: number
  readonly disordered: number
}

/** A machine that is pushed may be quiet for so many polls. */
const HOLE_MAX_POLLS = 3
/** A reading is stamped when it has arrived. */
const ARRIVAL_MS = 250

export const judgeReadings = (facts: RunFacts, evidence: MachineEvidence, excused: readonly Span[]): JudgedReadings => {
  const { span, pollMs } = facts
  const within = evidence.served.filter(({ at }) => span.from <= at && at < span.to)
  const settling = evidence.reading === 'stream' ? settlingSpans(facts, evidence) : []
  const doubtful = [...doubtfulSpans(facts, evidence), ...settling]
  const missing = excused.map(each => widened(each, ARRIVAL_MS, 0))
  const isStored = evidence.reading === 'each' ? storedTick(evidence) : storedNear(evidence, pollMs, span)
  const served = evidence.reading === 'each' ? within : onePerPoll(within, pollMs)
  const groups = Map.groupBy(served, tick => {
    if (isStored(tick)) return 'stored'
    if (covers(missing, tick.at)) return 'inGaps'
    return covers(doubtful, tick.at) ? 'inDoubt' : 'lost'
  })
  return {
    served: served.length,
    stored: groups.get('stored')?.length ?? 0,
    inGaps: groups.get('inGaps')?.length ?? 0,
    inDoubt: groups.get('inDoubt')?.length ?? 0,
    lost: groups.get('lost') ?? [],
    ...judgeOrder(evidence.stored),
  }
}

const storedTick = ({ stored }: MachineEvidence): ((tick: ServedLine) => boolean) => {
  const ticks = new Set(stored.map(({ tick }) => tick))
  return ({ tick }) => ticks.has(tick)
}

/** Outside of the holes between stored readings. */
const storedNear = ({ storedAt }: MachineEvidence, pollMs: number, span: Span): ((tick: ServedLine) => boolean) => {
  const times = [span.from, ...storedAt, span.to]
  const holes = times
    .map((from, index) => ({ from, to: times[index + 1] ?? from }))
    .filter(({ from, to }) => to - from > HOLE_MAX_POLLS * pollMs)
    .map(hole => widened(hole, -pollMs))
  return ({ at }) => !covers(holes, at)
}

const onePerPoll = (served: readonly ServedLine[], pollMs: number): ServedLine[] => {
  const taken: ServedLine[] = []
  for (const tick of served) if (tick.at - (taken.at(-1)?.at ?? 0) >= pollMs) taken.push(tick)
  return taken
}

const judgeOrder = (stored: readonly ServedLine[]): Pick<JudgedReadings, 'duplicated' | 'disordered'> => {
  const seen = new Set<number>()
  let [duplicated, disordered, highest] = [0, 0, Number.NEGATIVE_INFINITY]
  for (const { tick } of stored) {
    if (seen.has(tick)) duplicated += 1
    else if (tick < highest) disordered += 1
    seen.add(tick)
    highest = Math.max(highest, tick)
  }
  return { duplicated, disordered }
}
