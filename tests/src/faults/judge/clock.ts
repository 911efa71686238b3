import type { ServedLine } from '@nakama/simulators'
import type { Step } from '../ledger.ts'
import type { MachineEvidence, RunFacts } from './evidence.ts'
import { covers, type Span, widened } from './spans.ts'

/** A tick that is stored too far from the time at which it was served, by the agent's clock of that moment. */
export interface AwayTick extends ServedLine {
  readonly byMs: number
}

export interface JudgedClock {
  /** As if the agent's clock had been right all the time; ascending, within the span of the run. */
  readonly evidence: MachineEvidence
  readonly away: readonly AwayTick[]
  /** Steps that ought to be seen in this machine's times, and are not. */
  readonly unshown: readonly Step[]
}

/** That is what a time may be off by: for the answer to arrive, and, by the design, after a clock was set. */
const LATE_MAX_MS = 1_000
/** Two processes round the same clock. */
const EARLY_MAX_MS = 100
/** Until a process knows that its clock is another. */
const HEARD_MAX_MS = 1_000

/**
 * Holds the stored time of each tick against the machine's own log: wherever the agent's clock was and whenever it was set,
 * it must be the time at which the tick was served, by what that clock was off then.
 */
export const judgeClock = (facts: RunFacts, evidence: MachineEvidence): JudgedClock => {
  const lateMs = latenessOf(facts, evidence)
  const steps = facts.stepped.filter(({ process }) => process === evidence.agent)
  const frozen = facts.frozen.filter(({ process }) => process === evidence.agent)
  /** What was served while the agent was frozen it found when it was not any more. */
  const thawMs = (at: number): number =>
    Math.max(0, ...frozen.filter(span => covers([widened(span, lateMs, 0)], at)).map(({ to }) => to - at))

  const servedAt = Map.groupBy(evidence.served, ({ tick }) => tick)
  const away: AwayTick[] = []
  const trueTimes = new Map<number, number>()
  const stored = evidence.stored.map(line => {
    const served = servedAt.get(line.tick)
    if (served === undefined) return line
    const fits = served.flatMap(({ at }) =>
      offsetsAt(steps, at, lateMs).map(offset => ({ at, offset, byMs: line.at - offset - at })),
    )
    const [best] = fits.toSorted((a, b) => Math.abs(a.byMs) - Math.abs(b.byMs)) as [(typeof fits)[number]]
    if (best.byMs < -EARLY_MAX_MS || best.byMs > lateMs + thawMs(best.at)) {
      away.push({ at: best.at, tick: line.tick, byMs: best.byMs })
    }
    trueTimes.set(line.at, line.at - best.offset)
    return { tick: line.tick, at: line.at - best.offset }
  })
  const within = (at: number): boolean => covers([facts.span], at)
  return {
    evidence: {
      ...evidence,
      stored: stored.filter(({ at }) => within(at)).toSorted((a, b) => a.at - b.at),
      storedAt: evidence.storedAt
        .map(at => trueTimes.get(at) ?? at)
        .filter(within)
        .toSorted((a, b) => a - b),
    },
    away,
    unshown: steps.filter(step => !isShown(step, evidence, lateMs)),
  }
}

/** A value that is pushed waits for its poll. */
const latenessOf = ({ pollMs }: RunFacts, { reading }: MachineEvidence): number =>
  LATE_MAX_MS + (reading === 'stream' ? pollMs : 0)

/** By how much the clock may have been off that stamps what is served at a time. When it is just being set, either way is right. */
const offsetsAt = (steps: readonly Step[], at: number, lateMs: number): number[] => {
  const possible = steps.filter(step => covers([widened(step, lateMs, HEARD_MAX_MS)], at))
  const isSure = possible.some(step => covers([surelyIn(step, lateMs)], at))
  return [...(isSure ? [] : [0]), ...possible.map(({ byMs }) => byMs)]
}

const surelyIn = (step: Span, lateMs: number): Span => widened(step, -HEARD_MAX_MS, -lateMs)

/** Most of what was surely served meanwhile is stored nearer to the step than to the truth; a machine that is away shows nothing. */
const isShown = (step: Step, { served, stored }: MachineEvidence, lateMs: number): boolean => {
  const during = new Map(
    served.filter(({ at }) => covers([surelyIn(step, lateMs)], at)).map(line => [line.tick, line.at]),
  )
  const offs = stored.flatMap(({ at, tick }) => {
    const truly = during.get(tick)
    return truly === undefined ? [] : [at - truly]
  })
  return offs.filter(byMs => Math.abs(byMs - step.byMs) < Math.abs(byMs)).length >= offs.length / 2
}
