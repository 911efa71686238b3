import type { StateCode } from '@nakama/contract'
import { truthAt } from '@nakama/simulators'
import type { Gap } from '@nakama/store'
import type { Waits } from '../../expected-states.ts'
import { finalStates, type KnownSpan, type Sighting } from '../../final-states.ts'
import { type MachineEvidence, PROMISED_AFTER_MS, type RunFacts } from './evidence.ts'
import { clipped, covers, type Span, widened, without } from './spans.ts'

/** In this span the store says `code`, which it cannot have been. */
export interface WrongState extends Span {
  readonly code: StateCode
  readonly expected: readonly StateCode[]
}

/** A machine is looked at once per poll, so a stretch may seem this many polls shorter or longer than it was. */
const BLUR_POLLS = 2

/**
 * Holds the stored timeline against what is to be expected of the truth. A hole counts as OFFLINE, as every reader shows it.
 * OFFLINE is right, too, where the journal lost what was known.
 */
export const judgeStates = (facts: RunFacts, evidence: MachineEvidence, rightGaps: readonly Gap[]): WrongState[] => {
  const { span, pollMs, waits, outages } = facts
  const seen = sightings(facts, evidence)
  const [first, last] = [seen[0], seen.at(-1)]
  if (first === undefined || last === undefined) return []
  const deaths = outages.filter(({ process }) => process === evidence.agent).map(({ from }) => from)
  const blurMs = BLUR_POLLS * pollMs
  const slackMs = blurMs + PROMISED_AFTER_MS
  const expected = [-blurMs, 0, blurMs].flatMap(byMs => finalStates(seen, deaths, blurred(waits, byMs)))
  const lostStates = rightGaps.filter(({ what }) => what !== 'samples')
  const judged = { from: first.at + slackMs, to: Math.min(last.at, span.to) - slackMs }
  return drawnOn(evidence, judged).flatMap(interval => {
    const allowed: Span[] = expected.filter(({ code }) => code === interval.code).map(each => widened(each, slackMs))
    if (interval.code === 'OFFLINE') allowed.push(...lostStates.map(gap => widened(gap, slackMs)))
    return without(interval, allowed).map(wrong => ({
      ...wrong,
      code: interval.code,
      expected: [...new Set(expected.filter(each => clipped([each], wrong).length > 0).map(({ code }) => code))],
    }))
  })
}

/** What the agent could see: what was pushed to it while it was frozen or dead it did not. */
const sightings = ({ frozen, outages }: RunFacts, { agent, truth, served }: MachineEvidence): Sighting[] => {
  const blind = [...frozen, ...outages].filter(({ process }) => process === agent)
  return served.flatMap(({ at }) => {
    const line = truthAt(truth, at)
    return line === undefined || covers(blind, at) ? [] : [{ at, state: line.state, done: line.done }]
  })
}

/** The timeline within a span, without holes. */
const drawnOn = ({ timeline }: MachineEvidence, span: Span): KnownSpan[] => {
  const known = timeline.flatMap(({ code, ...interval }) => clipped([interval], span).map(each => ({ ...each, code })))
  const holes = without(span, known).map(hole => ({ ...hole, code: 'OFFLINE' as const }))
  return [...known, ...holes].sort((a, b) => a.from - b.from)
}

const blurred = (waits: Waits, byMs: number): Waits =>
  Object.fromEntries(Object.entries(waits).map(([name, ms]) => [name, Math.max(0, ms + byMs)])) as unknown as Waits
