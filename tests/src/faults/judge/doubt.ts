import { IN_FLIGHT_MS, type MachineEvidence, PROMISED_AFTER_MS, type RunFacts, SIMULATORS } from './evidence.ts'
import { type Span, widened } from './spans.ts'

/** A machine that was frozen answers what it was asked meanwhile, though nobody waits for it any more. */
const THAW_MS = 1_000

/** What is pushed in the first seconds of a connection may go to a subscription that is given up for a better one. */
const SETTLING_MS = 3_000

/** Of machines that push: after whatever made their agent subscribe anew. */
export const settlingSpans = (
  { outages, frozen }: Pick<RunFacts, 'outages' | 'frozen'>,
  { agent, truth }: Pick<MachineEvidence, 'agent' | 'truth'>,
): Span[] =>
  [
    ...outages.filter(({ process }) => process === SIMULATORS).map(({ to }) => to),
    ...frozen.filter(({ process }) => process === SIMULATORS || process === agent).map(({ to }) => to),
    ...truth.filter(({ reachable }, index) => reachable && truth[index - 1]?.reachable === false).map(({ at }) => at),
  ].map(back => ({ from: back, to: back + SETTLING_MS }))

/**
 * When a tick that was served need not have been read, or need not be in the journal yet: around whatever broke the
 * connection, and in the last second before the agent was killed. Not being stored is no loss then.
 */
export const doubtfulSpans = (
  { outages, frozen }: Pick<RunFacts, 'outages' | 'frozen'>,
  { agent, truth }: Pick<MachineEvidence, 'agent' | 'truth'>,
): Span[] => [
  ...outages.filter(({ process }) => process === agent).map(span => widened(span, PROMISED_AFTER_MS, 0)),
  ...outages.filter(({ process }) => process === SIMULATORS).map(span => widened(span, IN_FLIGHT_MS, 0)),
  ...frozen.filter(({ process }) => process === agent).map(span => widened(span, IN_FLIGHT_MS)),
  ...frozen.filter(({ process }) => process === SIMULATORS).map(span => widened(span, IN_FLIGHT_MS, THAW_MS)),
  ...truth
    .filter(({ reachable }, index) => reachable !== truth[index - 1]?.reachable)
    .map(({ at }) => widened({ from: at, to: at }, IN_FLIGHT_MS)),
]
