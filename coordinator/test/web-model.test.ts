import { KIND_CODES, STATE_CODES } from '@nakama/contract'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  areasOf,
  countKinds,
  formatFilter,
  groupsOf,
  NO_FILTER,
  parseFilter,
  STATE_CHOICES,
  toggled,
  withChanges,
} from '../src/web/model.ts'
import { aMachine } from './web-machines.ts'

test('a filter survives the address, whatever an area is called', () => {
  const area = fc.string({ minLength: 1, unit: 'grapheme' }).filter(text => text.isWellFormed())
  const filter = fc.record({
    kinds: fc.uniqueArray(fc.constantFrom(...KIND_CODES)),
    areas: fc.uniqueArray(area),
    states: fc.uniqueArray(fc.constantFrom(...STATE_CHOICES)),
  })
  fc.assert(
    fc.property(filter, chosen => {
      expect(parseFilter(formatFilter(chosen))).toEqual(chosen)
    }),
  )
})

test('an address with things that do not exist filters by what does', () => {
  expect(parseFilter('?kind=nc-lathe,time-machine&state=FREE,SLEEPING&area=')).toEqual({
    kinds: ['nc-lathe'],
    areas: [],
    states: ['FREE'],
  })
})

test('filtering leaves the rest of the address alone', () => {
  const search = '?wall&kind=laser&lang=en'
  expect(formatFilter({ ...NO_FILTER, kinds: ['nc-lathe'] }, search)).toBe('?wall&lang=en&kind=nc-lathe')
  expect(formatFilter(NO_FILTER, search)).toBe('?wall&lang=en')
  expect(formatFilter(NO_FILTER, '?kind=laser')).toBe('')
})

test('choosing twice is not choosing', () => {
  expect(toggled(toggled(['a'], 'b'), 'b')).toEqual(['a'])
})

test('machines stand by kind, the free ones first and those of which nobody knows last', () => {
  const machines = [
    aMachine({ machine: 'gone', state: 'OFFLINE' }),
    aMachine({ machine: 'mill', kind: 'vertical-mc' }),
    aMachine({ machine: 'rests', taking: false }),
    aMachine({ machine: 'runs', state: 'RUNNING' }),
    aMachine({ machine: 'free' }),
  ]
  const anyOrder = fc.shuffledSubarray(machines, { minLength: machines.length })
  fc.assert(
    fc.property(anyOrder, shuffled => {
      const groups = groupsOf(shuffled, NO_FILTER)
      expect(groups.map(({ kind }) => kind)).toEqual(['nc-lathe', 'vertical-mc'])
      expect(groups[0]?.machines.map(({ machine }) => machine)).toEqual(['free', 'runs', 'rests', 'gone'])
    }),
  )
})

test('the filter for what can be had leaves out idle machines of shops that rest or never said', () => {
  const machines = [
    aMachine({ machine: 'free' }),
    aMachine({ machine: 'rests', taking: false }),
    aMachine({ machine: 'unsaid', taking: null }),
    aMachine({ machine: 'gone', state: 'OFFLINE' }),
  ]
  const shown = (states: readonly (typeof STATE_CHOICES)[number][]): string[] =>
    groupsOf(machines, { ...NO_FILTER, states }).flatMap(group => group.machines.map(({ machine }) => machine))
  expect(shown(['FREE'])).toEqual(['free'])
  expect(shown(['IDLE']).toSorted()).toEqual(['free', 'rests', 'unsaid'])
  expect(shown(['FREE', 'OFFLINE'])).toEqual(['free', 'gone'])
})

test('filters of several sorts narrow each other, of one sort widen', () => {
  const machines = [
    aMachine({ machine: 'a' }),
    aMachine({ machine: 'b', area: '羽田' }),
    aMachine({ machine: 'c', area: '羽田', kind: 'laser' }),
    aMachine({ machine: 'd', area: '蒲田', kind: 'laser' }),
  ]
  const filter = { kinds: ['laser'], areas: ['羽田', '蒲田'], states: [] }
  expect(groupsOf(machines, filter).flatMap(group => group.machines.map(({ machine }) => machine))).toEqual(['c', 'd'])
})

test('every machine is counted once under its kind, and only idle ones of shops that take work are free', () => {
  const state = fc.constantFrom(...STATE_CODES)
  const machine = fc
    .record({ kind: fc.constantFrom(...KIND_CODES), state, taking: fc.constantFrom(true, false, null) })
    .map(aMachine)
  fc.assert(
    fc.property(fc.array(machine), machines => {
      const counts = countKinds(machines, [])
      const sum = (of: (count: (typeof counts)[number]) => number): number => counts.reduce((n, c) => n + of(c), 0)
      expect(sum(({ total }) => total)).toBe(machines.length)
      expect(sum(({ states }) => states.reduce((n, { count }) => n + count, 0))).toBe(machines.length)
      expect(sum(({ idle }) => idle)).toBe(machines.filter(m => m.state === 'IDLE').length)
      expect(sum(({ free }) => free)).toBe(machines.filter(m => m.state === 'IDLE' && m.taking === true).length)
    }),
  )
})

test('the figures at the top are of the chosen areas', () => {
  const machines = [aMachine(), aMachine({ machine: 'b', area: '羽田' }), aMachine({ machine: 'c', area: '羽田' })]
  expect(countKinds(machines, ['羽田'])).toMatchObject([{ kind: 'nc-lathe', total: 2, free: 2 }])
})

test('a change replaces that machine alone and leaves every other object as it was', () => {
  const machines = [aMachine(), aMachine({ machine: 'l2' }), aMachine({ machine: 'l1', shop: 'haneda' })]
  const changed = aMachine({ machine: 'l2', state: 'RUNNING' })
  const next = withChanges(machines, [changed, aMachine({ machine: 'not-ours' })])
  expect(next).toHaveLength(3)
  expect(next[0]).toBe(machines[0])
  expect(next[1]).toBe(changed)
  expect(next[2]).toBe(machines[2])
})

test('each area is offered once, in the order of the register', () => {
  const areas = [aMachine({ area: '羽田' }), aMachine({ area: '大森' }), aMachine({ area: '羽田' })]
  expect(areasOf(areas).map(({ area }) => area)).toEqual(['羽田', '大森'])
})
