import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { smoothed, stretches } from '../src/sources/modbus/duty.ts'
import { DEFAULT_LIMITS } from '../src/sources/modbus/plan.ts'
import { createSchedule, type ScheduleOptions } from '../src/sources/modbus/schedule.ts'
import type { Outcome, ReadResult, Station, Turn } from '../src/sources/modbus/station.ts'
import { afterAnswer, afterFailure, HEALTHY, PACE, patienceMs } from '../src/sources/modbus/unit-health.ts'
import { register } from './modbus-support.ts'

const station = (unit: number, over: Partial<Station> = {}): Station => ({
  ...{ id: `m${unit}`, unit, pollMs: 1_000, timeoutMs: 1_000, limits: DEFAULT_LIMITS },
  fields: [register('a', 0)],
  ...over,
})

interface Answered {
  readonly result: ReadResult
  readonly tookMs: number
}

type Told = Outcome & { readonly now: number }

/** Plays a schedule against a bus that answers as told, in a time of its own. */
const play = (
  options: Partial<ScheduleOptions> & Pick<ScheduleOptions, 'stations'>,
  answer: (turn: Turn, now: number) => Answered,
  forMs: number,
) => {
  const schedule = createSchedule({
    ...{ dutyMax: 1, gapMs: 0, unnumbered: false, lineMs: () => 0, random: () => 0.5, pace: PACE },
    ...options,
  })
  const told: Told[] = []
  const asked: (Turn & { readonly endedAt: number })[] = []
  let now = 5_000
  const end = now + forMs
  const tell = (outcomes: readonly Outcome[]): void => void told.push(...outcomes.map(one => ({ ...one, now })))
  while (now < end) {
    const { outcomes, turn, wakeAt } = schedule.next(now)
    tell(outcomes)
    if (turn === undefined) {
      expect(wakeAt).toBeGreaterThan(now)
      now = wakeAt
      continue
    }
    const { result, tookMs } = answer(turn, now)
    now += tookMs
    asked.push({ ...turn, endedAt: now })
    tell(schedule.settle(turn, result, now))
  }
  return {
    asked,
    told,
    readings: (id: string) => told.flatMap(one => (one.type === 'reading' && one.station === id ? [one] : [])),
    failures: (id: string) => told.flatMap(one => (one.type === 'failure' && one.station === id ? [one] : [])),
    periods: (id: string) => told.flatMap(one => (one.type === 'period' && one.station === id ? [one.periodMs] : [])),
  }
}

const good = ({ request }: Turn, tookMs = 10): Answered => ({
  result: { ok: true, data: new Uint8Array(request.count * 2) },
  tookMs,
})
const silent = ({ timeoutMs }: Turn): Answered => ({
  result: { ok: false, failure: { kind: 'timeout', message: 'none' } },
  tookMs: timeoutMs,
})
const refused = (tookMs = 10): Answered => ({
  result: { ok: false, exception: 2, failure: { kind: 'exception', message: 'none' } },
  tookMs,
})

describe('a schedule', () => {
  it('polls each machine on its grid, one question at a time, with silence between', () => {
    const { asked, readings } = play(
      { stations: [station(1), station(2, { pollMs: 500 })], gapMs: 7 },
      turn => good(turn),
      60_000,
    )
    expect(readings('m1').length).toBe(60)
    expect(readings('m2').length).toBe(120)
    for (const [at, turn] of asked.entries())
      if (at > 0) expect(turn.askedAt - (asked[at - 1]?.endedAt as number)).toBeGreaterThanOrEqual(7)
  })

  it('lets a dead unit cost the others at most one timeout per pause, and its pauses grow to 20 s', () => {
    const { asked, readings } = play(
      { stations: [1, 2, 3, 4].map(unit => station(unit)) },
      turn => (turn.unit === 2 ? silent(turn) : good(turn)),
      600_000,
    )
    const tries = asked.filter(({ unit }) => unit === 2)
    const pauses = tries.slice(1).map(({ askedAt }, at) => askedAt - (tries[at]?.endedAt as number))
    expect(Math.max(...pauses)).toBeLessThanOrEqual(21_000)
    expect(pauses.slice(0, 6)).toEqual([...pauses.slice(0, 6)].toSorted((a, b) => a - b))
    // Half of 20 s to all of it, and the time to the next poll.
    for (const pause of pauses.slice(6)) expect(pause).toBeGreaterThan(10_000)
    for (const unit of [1, 3, 4]) expect(readings(`m${unit}`).length).toBeGreaterThan(600 * 0.97)
  })

  it('gives many dead units no more than their share: the living keep their cadence within 10 %', () => {
    const units = Array.from({ length: 12 }, (_, at) => at + 1)
    const { asked, readings } = play(
      { stations: units.map(unit => station(unit)) },
      turn => (turn.unit % 2 === 0 ? silent(turn) : good(turn)),
      600_000,
    )
    const from = 65_000
    const steady = (id: string): number => readings(id).filter(({ now }) => now >= from).length
    for (const unit of units.filter(unit => unit % 2 === 1)) expect(steady(`m${unit}`)).toBeGreaterThan(540 * 0.9)
    for (const unit of units.filter(unit => unit % 2 === 0)) {
      const tries = asked.filter(turn => turn.unit === unit).map(({ askedAt }) => askedAt)
      // Whenever it comes back, it is asked within 30 s.
      for (const [at, time] of tries.entries())
        if (at > 0) expect(time - (tries[at - 1] as number)).toBeLessThan(28_000)
    }
  })

  it('looks every few seconds for a unit that is alone on its bus', () => {
    const { asked } = play({ stations: [station(1)] }, silent, 600_000)
    const pauses = asked.slice(1).map(({ askedAt }, at) => askedAt - (asked[at]?.endedAt as number))
    expect(Math.max(...pauses)).toBeLessThan(6_000)
    expect(pauses.at(-1)).toBeGreaterThan(2_500)
  })

  it('fails every poll of a unit that it does not ask, so that nobody takes silence for health', () => {
    const { failures } = play({ stations: [station(1)] }, silent, 120_000)
    expect(failures('m1').length).toBeGreaterThan(100)
  })

  it('blames no unit for a line that is down', () => {
    let down = true
    const line: ReadResult = { ok: false, line: true, failure: { kind: 'connect', message: 'none' } }
    const { asked, readings } = play(
      { stations: [station(1)] },
      (turn, now) => {
        if (now > 65_000) down = false
        return down ? { result: line, tookMs: 0 } : good(turn)
      },
      70_000,
    )
    expect(asked.length).toBe(70)
    expect(readings('m1').length).toBe(9)
  })

  it('serves units in turn, and machines of one unit in turn', () => {
    const many = Array.from({ length: 6 }, (_, at) => register(`s${at}`, at * 100))
    const stations = [
      station(1, { fields: many }),
      station(2, { fields: many }),
      station(2, { id: 'second', fields: many }),
    ]
    const { asked, readings } = play({ stations }, turn => good(turn, 100), 60_000)
    const counts = ['m1', 'm2', 'second'].map(id => readings(id).length)
    // Eighteen questions of a tenth of a second are more than a second: everybody is read every two, nobody starves.
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
    const units = asked.slice(0, 6).map(({ station }) => station)
    expect(units).toEqual(['m1', 'm2', 'm1', 'second', 'm1', 'm2'])
  })

  it('gives a reading of one poll or none', () => {
    const fields = [register('a', 0), register('b', 500)]
    let nth = 0
    const { readings, failures } = play(
      { stations: [station(1, { fields })] },
      turn => (turn.request.address === 500 && nth++ % 4 === 1 ? silent(turn) : good(turn)),
      40_000,
    )
    for (const { values } of readings('m1')) expect(Object.keys(values)).toEqual(['a', 'b'])
    expect(failures('m1').length).toBeGreaterThan(5)
  })

  it('reads each signal at its own rate, and again at the next poll when that failed', () => {
    const fields = [register('fast', 0), register('slow', 1, { every: 5 }), register('far', 500, { every: 10 })]
    const seen: string[] = []
    const { readings } = play(
      { stations: [station(1, { fields })] },
      (turn, now) => (now > 14_000 && now < 16_000 ? silent(turn) : good(turn)),
      31_000,
    )
    for (const { values, now } of readings('m1'))
      seen.push(`${Math.floor(now / 1_000) - 5} ${Object.keys(values).join('+')}`)
    expect(seen.filter(line => line.includes('slow'))).toEqual([
      '0 fast+slow+far',
      '5 fast+slow',
      expect.stringMatching(/^1[12] fast\+slow\+far$/),
      '15 fast+slow',
      '20 fast+slow+far',
      '25 fast+slow',
      '30 fast+slow+far',
    ])
  })

  it('asks a control that refuses everything less and less often', () => {
    const { asked } = play(
      { stations: [station(1, { fields: [register('a', 0), register('b', 1)] })] },
      () => refused(),
      300_000,
    )
    // A poll of one or two questions every 3.75 s in the mean.
    expect(asked.length).toBeLessThan(150)
  })

  it('asks something of another length first where a late answer cannot be told from a new one', () => {
    const fields = [register('a', 0), register('b', 1), register('c', 50)]
    let nth = 0
    const { asked } = play(
      { stations: [station(1, { fields })], unnumbered: true },
      turn => (nth++ === 0 ? silent(turn) : good(turn)),
      5_000,
    )
    const counts = asked.slice(0, 4).map(({ request }) => request.count)
    // Two registers are owed, one is asked next: three have no other question's length.
    expect(counts).toEqual([2, 3, 2, 1])
  })
})

describe('a probe', () => {
  const owing = (limits: Partial<Station['limits']>) => {
    let nth = 0
    const stations = [station(1, { fields: [register('a', 65_535)], limits: { ...DEFAULT_LIMITS, ...limits } })]
    return play({ stations, unnumbered: true }, turn => (nth++ < 2 ? silent(turn) : good(turn)), 6_000).asked
  }

  it('lies within the addresses that there are, and differs from every probe that is owed', () => {
    const requests = owing({}).map(({ request: { address, count } }) => [address, count])
    expect(requests.slice(0, 4)).toEqual([
      [65_535, 1],
      [65_534, 2],
      [65_533, 3],
      [65_535, 1],
    ])
  })

  it('asks by another function where the device takes one register at a time', () => {
    const requests = owing({ maxRegisters: 1 }).map(({ request: { area, count } }) => `${area} ${count}`)
    expect(requests.slice(0, 4)).toEqual(['input-register 1', 'coil 1', 'coil 9', 'input-register 1'])
  })
})

describe('the duty of a bus', () => {
  it('is kept whatever the units take, and whoever is quick is not slowed by whoever is slow', () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ wireMs: fc.integer({ min: 0, max: 5_000 }), pollMs: fc.integer({ min: 100, max: 60_000 }) }),
          { minLength: 1, maxLength: 20 },
        ),
        fc.double({ min: 0.05, max: 1, noNaN: true }),
        (demands, dutyMax) => {
          const all = stretches(demands, dutyMax)
          const wants = demands.map(({ wireMs, pollMs }) => wireMs / pollMs)
          const busy = wants.reduce((sum, want, at) => sum + want / (all[at] as number), 0)
          expect(busy).toBeLessThanOrEqual(dutyMax + 1e-9)
          for (const [at, stretch] of all.entries()) {
            expect(stretch).toBeGreaterThanOrEqual(1)
            if ((wants[at] as number) <= dutyMax / demands.length) expect(stretch).toBe(1)
          }
          if (wants.reduce((sum, want) => sum + want, 0) <= dutyMax) expect(new Set(all)).toEqual(new Set([1]))
        },
      ),
    ))

  it('is half of the time: a machine that answers slower is asked less, and gently more when it is quick again', () => {
    let tookMs = 20
    const { readings, periods, asked } = play(
      { stations: [station(1), station(2)], dutyMax: 0.5 },
      (turn, now) => {
        if (now > 65_000) tookMs = 900
        if (now > 185_000) tookMs = 20
        return good(turn, turn.unit === 1 ? tookMs : 20)
      },
      400_000,
    )
    const count = (id: string, from: number, to: number): number =>
      readings(id).filter(({ now }) => now >= from && now < to).length
    expect(count('m1', 5_000, 65_000)).toBe(60)
    // 900 ms may be at most 48 % of the time, as the other takes 2 %.
    expect(count('m1', 85_000, 185_000)).toBeGreaterThan(45)
    expect(count('m1', 85_000, 185_000)).toBeLessThan(56)
    const busy = asked
      .filter(({ askedAt }) => askedAt >= 85_000 && askedAt < 185_000)
      .reduce((sum, { askedAt, endedAt }) => sum + endedAt - askedAt, 0)
    expect(busy / 100_000).toBeLessThan(0.52)
    expect(count('m2', 85_000, 185_000)).toBeGreaterThan(95)
    // It comes back by and by, not at once.
    expect(count('m1', 185_000, 195_000)).toBeLessThan(9)
    expect(count('m1', 300_000, 400_000)).toBeGreaterThan(98)
    expect(Math.max(...periods('m1'))).toBeGreaterThan(1_700)
    expect(periods('m1').at(-1)).toBe(1_000)
    expect(periods('m2')).toEqual([])
  })

  it('believes a slow poll slowly', () => {
    expect(smoothed(undefined, 100)).toBe(100)
    expect(smoothed(10, 110)).toBeCloseTo(40)
    expect(smoothed(110, 10)).toBeCloseTo(100)
  })
})

describe('the health of a unit', () => {
  const failure = { kind: 'timeout', message: 'none' } as const

  it('forgives one failure and then waits longer and longer, by chance', () => {
    const pauses = (random: number): number[] => {
      let health = HEALTHY
      return Array.from({ length: 9 }, () => {
        health = afterFailure(health, failure, 0, () => random)
        return health.retryAt
      })
    }
    expect(pauses(0)).toEqual([0, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000])
    expect(pauses(0.999).map(Math.round)).toEqual([0, 1_000, 1_999, 3_998, 7_996, 15_992, 19_990, 19_990, 19_990])
    expect(
      afterAnswer(
        afterFailure(HEALTHY, failure, 0, () => 0),
        5,
      ),
    ).toMatchObject({ failures: 0, retryAt: 0 })
  })

  it('is looked at with less patience when it is long dead, but with all that it has ever needed', () => {
    const dead = { ...HEALTHY, failures: 9 }
    expect(patienceMs(HEALTHY, 1_000, 3)).toBe(1_000)
    expect(patienceMs(dead, 1_000, 1)).toBe(1_000)
    expect(patienceMs(dead, 1_000, 3)).toBe(400)
    expect(patienceMs(dead, 1_000, 20)).toBe(100)
    expect(patienceMs({ ...dead, slowestMs: 250 }, 1_000, 20)).toBe(750)
    expect(patienceMs({ ...dead, failures: 16 }, 1_000, 20)).toBe(1_000)
  })
})
