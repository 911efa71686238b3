import type { StateCode } from '@nakama/contract'
import type { Value, Values } from '../sources/source.ts'
import { type Condition, type Finding, find, RULE_NAMES, type RuleName, type Rules, signalsIn } from './rules.ts'
import { countsFrom, type Timing, type TrackerState } from './tracker.ts'

/** Why a machine is in its state. Times are milliseconds since 1970 UTC. */
export interface Explanation {
  readonly code: StateCode
  readonly since: number
  /** What the newest reading shows, whether or not it is the state yet. */
  readonly shows: Shown
  /** When what is shown becomes the state if it goes on; null when it is that already, or shows nothing. */
  readonly becomesAt: number | null
  /** When the state becomes OFFLINE without a further good reading; null when it is that already. */
  readonly offlineAt: number | null
  readonly signals: readonly ShownSignal[]
}

export interface Shown {
  /** Null: it shows nothing, which counts as no reading. */
  readonly code: StateCode | null
  /** The rule that decided, and which of its conditions, as in `power = true`; null when none holds. */
  readonly rule: RuleName | null
  readonly condition: string | null
  /** Rules that could not be decided, because a signal that they need has no good value. */
  readonly uncertain: readonly RuleName[]
}

export interface ShownSignal {
  readonly name: string
  /** A text only where a rule knows the word; of any other only that it is one. */
  readonly value: Value
  readonly isHiddenText: boolean
  /** True when a rule speaks of it. */
  readonly decides: boolean
}

/** Explains one machine by its rules and the values of its newest reading, good or not; `values` is empty before the first. */
export const explain = (rules: Rules, timing: Timing, tracker: TrackerState, values: Values): Explanation => {
  const isOffline = tracker.code === undefined || tracker.code === 'OFFLINE'
  const due = countsFrom(timing, tracker)
  const finding = find(rules, values)
  return {
    code: tracker.code ?? 'OFFLINE',
    since: tracker.since,
    shows: shownBy(finding),
    becomesAt: finding.evidence === null || !Number.isFinite(due) ? null : due,
    offlineAt: isOffline ? null : tracker.goodAt + timing.offlineAfterMs,
    signals: signalsOf(rules, values),
  }
}

/** `executing = true & !(feedHold = true)`: the same in every language. */
export const conditionText = (condition: Condition): string => {
  const joined = (list: readonly Condition[], sign: string): string =>
    list.map(one => ((one.any ?? one.all) ? `(${conditionText(one)})` : conditionText(one))).join(sign)
  if (condition.any !== undefined) return joined(condition.any, ' | ')
  if (condition.all !== undefined) return joined(condition.all, ' & ')
  if (condition.not !== undefined) return `!(${conditionText(condition.not)})`
  const { signal, is, in: among, above, below } = condition
  return [
    ...(is === undefined ? [] : [`${signal} = ${is}`]),
    ...(among === undefined ? [] : [`${signal} ∈ {${among.join(', ')}}`]),
    ...(above === undefined ? [] : [`${signal} > ${above}`]),
    ...(below === undefined ? [] : [`${signal} < ${below}`]),
  ].join(' & ')
}

const shownBy = ({ evidence, rule, condition, uncertain }: Finding): Shown => ({
  code: evidence?.code ?? null,
  rule: rule ?? null,
  condition: condition === undefined ? null : conditionText(condition),
  uncertain,
})

const signalsOf = (rules: Rules, values: Values): ShownSignal[] => {
  const conditions = RULE_NAMES.flatMap(name => rules[name] ?? [])
  const deciding = new Set(signalsIn(conditions))
  const words = new Set([...STANDARD_WORDS, ...wordsIn(conditions)])
  return Object.entries(values).map(([name, value]) => {
    const isHiddenText = typeof value === 'string' && !words.has(value)
    return { name, value: isHiddenText ? null : value, isHiddenText, decides: deciding.has(name) }
  })
}

/** Of MTConnect's vocabulary what rules need not name: good words that tell nothing of the work. */
const STANDARD_WORDS = [
  'AVAILABLE',
  'UNAVAILABLE',
  'NORMAL',
  'WARNING',
  'FAULT',
  'ARMED',
  'TRIGGERED',
  'ON',
  'OFF',
  'READY',
]

const wordsIn = (conditions: readonly Condition[]): string[] =>
  conditions.flatMap(({ is, in: among = [], any = [], all = [], not }) => [
    ...[is, ...among].filter(word => typeof word === 'string'),
    ...wordsIn([...any, ...all, ...(not === undefined ? [] : [not])]),
  ])
