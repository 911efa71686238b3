import { type MachineEvidence, type RunFacts, SIMULATORS } from './evidence.ts'
import { type Span, widened, without } from './spans.ts'

/** So many polls may be missed without a reason. */
const MISSED_MAX_POLLS = 3
/** By the design, for an agent or a machine to be itself again. */
const RECOVERED_MS = 30_000

/**
 * When a machine that is polled was not, though nothing was done that explains it. What was not asked for is not served, so that
 * it cannot be seen in what is missing; for machines that push it can.
 */
export const unreadSpans = (facts: RunFacts, { reading, agent, truth, served }: MachineEvidence): Span[] => {
  if (reading === 'stream') return []
  const { span, pollMs, outages, frozen } = facts
  const gone = truth.flatMap(({ at, reachable }, index) =>
    reachable ? [] : [{ from: at, to: truth[index + 1]?.at ?? Number.POSITIVE_INFINITY }],
  )
  const reasons = [
    ...[...outages, ...frozen].filter(({ process }) => process === agent || process === SIMULATORS),
    ...gone,
  ].map(reason => widened(reason, pollMs, RECOVERED_MS))
  const times = [span.from, ...served.map(({ at }) => at).filter(at => span.from < at && at < span.to), span.to]
  return times
    .flatMap((from, index) => without({ from, to: times[index + 1] ?? from }, reasons))
    .filter(({ from, to }) => to - from > MISSED_MAX_POLLS * pollMs)
}
