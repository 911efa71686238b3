import type { StateCode } from '@nakama/contract'
import type { Values } from '../sources/source.ts'

/**
 * A condition over the signals of one machine. With `signal` every comparison that is given must hold; `any`, `all` and
 * `not` combine conditions. Exactly one of `signal`, `any`, `all`, `not` is set (the configuration's checks see to it).
 */
export interface Condition {
  readonly signal?: string
  readonly is?: string | number | boolean
  readonly in?: readonly (string | number)[]
  /** Strictly greater. */
  readonly above?: number
  /** Strictly less. */
  readonly below?: number
  readonly any?: readonly Condition[]
  readonly all?: readonly Condition[]
  readonly not?: Condition
}

/** In the order in which they are asked; the first whose list has a condition that holds decides. */
export const RULE_NAMES = ['offline', 'alarm', 'off', 'warmUp', 'running', 'paused', 'setup', 'done', 'idle'] as const
export type RuleName = (typeof RULE_NAMES)[number]

/** Per state the conditions of which any one suffices. `done` is explicit evidence of idleness, such as a finished program. */
export type Rules = { readonly [name in RuleName]?: readonly Condition[] }

export type KnownCode = Exclude<StateCode, 'OFFLINE'>

/** What one reading says about the machine, before any debouncing. */
export interface Evidence {
  readonly code: KnownCode
  /** IDLE that the machine said itself (program completed, yellow lamp), not merely the absence of activity. */
  readonly done: boolean
}

const CODES: { readonly [name in Exclude<RuleName, 'offline'>]: KnownCode } = {
  alarm: 'ALARM',
  off: 'OFF',
  warmUp: 'SETUP',
  running: 'RUNNING',
  paused: 'PAUSED',
  setup: 'SETUP',
  done: 'IDLE',
  idle: 'IDLE',
}

/** How the rules came to what they say of one reading. */
export interface Finding {
  /** Null: the signals show nothing. */
  readonly evidence: Evidence | null
  /** The first rule that holds, and which of its conditions; undefined when none does. */
  readonly rule: RuleName | undefined
  readonly condition: Condition | undefined
  /** Rules before that one of which nobody knows whether they hold, because a signal has no good value. */
  readonly uncertain: readonly RuleName[]
}

/**
 * The state that the signals show, and why. They show none when no rule holds, when the machine says itself that it cannot
 * be reached, or when it looks idle but something that would say otherwise has no good value. Unknown is never idle.
 */
export const find = (rules: Rules, values: Values): Finding => {
  const uncertain: RuleName[] = []
  for (const rule of RULE_NAMES) {
    const conditions = rules[rule] ?? []
    const answer = anyOf(conditions, values)
    if (answer === null) uncertain.push(rule)
    if (answer !== true) continue
    const condition = conditions.find(one => holds(one, values) === true)
    return { evidence: evidenceOf(rule, uncertain.length > 0), rule, condition, uncertain }
  }
  return { evidence: null, rule: undefined, condition: undefined, uncertain }
}

/** The state that the signals show, or null when they show none (see `find`). */
export const evaluate = (rules: Rules, values: Values): Evidence | null => find(rules, values).evidence

const evidenceOf = (rule: RuleName, isUncertain: boolean): Evidence | null => {
  if (rule === 'offline') return null
  const code = CODES[rule]
  return code === 'IDLE' && isUncertain ? null : { code, done: rule === 'done' }
}

/** Whether a condition holds; null when a signal that would decide it has no good value (three-valued logic after Kleene). */
export const holds = (condition: Condition, values: Values): boolean | null => {
  if (condition.any !== undefined) return anyOf(condition.any, values)
  if (condition.all !== undefined) return not(anyNot(condition.all, values))
  if (condition.not !== undefined) return not(holds(condition.not, values))
  return condition.signal === undefined ? null : compare(condition, values[condition.signal] ?? null)
}

const anyOf = (conditions: readonly Condition[], values: Values): boolean | null => {
  let answer: boolean | null = false
  for (const condition of conditions) {
    const one = holds(condition, values)
    if (one === true) return true
    if (one === null) answer = null
  }
  return answer
}

const anyNot = (conditions: readonly Condition[], values: Values): boolean | null => {
  let answer: boolean | null = false
  for (const condition of conditions) {
    const one = holds(condition, values)
    if (one === false) return true
    if (one === null) answer = null
  }
  return answer
}

const not = (answer: boolean | null): boolean | null => (answer === null ? null : !answer)

const compare = (condition: Condition, value: Values[string]): boolean | null => {
  if (value === null) return null
  if (condition.is !== undefined && value !== condition.is) return false
  if (condition.in !== undefined && !(condition.in as readonly unknown[]).includes(value)) return false
  if (condition.above === undefined && condition.below === undefined) return true
  if (typeof value !== 'number') return null
  return value > (condition.above ?? -Infinity) && value < (condition.below ?? Infinity)
}

/** Every signal that the conditions speak of. */
export const signalsIn = (conditions: readonly Condition[]): string[] =>
  conditions.flatMap(condition => [
    ...(condition.signal === undefined ? [] : [condition.signal]),
    ...signalsIn([
      ...(condition.any ?? []),
      ...(condition.all ?? []),
      ...(condition.not === undefined ? [] : [condition.not]),
    ]),
  ])

/**
 * A condition written for many machines, made for one: a signal that it does not have never shows anything, so what
 * rests on it falls away. Undefined when the condition could then never hold, or would always.
 */
export const withoutMissing = (condition: Condition, has: (signal: string) => boolean): Condition | undefined => {
  const left = reduce(condition, has)
  return typeof left === 'boolean' ? undefined : left
}

const reduce = (condition: Condition, has: (signal: string) => boolean): Condition | boolean => {
  const list = condition.any ?? condition.all
  if (list !== undefined) {
    const deciding = condition.any !== undefined
    const inner = list.map(one => reduce(one, has))
    if (inner.includes(deciding)) return deciding
    const left = inner.filter(one => typeof one !== 'boolean')
    if (left.length === 0) return !deciding
    return deciding ? { any: left } : { all: left }
  }
  if (condition.not !== undefined) {
    const inner = reduce(condition.not, has)
    return typeof inner === 'boolean' ? !inner : { not: inner }
  }
  return condition.signal !== undefined && has(condition.signal) ? condition : false
}
