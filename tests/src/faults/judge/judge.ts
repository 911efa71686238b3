import type { Step } from '../ledger.ts'
import { unreadSpans } from './cadence.ts'
import { type AwayTick, judgeClock } from './clock.ts'
import type { MachineEvidence, RunFacts } from './evidence.ts'
import { type JudgedGaps, judgeGaps } from './gaps.ts'
import { type JudgedReadings, judgeReadings } from './readings.ts'
import { wrongRollups } from './rollups.ts'
import { minutesOf, type Span } from './spans.ts'
import { judgeStates, type WrongState } from './states.ts'

/** What became of one machine's readings and states. */
export interface Verdict {
  readonly name: string
  readonly readings: JudgedReadings
  readonly away: readonly AwayTick[]
  /** When it was not polled, though nothing was done that explains it. */
  readonly unread: readonly Span[]
  /** Steps of the agent's clock that its times do not show. */
  readonly unshownSteps: readonly Step[]
  readonly gaps: JudgedGaps
  readonly wrongStates: readonly WrongState[]
  /** Minutes in which it was shown IDLE and was not. */
  readonly wronglyIdle: number
  /** Minutes whose rollup is not what it should be: by the stored timeline, or by the truth. */
  readonly wrongRollups: number
}

export const judgeMachine = (facts: RunFacts, given: MachineEvidence): Verdict => {
  const { evidence, away, unshown } = judgeClock(facts, given)
  const gaps = judgeGaps(facts, evidence)
  const wrongStates = judgeStates(facts, evidence, gaps.right)
  return {
    name: `${evidence.shop}/${evidence.machine}`,
    readings: judgeReadings(facts, evidence, gaps.excused),
    away,
    unread: unreadSpans(facts, evidence),
    unshownSteps: unshown,
    gaps,
    wrongStates,
    wronglyIdle: minutesOf(wrongStates.filter(({ code }) => code === 'IDLE')).size,
    wrongRollups: new Set([...wrongRollups(evidence), ...minutesOf(wrongStates)]).size,
  }
}

/** Everything that must not be, in words; empty when the promise was kept. */
export const complaintsOf = ({
  name,
  readings,
  away,
  unshownSteps,
  unread,
  gaps,
  wrongStates,
  wrongRollups,
}: Verdict): string[] => {
  const { served, stored, lost, duplicated, disordered } = readings
  return [
    ...lost.slice(0, SHOWN_MAX).map(({ at, tick }) => `${name}: tick ${tick} of ${time(at)} is lost`),
    ...(duplicated > 0 ? [`${name}: ${duplicated} ticks are stored twice`] : []),
    ...(disordered > 0 ? [`${name}: ${disordered} ticks are out of order`] : []),
    ...away
      .slice(0, SHOWN_MAX)
      .map(
        ({ at, tick, byMs }) =>
          `${name}: tick ${tick} of ${time(at)} is stored ${(byMs / 1_000).toFixed(1)} s away from when it was served`,
      ),
    ...unshownSteps.map(({ from, byMs }) => `${name}: no time is ${byMs} ms off, as the clock was from ${time(from)}`),
    ...unread
      .slice(0, SHOWN_MAX)
      .map(({ from, to }) => `${name}: not polled from ${time(from)} to ${time(to)}, and nothing explains it`),
    ...wrongStates
      .slice(0, SHOWN_MAX)
      .map(
        ({ from, to, code, expected }) =>
          `${name}: ${code} from ${time(from)} to ${time(to)}, not ${expected.join('/')}`,
      ),
    ...(wrongRollups > 0 ? [`${name}: ${wrongRollups} minutes of rollups are wrong`] : []),
    ...gaps.wrong
      .slice(0, SHOWN_MAX)
      .map(
        ({ from, to, what, why }) =>
          `${name}: a gap that nothing explains: ${what}, ${why}, ${time(from)} to ${time(to)}`,
      ),
    ...(stored < served / 2 ? [`${name}: fewer than half of its ticks are stored (${stored} of ${served})`] : []),
  ]
}

const SHOWN_MAX = 5

const time = (at: number): string => (Number.isFinite(at) ? new Date(at).toISOString().slice(11, 23) : 'the end')
