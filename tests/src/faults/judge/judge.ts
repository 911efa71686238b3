import type { MachineEvidence, RunFacts } from './evidence.ts'
import { type JudgedGaps, judgeGaps } from './gaps.ts'
import { type JudgedReadings, judgeReadings } from './readings.ts'
import { wrongRollups } from './rollups.ts'
import { minutesOf } from './spans.ts'
import { judgeStates, type WrongState } from './states.ts'

/** What became of one machine's readings and states. */
export interface Verdict {
  readonly name: string
  readonly readings: JudgedReadings
  readonly gaps: JudgedGaps
  readonly wrongStates: readonly WrongState[]
  /** Minutes in which it was shown IDLE and was not. */
  readonly wronglyIdle: number
  /** Minutes whose rollup is not what it should be: by the stored timeline, or by the truth. */
  readonly wrongRollups: number
}

export const judgeMachine = (facts: RunFacts, evidence: MachineEvidence): Verdict => {
  const gaps = judgeGaps(facts, evidence)
  const wrongStates = judgeStates(facts, evidence, gaps.right)
  return {
    name: `${evidence.shop}/${evidence.machine}`,
    readings: judgeReadings(facts, evidence, gaps.right),
    gaps,
    wrongStates,
    wronglyIdle: minutesOf(wrongStates.filter(({ code }) => code === 'IDLE')).size,
    wrongRollups: new Set([...wrongRollups(evidence), ...minutesOf(wrongStates)]).size,
  }
}

/** Everything that must not be, in words; empty when the promise was kept. */
export const complaintsOf = ({ name, readings, gaps, wrongStates, wrongRollups }: Verdict): string[] => {
  const { served, stored, lost, duplicated, disordered } = readings
  return [
    ...lost.slice(0, SHOWN_MAX).map(({ at, tick }) => `${name}: tick ${tick} of ${time(at)} is lost`),
    ...(duplicated > 0 ? [`${name}: ${duplicated} ticks are stored twice`] : []),
    ...(disordered > 0 ? [`${name}: ${disordered} ticks are out of order`] : []),
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
