import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Learning, learn, learnRetry, planPoll, startLearning } from '../src/sources/modbus/learning.ts'
import {
  DEFAULT_LIMITS,
  endOf,
  type PlanLimits,
  type PlannedRequest,
  planRequests,
} from '../src/sources/modbus/plan.ts'
import { type Area, hasBits } from '../src/sources/modbus/protocol.ts'
import { type Field, type RegisterType, widthOf } from '../src/sources/modbus/types.ts'
import { register } from './modbus-support.ts'

const field = (name: string, address: number, over: Partial<Field> = {}): Field =>
  register(name, address, { area: 'holding-register', ...over })

const anyField = (addressMax: number) =>
  fc
    .record({
      area: fc.constantFrom<Area>('coil', 'discrete-input', 'holding-register', 'input-register'),
      address: fc.oneof(fc.integer({ min: 0, max: addressMax }), fc.integer({ min: 0, max: 65_000 })),
      type: fc.constantFrom<RegisterType>('bit', 'uint16', 'uint32', 'float64', 'string'),
      registers: fc.integer({ min: 1, max: 20 }),
    })
    .map(({ area, address, type: of, registers }) => {
      const type: RegisterType = hasBits(area) ? 'bit' : of
      return { area, address, type, width: widthOf(area, type, registers) }
    })

const named = (list: readonly Partial<Field>[]): Field[] => list.map((one, at) => field(`s${at}`, 0, one))

const anyLimits: fc.Arbitrary<PlanLimits> = fc.record({
  maxRegisters: fc.integer({ min: 20, max: 125 }),
  maxBits: fc.integer({ min: 1, max: 2_000 }),
  maxHole: fc.integer({ min: 0, max: 125 }),
  oneSignalPerRequest: fc.boolean(),
})

/** The fewest requests there can be, by trying all ways to divide a few fields. */
const fewest = (fields: readonly Field[], possible: (together: readonly Field[]) => boolean): number => {
  const [first, ...others] = fields
  if (first === undefined) return 0
  let best = Number.POSITIVE_INFINITY
  for (let chosen = 0; chosen < 2 ** others.length; chosen++) {
    const together = [first, ...others.filter((_, at) => (chosen >> at) & 1)]
    if (possible(together)) {
      const left = others.filter((_, at) => !((chosen >> at) & 1))
      best = Math.min(best, 1 + fewest(left, possible))
    }
  }
  return best
}

describe('a plan', () => {
  const spans = (...fields: Field[]): string[] =>
    planRequests(fields).map(({ area, address, count }) => `${area} ${address}+${count}`)

  it('fills small holes and leaves large ones', () => {
    expect(spans(field('a', 10), field('b', 0, { type: 'uint32', width: 2 }))).toEqual(['holding-register 0+11'])
    expect(spans(field('a', 0), field('b', 9))).toEqual(['holding-register 0+10'])
    expect(spans(field('a', 0), field('b', 10))).toEqual(['holding-register 0+1', 'holding-register 10+1'])
    const coil = { area: 'coil', type: 'bit' } as const
    expect(spans(field('a', 0, coil), field('b', 65, coil))).toEqual(['coil 0+66'])
  })

  it('keeps areas apart', () =>
    expect(spans(field('a', 0), field('b', 1, { area: 'input-register' }))).toEqual([
      'holding-register 0+1',
      'input-register 1+1',
    ]))

  it('asks for each signal alone where the device wants it, but for all bits of one register at once', () => {
    const fields = [
      field('a', 0),
      field('b', 1, { type: 'bit' }),
      field('c', 1, { type: 'bit', bit: 3 }),
      field('d', 2),
    ]
    const requests = planRequests(fields, { ...DEFAULT_LIMITS, oneSignalPerRequest: true })
    expect(requests.map(({ fields }) => fields.map(({ name }) => name))).toEqual([['a'], ['b', 'c'], ['d']])
  })

  it('asks for every field once, whole, and never for more than the device takes', () =>
    fc.assert(
      fc.property(fc.array(anyField(300), { minLength: 1, maxLength: 200 }), anyLimits, (list, limits) => {
        const fields = named(list)
        const requests = planRequests(fields, limits)
        const names = requests.flatMap(request => request.fields.map(({ name }) => name))
        expect(names.toSorted()).toEqual(fields.map(({ name }) => name).toSorted())
        for (const { area, address, count, fields } of requests) {
          expect(count).toBeLessThanOrEqual(hasBits(area) ? limits.maxBits : limits.maxRegisters)
          for (const one of fields) {
            expect(one.area).toBe(area)
            expect(one.address).toBeGreaterThanOrEqual(address)
            expect(endOf(one)).toBeLessThanOrEqual(address + count)
          }
        }
      }),
    ))

  it('has the fewest requests that the limits allow', () =>
    fc.assert(
      fc.property(
        fc.array(anyField(60), { minLength: 1, maxLength: 6 }),
        fc.record({ maxRegisters: fc.integer({ min: 20, max: 40 }), maxHole: fc.integer({ min: 0, max: 12 }) }),
        (list, over) => {
          const limits = { ...DEFAULT_LIMITS, ...over }
          const fields = named(list)
          const possible = (together: readonly Field[]): boolean => planRequests(together, limits).length === 1
          expect(planRequests(fields, limits).length).toBe(fewest(fields, possible))
        },
      ),
      { numRuns: 60 },
    ))
})

/** A unit that refuses whatever touches an address it does not have, and requests that are too long for it. */
const device = (missing: readonly number[], maxCount = 125) => ({
  has: ({ address, count }: Pick<PlannedRequest, 'address' | 'count'>): boolean =>
    count <= maxCount && missing.every(one => one < address || one >= address + count),
})

const poll = (before: Learning, fields: readonly Field[], { has }: ReturnType<typeof device>, now: number) => {
  const { requests, retry } = planPoll(before, fields, DEFAULT_LIMITS, now)
  const lesson = { good: requests.filter(has), refused: requests.filter(request => !has(request)) }
  const learning = learn(before, lesson, fields, DEFAULT_LIMITS, now)
  return {
    requests: requests.length,
    whole: lesson.refused.length === 0,
    learning: retry === undefined ? learning : learnRetry(learning, has(retry), now),
  }
}

const polls = (count: number, fields: readonly Field[], unit: ReturnType<typeof device>, from?: Learning, at = 0) => {
  let learning = from ?? startLearning(0)
  const outcomes = []
  for (let i = 0; i < count; i++) {
    const one = poll(learning, fields, unit, at + i * 1_000)
    learning = one.learning
    outcomes.push(one)
  }
  return { learning, outcomes, last: outcomes.at(-1) as (typeof outcomes)[number] }
}

describe('what a unit does not have', () => {
  const fields = Array.from({ length: 60 }, (_, at) => field(`s${at}`, at))
  const names = ({ refused }: Learning): string[] => refused.map(({ name }) => name)

  it('is found by halving, and nothing else is given up for it', () => {
    const { learning, last, outcomes } = polls(20, fields, device([37]))
    expect(names(learning)).toEqual(['s37'])
    // Two requests, before and behind; that is the fewest there can be.
    expect(last).toMatchObject({ whole: true, requests: 2 })
    // Six halvings, and one poll for each cut that was tried without and turned out to be needed.
    expect(outcomes.filter(({ whole }) => !whole).length).toBeLessThanOrEqual(9)
  })

  it('in a hole between signals costs one cut there', () => {
    const apart = [field('a', 0), field('b', 1), field('c', 5), field('d', 6)]
    const { learning, last } = polls(6, apart, device([3]))
    expect(learning).toMatchObject({ refused: [], cuts: [{ at: 5, proven: true }] })
    expect(last).toMatchObject({ whole: true, requests: 2 })
  })

  it('may be long requests: they become as short as needed', () => {
    const { learning, last } = polls(20, fields, device([], 16))
    expect(names(learning)).toEqual([])
    expect(last).toMatchObject({ whole: true, requests: 4 })
  })

  it('is found whatever it is, and then no poll fails any more', () =>
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { minLength: 2, maxLength: 25 }),
        fc.uniqueArray(fc.integer({ min: 0, max: 42 }), { maxLength: 6 }),
        (addresses, missing) => {
          const wide = addresses.map(at => field(`s${at}`, at, at % 5 === 0 ? { type: 'uint32', width: 2 } : {}))
          const unit = device(missing)
          const there = wide.filter(({ address, width }) => unit.has({ address, count: width }))
          fc.pre(there.length > 0)
          const { learning, outcomes } = polls(58, wide, unit)
          expect(outcomes.slice(-5).map(({ whole }) => whole)).toEqual(Array(5).fill(true))
          const lost = wide.filter(one => !there.includes(one))
          // Fields that overlap cannot be told apart by halving; asking for each alone later does.
          const overlapping = (one: Field) =>
            wide.some(two => two !== one && two.address < endOf(one) && one.address < endOf(two))
          for (const one of lost) expect(names(learning)).toContain(one.name)
          for (const one of learning.refused) if (!lost.includes(one)) expect(overlapping(one)).toBe(true)
        },
      ),
    ))

  it('is asked for again, and read from then on when it is there', () => {
    const learnt = polls(20, fields, device([37])).learning
    const again = polls(65, fields, device([]), learnt, 20_000)
    expect(names(again.learning)).toEqual([])
    expect(again.last).toMatchObject({ whole: true, requests: 1 })
    expect(again.learning.cuts).toEqual([])
  })

  it('is asked for less and less often while it stays away, and never at the cost of a reading', () => {
    const learnt = polls(20, fields, device([37])).learning
    let learning = learnt
    let retries = 0
    for (let s = 20; s < 24 * 3_600; s += 10) {
      const now = s * 1_000
      if (planPoll(learning, fields, DEFAULT_LIMITS, now).retry !== undefined) retries++
      const one = poll(learning, fields, device([37]), now)
      expect(one.whole).toBe(true)
      learning = one.learning
    }
    expect(retries).toBeGreaterThan(20)
    expect(retries).toBeLessThan(32)
  })

  it('is nothing for ever: a control that refuses all while it starts is read as a whole when it has', () => {
    const starting = polls(200, fields, { has: () => false })
    const ready = polls(80, fields, device([]), starting.learning, 200_000)
    expect(ready.last).toMatchObject({ whole: true, requests: 1 })
    expect(ready.learning).toMatchObject({ refused: [], cuts: [] })
  })

  it('does not stand in the way of slower signals in the same hole', () => {
    const slow = field('slow', 37, { every: 10 })
    const others = fields.filter(({ address }) => address !== 37)
    let learning = startLearning(0)
    for (let i = 0; i < 40; i++) {
      const due = i % 10 === 0 ? [...others, slow] : others
      const { requests } = planPoll(learning, due, DEFAULT_LIMITS, i)
      const { has } = device([36])
      const lesson = { good: requests.filter(has), refused: requests.filter(one => !has(one)) }
      learning = learn(learning, lesson, [...others, slow], DEFAULT_LIMITS, i)
      if (i === 30) expect(lesson.refused).toEqual([])
    }
    expect(names(learning)).toEqual(['s36'])
  })
})
