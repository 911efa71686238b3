import { KIND_CODES } from '@nakama/contract'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Group, groupsOf, NO_FILTER } from '../src/web/model.ts'
import { fitTiles, wallPage } from '../src/web/wall-page.ts'
import { aMachine } from './web-machines.ts'

const machines = (count: number, state: 'IDLE' | 'RUNNING' = 'RUNNING') =>
  Array.from({ length: count }, (_, i) =>
    aMachine({ machine: `${state.toLowerCase()}-${i}`, kind: KIND_CODES[i % 5] ?? 'other', state }),
  )

const ids = (groups: readonly Group[]): string[] =>
  groups.flatMap(group => group.machines.map(({ machine }) => machine))

test('a full-HD wall screen holds fifteen machines below its figures', () => {
  expect(fitTiles(1920 - 72, 1080 - 272 - 34, 24)).toEqual({ columns: 5, rows: 3 })
})

test('however small the box, one tile is shown', () => {
  expect(fitTiles(0, 0, 24)).toEqual({ columns: 1, rows: 1 })
})

test('the pages together show every machine once, in order', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 90 }), fc.integer({ min: 1, max: 5 }), (count, columns) => {
      const groups = groupsOf(machines(count), NO_FILTER)
      const size = { columns, rows: 3 }
      const first = wallPage(groups, size, 0)
      if (first.freeOnly) return
      const shown = Array.from({ length: first.pages }, (_, turn) => ids(wallPage(groups, size, turn).groups))
      expect(shown.flat()).toEqual(ids(groups))
      for (const page of shown) expect(page.length).toBeLessThanOrEqual(columns * 3)
    }),
  )
})

test('after the last page comes the first', () => {
  const groups = groupsOf(machines(20), NO_FILTER)
  const size = { columns: 5, rows: 3 }
  expect(wallPage(groups, size, 2)).toEqual(wallPage(groups, size, 0))
  expect(wallPage(groups, size, 3).page).toBe(1)
})

test('few machines share the height of the screen', () => {
  expect(wallPage(groupsOf(machines(7), NO_FILTER), { columns: 5, rows: 3 }, 0).rows).toBe(2)
  expect(wallPage([], { columns: 5, rows: 3 }, 0)).toMatchObject({ rows: 1, pages: 1, groups: [] })
})

test('when all would take too many pages only the free machines go round', () => {
  const groups = groupsOf([...machines(91), ...machines(4, 'IDLE')], NO_FILTER)
  const { freeOnly, pages, groups: shown } = wallPage(groups, { columns: 5, rows: 3 }, 0)
  expect({ freeOnly, pages }).toEqual({ freeOnly: true, pages: 1 })
  expect(ids(shown).toSorted()).toEqual(['idle-0', 'idle-1', 'idle-2', 'idle-3'])
})
