import { describe, expect, it } from 'vitest'
import { MODEL_NAMES, type ModelName, type TruthLine } from '../src/index.ts'
import { shownBy } from '../src/model/shows.ts'
import { advance, isReachable, startUnit, truthOf, type Unit } from '../src/model/unit.ts'
import { valuesAt } from '../src/model/values.ts'
import { stateFromSignals } from './plain-rules.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** A Monday, 00:00 in Tokyo. */
const MONDAY = Date.parse('2026-03-02T00:00:00+09:00')

const unitOf = (model: ModelName, seed = 1, perDay = 24): Unit =>
  startUnit(
    { shop: 'ota-1', machine: `m-${model}`, model },
    { seed, start: MONDAY, dropOutsPerDay: perDay, dropOutsFrom: MONDAY },
  )

const live = (unit: Unit, ms: number): readonly Unit[] => advance(unit, unit.at + ms).changes
const truth = (units: readonly Unit[]): TruthLine[] => units.map(unit => truthOf(unit, at => at))

/** Stretches of the same state, with their lengths. */
const stretches = (lines: readonly TruthLine[]): { state: string; from: number; ms: number }[] => {
  const starts = lines.filter((line, i) => line.state !== lines[i - 1]?.state)
  return starts.slice(0, -1).map((line, i) => ({
    state: line.state,
    from: line.at,
    ms: (starts[i + 1] as TruthLine).at - line.at,
  }))
}

const tokyoHour = (at: number): number => (((at + 9 * HOUR) % DAY) / HOUR) % 24

describe('a simulated machine', () => {
  it('lives the same life whether it is looked at once or often', () => {
    for (const model of MODEL_NAMES) {
      const once = truth(live(unitOf(model), 2 * DAY))
      const often: Unit[] = []
      let unit = unitOf(model)
      // Steps of 1 ms to 20 s, in no rhythm that the machine could follow.
      for (let i = 0; unit.at < MONDAY + 2 * DAY; i++) {
        const { unit: later, changes } = advance(unit, Math.min(MONDAY + 2 * DAY, unit.at + 1 + ((i * 7_919) % 20_000)))
        unit = later
        often.push(...changes)
      }
      expect(truth(often)).toEqual(once)
      expect(once.length).toBeGreaterThan(100)
    }
  })

  it('lives another life with another seed, in another shop, under another name', () => {
    const lives = [unitOf('nc-lathe', 1), unitOf('nc-lathe', 2)].map(unit => JSON.stringify(truth(live(unit, DAY))))
    const options = { seed: 1, start: MONDAY, dropOutsPerDay: 24, dropOutsFrom: MONDAY }
    for (const [shop, machine] of [
      ['ota-2', 'm-nc-lathe'],
      ['ota-1', 'm-2'],
    ] as const)
      lives.push(JSON.stringify(truth(live(startUnit({ shop, machine, model: 'nc-lathe' }, options), DAY))))
    expect(new Set(lives).size).toBe(4)
  })

  it.each(MODEL_NAMES)(
    'of model %s shows in its signals, by the plain rules of the design, the state of its truth',
    model => {
      for (const { entry, plan, at } of live(unitOf(model), 7 * DAY)) {
        const shown = shownBy(entry.model, plan.segment.activity)
        const until = Math.min(plan.segment.until, at + 5_000)
        for (const moment of [at, Math.floor((at + until) / 2), until - 1]) {
          const values = valuesAt(entry.model, plan, shown, Math.max(at, moment))
          expect({ activity: plan.segment.activity, values, ...stateFromSignals(model, values) }).toMatchObject({
            state: shown.state,
            done: shown.done,
          })
        }
      }
    },
  )

  it.each(MODEL_NAMES)('of model %s is busy and interrupted like a real one', model => {
    const week = [1, 2, 3].flatMap(seed => stretches(truth(live(unitOf(model, seed, 0), 7 * DAY))))
    const perDay = week.length / 3 / 5
    expect(perDay).toBeGreaterThan(model === 'wire-edm' ? 60 : 120)
    expect(perDay).toBeLessThan(600)
    const stops = week.filter(({ state }) => state !== 'RUNNING')
    const short = stops.filter(({ ms }) => ms < 10_000).length / stops.length
    expect(short).toBeGreaterThan(0.3)
    expect(short).toBeLessThan(0.85)
  })

  it('shows every state within a week, each for a believable time', () => {
    for (const model of MODEL_NAMES) {
      const hours = new Map<string, number>()
      for (const seed of [1, 2, 3]) {
        for (const { state, ms } of stretches(truth(live(unitOf(model, seed), 7 * DAY))))
          hours.set(state, (hours.get(state) ?? 0) + ms / HOUR / 3)
      }
      const expected = ['ALARM', 'IDLE', 'OFF', 'PAUSED', 'RUNNING', 'SETUP']
      // A turner's hand does not pause: it stops.
      expect({ model, states: [...hours.keys()].toSorted() }).toEqual({
        model,
        states: model === 'manual-lathe' ? expected.filter(state => state !== 'PAUSED') : expected,
      })
      expect(hours.get('RUNNING')).toBeGreaterThan(4)
      expect(hours.get('OFF')).toBeGreaterThan(20)
      expect(hours.get('ALARM')).toBeLessThan(24)
    }
  })

  it('is off at night and on Sundays, warms up before its first part, and rests at noon', () => {
    for (const model of ['nc-lathe', 'vertical-mc', 'five-axis-mc', 'cylindrical-grinder'] as const) {
      const lines = truth(live(unitOf(model, 4), 7 * DAY))
      for (let day = 0; day < 5; day++) {
        const today = lines.filter(({ at }) => at >= MONDAY + day * DAY && at < MONDAY + (day + 1) * DAY)
        const first = today.findIndex(({ activity }) => activity === 'cutting')
        const warm = today.findIndex(({ activity }) => activity === 'warm-up')
        expect(warm).toBeGreaterThanOrEqual(0)
        expect(warm).toBeLessThan(first)
        const started = tokyoHour((today[first] as TruthLine).at)
        expect(started).toBeGreaterThan(7.8)
        expect(started).toBeLessThan(12)
        // Whoever wants to begin a part at noon is not there; one that has begun goes on.
        expect(
          today.filter(({ at, activity }) => activity === 'loading' && tokyoHour(at) >= 12 && tokyoHour(at) < 12.9),
        ).toEqual([])
        const atThree = lines.findLast(({ at }) => at <= MONDAY + day * DAY + 3 * HOUR)
        expect(atThree?.state ?? 'OFF').toBe('OFF')
      }
      expect(lines.findLast(({ at }) => at <= MONDAY + 6 * DAY + 12 * HOUR)?.state).toBe('OFF')
    }
  })

  it('is unreachable when the breaker is cut, and drops out now and then, but not before it may', () => {
    const quiet = startUnit(
      { shop: 'ota-1', machine: 'm', model: 'nc-lathe' },
      { seed: 1, start: MONDAY, dropOutsPerDay: 100, dropOutsFrom: MONDAY + 2 * DAY },
    )
    const units = live(quiet, 4 * DAY)
    const gone = units.filter((unit, i) => !isReachable(unit) && unit.plan.segment.activity !== 'breaker-off' && i > 0)
    expect(gone.length).toBeGreaterThan(50)
    expect(Math.min(...gone.map(({ at }) => at))).toBeGreaterThanOrEqual(MONDAY + 2 * DAY)
    const nights = [1, 2, 3, 4]
      .flatMap(seed => live(unitOf('nc-lathe', seed, 0), 7 * DAY))
      .filter(unit => !isReachable(unit))
    expect(nights.length).toBeGreaterThan(0)
    for (const unit of nights) expect(truthOf(unit, at => at).state).toBe('OFF')
  })

  it('counts a part at the end of every cycle that was not spoilt, and never uncounts one', () => {
    const lines = truth(live(unitOf('nc-lathe', 1, 0), 7 * DAY))
    let spoilt = 0
    for (const [i, line] of lines.entries()) {
      const before = lines[i - 1]
      if (before === undefined) continue
      expect(
        line.parts - before.parts === 0 || (line.parts - before.parts === 1 && before.activity === 'cutting'),
      ).toBe(true)
      if (before.activity === 'cutting' && line.state === 'ALARM') {
        spoilt++
        expect(line.parts).toBe(before.parts)
      }
    }
    expect(spoilt).toBeGreaterThan(0)
    expect(lines.at(-1)?.parts).toBeGreaterThan(100)
  })

  it('warns of the open door without being in alarm', () => {
    const warned = live(unitOf('vertical-mc'), 7 * DAY).filter(({ plan }) => plan.segment.activity === 'start-refused')
    expect(warned.length).toBeGreaterThan(0)
    for (const { entry, plan, at } of warned) {
      const shown = shownBy(entry.model, plan.segment.activity)
      expect(valuesAt(entry.model, plan, shown, at)).toMatchObject({
        condition: 'WARNING',
        message: 'START COND. ERR. (DOOR OPEN)',
        doorState: 'OPEN',
      })
      expect(shown.state).not.toBe('ALARM')
    }
  })

  it('has noise on everything analog while it cuts', () => {
    for (const model of MODEL_NAMES) {
      const unit = live(unitOf(model, 1, 0), 2 * DAY).find(
        ({ plan: { segment } }) => segment.activity === 'cutting' && segment.until - segment.from > 10_000,
      ) as Unit
      const shown = shownBy(model, 'cutting')
      const readings = Array.from({ length: 20 }, (_, i) => valuesAt(model, unit.plan, shown, unit.at + i * 400))
      const analog = model === 'wire-edm' ? ['motorCurrent'] : ['spindleSpeed', 'spindleLoad', 'motorCurrent', 'feed']
      for (const name of analog) expect(new Set(readings.map(values => values[name])).size).toBeGreaterThan(3)
    }
  })
})
