import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_TIMING } from '../src/settings.ts'
import type { Values } from '../src/sources/source.ts'
import { conditionText, explain } from '../src/state/explain.ts'
import { CNC_BITS, MTCONNECT } from '../src/state/presets.ts'
import { evaluate } from '../src/state/rules.ts'
import { startTracking, step, type TrackerState } from '../src/state/tracker.ts'

const { pollMs: _, ...durations } = DEFAULT_TIMING
const TIMING = { ...durations, heartbeatMs: 300_000 }
const START = 1_700_000_000_000
const { rules } = CNC_BITS
const bits = (given: Values = {}): Values => ({
  ...{ power: true, executing: false, alarm: false, emergencyStop: false, warmUp: false },
  ...{ feedHold: false, programOpen: false, setupMode: false },
  ...given,
})
const RUNNING = bits({ executing: true })
const PAUSED = bits({ programOpen: true })
const ALARM = bits({ alarm: true })
const OFF = bits({ power: false })
const LOOKS = [RUNNING, PAUSED, ALARM, OFF, bits(), bits({ setupMode: true })]

/** A reading a second of each of these, the last at the returned time. */
const live = (...looks: readonly Values[]): { readonly state: TrackerState; readonly at: number } => {
  let state = startTracking(START)
  for (const [second, values] of looks.entries()) state = readAt(state, values, START + second * 1_000)
  return { state, at: START + (looks.length - 1) * 1_000 }
}
const readAt = (state: TrackerState, values: Values, at: number): TrackerState =>
  step(TIMING, state, { type: 'reading', evidence: evaluate(rules, values) }, at).state

describe('why a machine is in its state', () => {
  it('is the first rule that holds, with its condition, and the signals that decide', () => {
    const explained = explain(rules, TIMING, live(RUNNING, RUNNING).state, { ...RUNNING, spindleLoad: 31.5 })
    expect(explained).toMatchObject({ code: 'RUNNING', since: START, becomesAt: null, offlineAt: START + 31_000 })
    expect(explained.shows).toEqual({
      ...{ code: 'RUNNING', rule: 'running', uncertain: [] },
      condition: 'executing = true & !(feedHold = true)',
    })
    expect(explained.signals).toContainEqual({ name: 'executing', value: true, isHiddenText: false, decides: true })
    expect(explained.signals).toContainEqual({ name: 'spindleLoad', value: 31.5, isHiddenText: false, decides: false })
  })

  it('tells until when another state holds, while the machine shows something new', () => {
    const explained = explain(rules, TIMING, live(RUNNING, bits()).state, bits())
    expect(explained).toMatchObject({ code: 'RUNNING', shows: { code: 'IDLE', rule: 'idle' } })
    expect(explained.becomesAt).toBe(START + 1_000 + TIMING.idleAfterMs)
    expect(explain(rules, TIMING, live(RUNNING, ALARM).state, ALARM).becomesAt).toBe(START + 3_000)
    expect(explain(rules, TIMING, live(RUNNING, PAUSED).state, PAUSED).becomesAt).toBe(START + 11_001)
  })

  it('names the rules that a missing value leaves open, when it shows nothing', () => {
    const values = bits({ alarm: null })
    expect(explain(rules, TIMING, live(RUNNING).state, values)).toMatchObject({
      code: 'RUNNING',
      shows: { code: null, rule: 'idle', uncertain: ['alarm'] },
      becomesAt: null,
      offlineAt: START + 30_000,
    })
    expect(explain(rules, TIMING, startTracking(START), {})).toMatchObject({
      code: 'OFFLINE',
      shows: { code: null, rule: null },
      offlineAt: null,
      signals: [],
    })
  })

  it('shows the words that its rules know, and of any other text only that there is one', () => {
    const values = { execution: 'ACTIVE', controllerMode: 'AUTOMATIC', program: 'O1234 (ACME)' }
    const { signals } = explain(MTCONNECT.rules, TIMING, startTracking(START), values)
    expect(signals).toContainEqual({ name: 'execution', value: 'ACTIVE', isHiddenText: false, decides: true })
    expect(signals).toContainEqual({ name: 'program', value: null, isHiddenText: true, decides: false })
    expect(JSON.stringify(signals)).not.toContain('O1234')
  })

  it('foretells the change to the second: what is shown becomes the state then, and not a reading earlier', () => {
    const look = fc.constantFrom(...LOOKS)
    fc.assert(
      fc.property(fc.array(fc.tuple(look, fc.integer({ min: 1, max: 15 })), { minLength: 1 }), phases => {
        const looks = phases.flatMap(([values, seconds]) => Array(seconds).fill(values) as Values[])
        const now = looks.at(-1) as Values
        let { state, at } = live(...looks)
        const { becomesAt, shows, code } = explain(rules, TIMING, state, now)
        if (becomesAt === null) {
          expect(shows.code).toBe(code)
          return
        }
        while (at + 1_000 < becomesAt) {
          at += 1_000
          state = readAt(state, now, at)
          expect(state.code).toBe(code)
        }
        expect(readAt(state, now, at + 1_000).code).toBe(shows.code)
      }),
    )
  })
})

it('writes conditions the same in every language', () => {
  expect(conditionText({ signal: 'load', above: 5, below: 90 })).toBe('load > 5 & load < 90')
  expect(conditionText({ signal: 'execution', in: ['READY', 'STOPPED'] })).toBe('execution ∈ {READY, STOPPED}')
  expect(
    conditionText({
      all: [{ signal: 'a', is: 1 }, { any: [{ signal: 'b', is: true }, { not: { signal: 'c', is: 'X' } }] }],
    }),
  ).toBe('a = 1 & (b = true | !(c = X))')
})
