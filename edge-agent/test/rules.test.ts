import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Condition, evaluate, holds, type Rules, withoutMissing } from '../src/state/rules.ts'

const condition: fc.Arbitrary<Condition> = fc.letrec<{ any: Condition }>(tie => ({
  any: fc.oneof(
    { depthSize: 'small' },
    fc.record({ signal: fc.constantFrom('a', 'b', 'c'), is: fc.boolean() }),
    fc.record({ signal: fc.constantFrom('x', 'y'), above: fc.integer({ min: -3, max: 3 }) }),
    fc.record({ any: fc.array(tie('any'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ all: fc.array(tie('any'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ not: tie('any') }),
  ),
})).any

const values = (nulls: boolean) =>
  fc.record({
    a: nulls ? fc.option(fc.boolean()) : fc.boolean(),
    b: nulls ? fc.option(fc.boolean()) : fc.boolean(),
    c: nulls ? fc.option(fc.boolean()) : fc.boolean(),
    x: nulls ? fc.option(fc.integer({ min: -4, max: 4 })) : fc.integer({ min: -4, max: 4 }),
    y: nulls ? fc.option(fc.integer({ min: -4, max: 4 })) : fc.integer({ min: -4, max: 4 }),
  })

describe('conditions', () => {
  it('compares by is, in, above and below, strictly', () => {
    expect(holds({ signal: 's', is: 'READY' }, { s: 'READY' })).toBe(true)
    expect(holds({ signal: 's', is: true }, { s: 1 })).toBe(false)
    expect(holds({ signal: 's', in: ['READY', 3] }, { s: 3 })).toBe(true)
    expect(holds({ signal: 's', above: 3 }, { s: 3 })).toBe(false)
    expect(holds({ signal: 's', above: 3, below: 5 }, { s: 4 })).toBe(true)
    expect(holds({ signal: 's', above: 3, below: 5 }, { s: 6 })).toBe(false)
  })

  it('does not know what a missing value, or a text where a number should be, would say', () => {
    expect(holds({ signal: 's', is: true }, { s: null })).toBe(null)
    expect(holds({ signal: 's', is: true }, {})).toBe(null)
    expect(holds({ not: { signal: 's', is: true } }, { s: null })).toBe(null)
    expect(holds({ signal: 's', above: 1 }, { s: '2' })).toBe(null)
  })

  it('answers in spite of an unknown when the rest decides', () => {
    const values = { known: true, unknown: null }
    const known = { signal: 'known', is: true }
    const unknown = { signal: 'unknown', is: true }
    expect(holds({ any: [unknown, known] }, values)).toBe(true)
    expect(holds({ all: [unknown, known] }, values)).toBe(null)
    expect(holds({ all: [unknown, { not: known }] }, values)).toBe(false)
    expect(holds({ any: [unknown, { not: known }] }, values)).toBe(null)
  })

  it('never turns an answer round when an unknown value becomes known', () => {
    fc.assert(
      fc.property(condition, values(true), values(false), (condition, some, all) => {
        const partly = holds(condition, some)
        const filled = Object.fromEntries(Object.entries(all).map(([k, v]) => [k, some[k as keyof typeof some] ?? v]))
        expect(holds(condition, filled)).toSatisfy(wholly => partly === null || wholly === partly)
      }),
    )
  })

  it('leaves out what rests on signals that a machine does not have, as if they never showed anything', () => {
    const has = (signal: string): boolean => signal === 'a' || signal === 'x'
    fc.assert(
      fc.property(condition, values(false), (condition, all) => {
        const fitted = withoutMissing(condition, has)
        const dark = replaceMissing(condition, has)
        if (fitted !== undefined) expect(holds(fitted, all)).toBe(holds(dark, all))
      }),
    )
    expect(withoutMissing({ all: [{ signal: 'b', is: true }, { not: { signal: 'a', is: true } }] }, has)).toBe(
      undefined,
    )
    expect(withoutMissing({ not: { signal: 'b', is: true } }, has)).toBe(undefined)
  })
})

const replaceMissing = (condition: Condition, has: (signal: string) => boolean): Condition => {
  if (condition.any) return { any: condition.any.map(inner => replaceMissing(inner, has)) }
  if (condition.all) return { all: condition.all.map(inner => replaceMissing(inner, has)) }
  if (condition.not) return { not: replaceMissing(condition.not, has) }
  // Never true of any number.
  return has(condition.signal as string) ? condition : { signal: 'x', above: 1, below: 0 }
}

describe('the order of states', () => {
  const on = (signal: string): Condition[] => [{ signal, is: true }]
  const rules: Rules = {
    offline: on('offline'),
    alarm: on('alarm'),
    off: on('off'),
    warmUp: on('warmUp'),
    running: on('running'),
    paused: on('paused'),
    setup: on('setup'),
    done: on('done'),
    idle: on('idle'),
  }
  const dark = Object.fromEntries(Object.keys(rules).map(name => [name, false]))

  it('is OFFLINE, ALARM, OFF, warm-up, RUNNING, PAUSED, SETUP, IDLE', () => {
    const names = Object.keys(rules)
    const seen = names.map((_, first) => {
      const values = Object.fromEntries(names.map((name, at) => [name, at >= first]))
      return evaluate(rules, values)
    })
    expect(seen.map(evidence => evidence?.code)).toEqual([
      undefined,
      'ALARM',
      'OFF',
      'SETUP',
      'RUNNING',
      'PAUSED',
      'SETUP',
      'IDLE',
      'IDLE',
    ])
    expect(seen.map(evidence => evidence?.done)).toEqual([undefined, ...Array(6).fill(false), true, false])
  })

  it('says nothing when no rule holds', () => expect(evaluate(rules, dark)).toBe(null))

  it('never says idle while anything that would say otherwise is unknown', () => {
    const names = Object.keys(rules).filter(name => name !== 'idle')
    for (const name of names) expect(evaluate(rules, { ...dark, idle: true, [name]: null })).toBe(null)
    expect(evaluate(rules, { ...dark, idle: true })).toEqual({ code: 'IDLE', done: false })
  })

  it('still says running when only the alarm is unknown', () =>
    expect(evaluate(rules, { ...dark, alarm: null, running: true })?.code).toBe('RUNNING'))
})
