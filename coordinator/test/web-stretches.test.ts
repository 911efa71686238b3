import { expect, test } from 'vitest'
import { joinStretches, sumByState } from '../src/web/stretches.ts'

const interval = (from: string, to: string, state: 'RUNNING' | 'IDLE' | 'OFFLINE', provisional = false) => ({
  from: `2026-11-24T${from}:00.000Z`,
  to: `2026-11-24T${to}:00.000Z`,
  state,
  provisional,
})

const DAY = [
  interval('00:00', '01:00', 'OFFLINE'),
  interval('01:00', '02:00', 'RUNNING'),
  interval('02:00', '02:30', 'IDLE'),
  interval('02:30', '03:00', 'IDLE', true),
  interval('03:00', '04:00', 'RUNNING'),
]

test('a state that is confirmed only in part is one stretch', () => {
  const stretches = joinStretches(DAY)
  expect(stretches.map(({ state }) => state)).toEqual(['OFFLINE', 'RUNNING', 'IDLE', 'RUNNING'])
  expect(stretches[2]).toEqual({
    state: 'IDLE',
    from: Date.parse('2026-11-24T02:00:00.000Z'),
    to: Date.parse('2026-11-24T03:00:00.000Z'),
  })
})

test('the sums of a day are all of it, and a state that never was is not named', () => {
  expect(sumByState(joinStretches(DAY))).toEqual([
    { state: 'RUNNING', ms: 2 * 3_600_000 },
    { state: 'IDLE', ms: 3_600_000 },
    { state: 'OFFLINE', ms: 3_600_000 },
  ])
  expect(sumByState([])).toEqual([])
})
