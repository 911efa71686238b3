import { describe, expect, it } from 'vitest'
import { DEFAULT_WAITS } from '../src/expected-states.ts'
import { finalStates, type Sighting } from '../src/final-states.ts'

type Stretch = [fromS: number, toS: number, state: Sighting['state'], done?: boolean]

/** Looked at once a second in each stretch; nobody looks in between. */
const known = (stretches: Stretch[], ...deathsS: number[]): string[] => {
  const sightings = stretches.flatMap(([from, to, state, done = false]) =>
    Array.from({ length: to - from }, (_, i): Sighting => ({ at: (from + i) * 1_000, state, done })),
  )
  const spans = finalStates(
    sightings,
    deathsS.map(at => at * 1_000),
    DEFAULT_WAITS,
  )
  return spans.map(({ from, to, code }) => `${code} ${from / 1_000}-${to / 1_000}`)
}

describe('the plain rules of the past', () => {
  it('know the first sighting at once', () => {
    expect(known([[0, 5, 'PAUSED']])).toEqual(['PAUSED 0-4'])
  })
  it('count IDLE from the first quiet sighting, once it has lasted', () => {
    expect(
      known([
        [0, 10, 'RUNNING'],
        [10, 400, 'IDLE'],
      ]),
    ).toEqual(['RUNNING 0-10', 'IDLE 10-399'])
    expect(
      known([
        [0, 10, 'RUNNING'],
        [10, 300, 'IDLE'],
      ]),
    ).toEqual(['RUNNING 0-299'])
  })
  it('believe a machine that says itself that it is done', () => {
    expect(
      known([
        [0, 10, 'RUNNING'],
        [10, 30, 'IDLE', true],
      ]),
    ).toEqual(['RUNNING 0-10', 'IDLE 10-29'])
  })
  it('bridge ten seconds in RUNNING', () => {
    expect(
      known([
        [0, 10, 'RUNNING'],
        [10, 20, 'PAUSED'],
        [20, 30, 'RUNNING'],
      ]),
    ).toEqual(['RUNNING 0-29'])
    expect(
      known([
        [0, 10, 'RUNNING'],
        [10, 30, 'PAUSED'],
        [30, 40, 'RUNNING'],
      ]),
    ).toEqual(['RUNNING 0-10', 'PAUSED 10-30', 'RUNNING 30-39'])
  })
  it('raise an alarm after two seconds and clear it after five, from when it was so', () => {
    expect(
      known([
        [0, 10, 'RUNNING'],
        [10, 20, 'ALARM'],
        [20, 40, 'SETUP'],
      ]),
    ).toEqual(['RUNNING 0-10', 'ALARM 10-20', 'SETUP 20-39'])
  })
  it('know nothing while nobody looks for thirty seconds, and bridge less', () => {
    expect(
      known([
        [0, 10, 'IDLE'],
        [60, 70, 'RUNNING'],
      ]),
    ).toEqual(['IDLE 0-9', 'OFFLINE 9-60', 'RUNNING 60-69'])
    expect(
      known([
        [0, 10, 'RUNNING'],
        [30, 40, 'RUNNING'],
      ]),
    ).toEqual(['RUNNING 0-39'])
  })
  it('forget with whoever looked, and know nothing until somebody looks again', () => {
    expect(
      known(
        [
          [0, 10, 'RUNNING'],
          [12, 20, 'IDLE'],
        ],
        10,
      ),
    ).toEqual(['RUNNING 0-9', 'OFFLINE 9-12', 'IDLE 12-19'])
  })
})
