import type { StateCode } from '@nakama/contract'
import { truthAt } from '@nakama/simulators'
import type { Gap } from '@nakama/store'
import type { Waits } from '../../expected-states.ts'
import { finalStates, type KnownSpan, type Sighting } from '../../final-states.ts'
import type { Step } from '../ledger.ts'
import { IN_FLIGHT_MS, type MachineEvidence, PROMISED_AFTER_MS, type RunFacts } from './evidence.ts'
import { clipped, covers, hull, moved, type Span, widened, without } from './spans.ts'

/** In this span the store says `code`, which it cannot have been. */
export interface WrongState extends Span {
  readonly code: StateCode
  readonly expected: readonly StateCode[]
}

/** A machine is looked at once per poll, so a stretch may seem this many polls shorter or longer than it was. */
const BLUR_POLLS = 2

/**
 * Holds the stored timeline against what is to be expected of the truth. A hole counts as OFFLINE, as every reader shows it.
 * OFFLINE is right, too, where the journal lost what was known. Where the agent told of two times at once, because its clock was
 * off, nothing is judged.
 */
export const judgeStates = (facts: RunFacts, evidence: MachineEvidence, rightGaps: readonly Gap[]): WrongState[] => {
  const { span, pollMs, waits, outages } = facts
  const seen = sightings(facts, evidence)
  const [first, last] = [seen[0], seen.at(-1)]
  if (first === undefined || last === undefined) return []
  const deaths = outages.filter(({ process }) => process === evidence.agent).map(({ from }) => from)
  const blurMs = BLUR_POLLS * pollMs
  const slackMs = blurMs + PROMISED_AFTER_MS
  const possible = [-blurMs, 0, blurMs].map(byMs => finalStates(seen, deaths, blurred(waits, byMs)))
  const expected = possible.flat()
  const steps = facts.stepped.filter(({ process }) => process === evidence.agent)
  const unclear = steps.flatMap(step => possible.map(states => unclearBy(step, states, longestOf(waits) + slackMs)))
  // A state that began before the clock was set is then said to have begun by the new clock, too.
  const told = steps.flatMap(step =>
    expected.filter(each => clipped([each], step).length > 0).map(each => moved(each, step.byMs)),
  )
  const lostStates = rightGaps.filter(({ what }) => what !== 'samples')
  const judged = { from: first.at + slackMs, to: Math.min(last.at, span.to) - slackMs }
  return drawnOn(evidence, judged).flatMap(interval => {
    const allowed: Span[] = [...expected, ...told]
      .filter(({ code }) => code === interval.code)
      .map(each => widened(each, slackMs))
    if (interval.code === 'OFFLINE') allowed.push(...lostStates.map(gap => widened(gap, slackMs)))
    return without(interval, [...allowed, ...unclear.map(each => widened(each, slackMs))]).map(wrong => ({
      ...wrong,
      code: interval.code,
      expected: [...new Set(expected.filter(each => clipped([each], wrong).length > 0).map(({ code }) => code))],
    }))
  })
}

/**
 * What lies between the true time of a step and its time by the wrong clock: the store is told of two times at once there, and of no gap of
 * an agent that died before the true time has caught up. A change that the wrong clock told is not told again by the right one: from
 * where it may have begun nothing is known, until the next one.
 */
const unclearBy = (step: Step, states: readonly KnownSpan[], longestWaitMs: number): Span => {
  const { from, to } = hull(step, moved(step, step.byMs))
  const hasChanged = states.some(state => covers([widened(step, longestWaitMs, 0)], state.from))
  if (!hasChanged) return { from, to }
  const next = states.find(state => state.from > to)
  return { from: from - longestWaitMs, to: next?.from ?? Number.POSITIVE_INFINITY }
}

/** How long something may have been so before it is told. */
const longestOf = (waits: Waits): number => Math.max(...Object.values(waits))

/**
 * What the agent could see: what was pushed to it while it was frozen or dead it did not. A machine that is polled serves nobody but
 * who asks: what it served a moment after the kill or later, the next life has read, also before it said that it is ready.
 */
const sightings = ({ frozen, outages }: RunFacts, { reading, agent, truth, served }: MachineEvidence): Sighting[] => {
  const isOurs = ({ process }: { readonly process: string }): boolean => process === agent
  const deaf = ({ from, to }: Span): Span => ({ from, to: reading === 'each' ? Math.min(to, from + IN_FLIGHT_MS) : to })
  const blind = [...frozen.filter(isOurs), ...outages.filter(isOurs).map(deaf)]
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
