import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkRecord, formatProblems, type NakamaRecord, newerTaking, type Taking } from '../src/index.ts'

const at = 1_790_000_000_000

const good: { [type: string]: NakamaRecord } = {
  profile: { type: 'profile', at, machine: 'lathe-1', kind: 'nc-lathe', name: 'NC旋盤 1号' },
  state: { type: 'state', at, machine: 'lathe-1', kind: 'nc-lathe', code: 'IDLE', since: at - 1 },
  samples: {
    type: 'samples',
    machine: 'lathe-1',
    kind: 'nc-lathe',
    at: [at, at + 1],
    signals: { tick: [1, 2], load: [null, 0.5] },
  },
  count: { type: 'count', at, machine: 'lathe-1', kind: 'nc-lathe', parts: 1, total: 7 },
  taking: { type: 'taking', at, value: true, until: null, rev: 3 },
  gap: { type: 'gap', at, machine: null, from: at - 5, to: at, what: 'all', why: 'agent-stopped' },
}

const problemsOf = (input: unknown): string => {
  const checked = checkRecord(input)
  return checked.ok ? '' : formatProblems(checked.problems)
}

describe('records', () => {
  it.each(Object.keys(good))('of type %s pass as the schema says, with fields added by a later version', type => {
    expect(checkRecord(good[type])).toEqual({ ok: true, value: good[type] })
    expect(checkRecord({ ...good[type], later: 1 }).ok).toBe(true)
  })

  it.each([
    [{ ...good.state, code: 'BUSY' }, 'code: expected one of'],
    [{ ...good.state, machine: 'Lathe 1' }, 'machine: expected'],
    [{ ...good.state, since: at + 1 }, `since: expected a time up to at=${at}`],
    [{ ...good.state, at: undefined }, 'at: expected integer, got nothing'],
    [{ ...good.gap, from: at + 1 }, 'from: expected a time up to'],
    [{ ...good.samples, signals: { tick: [1] } }, 'signals.tick: expected 2 values, one per row, got 1'],
    [{ ...good.samples, at: [at, at] }, `at.1: expected a time after ${at}, got ${at}`],
    [{ ...good.samples, signals: { tick: ['O1234', 2] } }, 'signals.tick.0: expected'],
    [{ ...good.count, parts: -1 }, 'parts: expected >= 0, got -1'],
    [{ type: 'program', name: 'O1234' }, 'type: expected one of profile, state'],
    [{ type: '__proto__' }, 'type: expected one of'],
    [null, 'type: expected one of'],
    [{ type: 'gap' }, 'at: expected a value, got nothing'],
  ])('with a fault are refused with its place: %j', (input, problem) => {
    expect(problemsOf(input)).toContain(problem)
  })

  it('never make the check throw', () => {
    fc.assert(fc.property(fc.anything(), input => void checkRecord(input)))
  })
})

describe('受ける / 休む from two sides', () => {
  const taking: fc.Arbitrary<Taking> = fc.record({ value: fc.boolean(), until: fc.option(fc.nat(3)), rev: fc.nat(3) })

  it('ends the same whichever side is heard first', () => {
    fc.assert(
      fc.property(taking, taking, (a, b) => {
        expect(newerTaking(a, b)).toEqual(newerTaking(b, a))
      }),
    )
  })

  it('goes by the higher rev, and at a tie by 休む', () => {
    const yes = { value: true, until: null, rev: 2 }
    expect(newerTaking(yes, { value: false, until: null, rev: 1 })).toEqual(yes)
    expect(newerTaking(yes, { value: false, until: null, rev: 2 }).value).toBe(false)
  })
})
