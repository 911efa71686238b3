import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_TIMING } from '../src/settings.ts'
import type { KnownCode } from '../src/state/rules.ts'
import { type StateOutput, startTracking, step, type TrackerInput, type TrackerState } from '../src/state/tracker.ts'

const { pollMs: _, ...durations } = DEFAULT_TIMING
const TIMING = { ...durations, heartbeatMs: 300_000 }
const START = 1_700_000_000_000
const s = (seconds: number): number => START + seconds * 1_000

type Shown = KnownCode | 'DONE' | 'NOTHING'

const showing = (shown: Shown): TrackerInput => {
  if (shown === 'NOTHING') return { type: 'reading', evidence: null }
  const evidence = shown === 'DONE' ? ({ code: 'IDLE', done: true } as const) : { code: shown, done: false }
  return { type: 'reading', evidence }
}

/** Readings once a second: `[['RUNNING', 3], ['IDLE', 2]]` are five; with a tick in every second, also without readings. */
const replay = (phases: readonly (readonly [Shown | 'SILENCE', number])[]) => {
  let state = startTracking(START)
  let at = 0
  const outputs: StateOutput[] = []
  for (const [shown, seconds] of phases) {
    for (let i = 0; i < seconds; i++, at++) {
      const inputs: TrackerInput[] = [{ type: 'tick' }, ...(shown === 'SILENCE' ? [] : [showing(shown)])]
      for (const input of inputs) {
        const next = step(TIMING, state, input, s(at))
        state = next.state
        outputs.push(...next.outputs)
      }
    }
  }
  return { state, changes: outputs.filter(output => output.changed), outputs, at }
}

/** Changes as `CODE since@at`, in seconds from the start. */
const changesOf = (phases: Parameters<typeof replay>[0]): string[] =>
  replay(phases).changes.map(({ code, since, at }) => `${code} ${(since - START) / 1_000}@${(at - START) / 1_000}`)

describe('the first state', () => {
  it('is what the first good reading shows, at once', () => {
    for (const code of ['RUNNING', 'PAUSED', 'SETUP', 'IDLE', 'ALARM', 'OFF'] as const)
      expect(
        changesOf([
          ['SILENCE', 3],
          [code, 2],
        ]),
      ).toEqual([`${code} 3@3`])
  })

  it('is OFFLINE since the start for a machine that never answers', () => {
    expect(changesOf([['SILENCE', 40]])).toEqual(['OFFLINE 0@30'])
    expect(changesOf([['NOTHING', 40]])).toEqual(['OFFLINE 0@30'])
  })
})

describe('RUNNING', () => {
  it('survives gaps of up to ten seconds', () =>
    expect(
      changesOf([
        ['RUNNING', 5],
        ['PAUSED', 10],
        ['RUNNING', 5],
        ['SETUP', 6],
        ['OFF', 4],
        ['RUNNING', 1],
      ]),
    ).toEqual(['RUNNING 0@0']))

  it('ends with a longer gap, when that began', () => {
    expect(
      changesOf([
        ['RUNNING', 5],
        ['PAUSED', 20],
      ]),
    ).toEqual(['RUNNING 0@0', 'PAUSED 5@16'])
    expect(
      changesOf([
        ['RUNNING', 5],
        ['OFF', 20],
      ]),
    ).toEqual(['RUNNING 0@0', 'OFF 5@16'])
  })

  it('ends with a gap of several kinds too, in what the gap is by then', () =>
    expect(
      changesOf([
        ['RUNNING', 5],
        ['PAUSED', 6],
        ['SETUP', 20],
      ]),
    ).toEqual(['RUNNING 0@0', 'SETUP 11@16']))

  it('begins at once', () => {
    for (const code of ['PAUSED', 'SETUP', 'IDLE', 'OFF'] as const)
      expect(
        changesOf([
          [code, 5],
          ['RUNNING', 1],
        ]),
      ).toEqual([`${code} 0@0`, 'RUNNING 5@5'])
  })

  it('does not see a gap in a pause after a short rest', () =>
    expect(
      changesOf([
        ['RUNNING', 5],
        ['IDLE', 100],
        ['PAUSED', 5],
        ['RUNNING', 1],
      ]),
    ).toEqual(['RUNNING 0@0']))
})

describe('ALARM', () => {
  it('begins after two seconds, since the first reading that showed it', () => {
    expect(
      changesOf([
        ['RUNNING', 5],
        ['ALARM', 2],
        ['RUNNING', 5],
      ]),
    ).toEqual(['RUNNING 0@0'])
    expect(
      changesOf([
        ['RUNNING', 5],
        ['ALARM', 3],
      ]),
    ).toEqual(['RUNNING 0@0', 'ALARM 5@7'])
  })

  it('ends after five seconds without a fault, however the rest looks', () => {
    expect(
      changesOf([
        ['ALARM', 5],
        ['PAUSED', 5],
        ['ALARM', 1],
        ['PAUSED', 4],
        ['ALARM', 1],
      ]),
    ).toEqual(['ALARM 0@0'])
    expect(
      changesOf([
        ['ALARM', 5],
        ['PAUSED', 6],
      ]),
    ).toEqual(['ALARM 0@0', 'PAUSED 5@10'])
    expect(
      changesOf([
        ['ALARM', 5],
        ['IDLE', 6],
      ]),
    ).toEqual(['ALARM 0@0', 'IDLE 5@10'])
    expect(
      changesOf([
        ['ALARM', 5],
        ['PAUSED', 3],
        ['RUNNING', 4],
      ]),
    ).toEqual(['ALARM 0@0', 'RUNNING 8@10'])
  })
})

describe('IDLE', () => {
  it('comes after five quiet minutes, since the last activity; until then the former state holds', () => {
    for (const code of ['RUNNING', 'PAUSED', 'SETUP'] as const)
      expect(
        changesOf([
          [code, 10],
          ['IDLE', 301],
        ]),
      ).toEqual([`${code} 0@0`, 'IDLE 10@310'])
    expect(
      changesOf([
        ['RUNNING', 10],
        ['IDLE', 300],
      ]),
    ).toEqual(['RUNNING 0@0'])
  })

  it('waits anew after every activity', () =>
    expect(
      changesOf([
        ['SETUP', 10],
        ['IDLE', 299],
        ['SETUP', 1],
        ['IDLE', 301],
      ]),
    ).toEqual(['SETUP 0@0', 'IDLE 310@610']))

  it('needs only ten seconds of explicit evidence', () => {
    expect(
      changesOf([
        ['RUNNING', 5],
        ['DONE', 10],
      ]),
    ).toEqual(['RUNNING 0@0'])
    expect(
      changesOf([
        ['RUNNING', 5],
        ['DONE', 11],
      ]),
    ).toEqual(['RUNNING 0@0', 'IDLE 5@15'])
    expect(
      changesOf([
        ['RUNNING', 5],
        ['IDLE', 60],
        ['DONE', 11],
      ]),
    ).toEqual(['RUNNING 0@0', 'IDLE 5@75'])
    expect(
      changesOf([
        ['RUNNING', 5],
        ['DONE', 9],
        ['IDLE', 9],
        ['DONE', 9],
      ]),
    ).toEqual(['RUNNING 0@0'])
  })

  it('comes ten seconds after the power', () =>
    expect(
      changesOf([
        ['OFF', 5],
        ['IDLE', 20],
      ]),
    ).toEqual(['OFF 0@0', 'IDLE 5@15']))
})

describe('silence', () => {
  it('is bridged while it is short', () =>
    expect(
      changesOf([
        ['RUNNING', 5],
        ['SILENCE', 28],
        ['RUNNING', 1],
      ]),
    ).toEqual(['RUNNING 0@0']))

  it('is OFFLINE since the last good reading', () =>
    expect(
      changesOf([
        ['RUNNING', 5],
        ['SILENCE', 60],
      ]),
    ).toEqual(['RUNNING 0@0', 'OFFLINE 4@34']))

  it('is not broken by readings that show nothing', () =>
    expect(
      changesOf([
        ['IDLE', 5],
        ['NOTHING', 60],
      ]),
    ).toEqual(['IDLE 0@0', 'OFFLINE 4@34']))

  it('ends with the first good reading, whatever it shows', () => {
    expect(
      changesOf([
        ['RUNNING', 5],
        ['SILENCE', 60],
        ['IDLE', 1],
      ]).at(-1),
    ).toBe('IDLE 65@65')
    expect(
      changesOf([
        ['RUNNING', 5],
        ['SILENCE', 60],
        ['ALARM', 1],
      ]).at(-1),
    ).toBe('ALARM 65@65')
  })

  it('is OFFLINE even when nobody looked while it lasted', () => {
    let state = step(TIMING, startTracking(START), showing('RUNNING'), s(0)).state
    const late = step(TIMING, state, showing('RUNNING'), s(100))
    state = late.state
    expect(late.outputs.map(({ code, since }) => [code, since])).toEqual([
      ['OFFLINE', s(0)],
      ['RUNNING', s(100)],
    ])
  })

  it('forgets what was shown before it', () =>
    expect(
      changesOf([
        ['RUNNING', 5],
        ['IDLE', 200],
        ['SILENCE', 60],
        ['RUNNING', 1],
        ['IDLE', 200],
      ]).at(-1),
    ).toBe('RUNNING 265@265'))
})

describe('heartbeats', () => {
  it('repeat the state every five minutes, up to when it is known', () => {
    const { outputs } = replay([['RUNNING', 700]])
    expect(outputs.map(({ code, since, at, changed }) => [code, since, at, changed])).toEqual([
      ['RUNNING', s(0), s(0), true],
      ['RUNNING', s(0), s(300), false],
      ['RUNNING', s(0), s(600), false],
    ])
  })

  it('repeat OFFLINE too', () => {
    const { outputs } = replay([['SILENCE', 400]])
    expect(outputs.map(({ code, at }) => [code, at])).toEqual([
      ['OFFLINE', s(30)],
      ['OFFLINE', s(330)],
    ])
  })
})

describe('a clock that is set', () => {
  it('neither ends nor lengthens what is going on', () => {
    for (const hours of [-3, 1]) {
      const byMs = hours * 3_600_000
      let { state } = replay([
        ['RUNNING', 5],
        ['IDLE', 100],
      ])
      state = step(TIMING, state, { type: 'clock-stepped', byMs }, s(105) + byMs).state
      const changes: StateOutput[] = []
      for (let at = 105; at < 400; at++) {
        const next = step(TIMING, state, showing('IDLE'), s(at) + byMs)
        state = next.state
        changes.push(...next.outputs.filter(output => output.changed))
      }
      expect(changes).toEqual([{ code: 'IDLE', since: s(5) + byMs, at: s(305) + byMs, changed: true }])
    }
  })
})

describe('whatever comes', () => {
  const inputs = fc.array(
    fc.record({
      afterMs: fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 1, max: 60_000 }), fc.constant(400_000)),
      shown: fc.option(fc.constantFrom<Shown>('RUNNING', 'PAUSED', 'SETUP', 'IDLE', 'DONE', 'ALARM', 'OFF', 'NOTHING')),
    }),
    { maxLength: 200 },
  )

  it('says nothing of the future, in order, and never what no reading showed', () => {
    fc.assert(
      fc.property(inputs, sequence => {
        let state: TrackerState = startTracking(START)
        let now = START
        let saidAt = START
        let since = START
        const shownAt: { at: number; code: Shown }[] = []
        for (const { afterMs, shown } of sequence) {
          now += afterMs
          if (shown !== null && shown !== 'NOTHING') shownAt.push({ at: now, code: shown === 'DONE' ? 'IDLE' : shown })
          const { outputs, state: next } = step(TIMING, state, shown === null ? { type: 'tick' } : showing(shown), now)
          for (const output of outputs) {
            expect(output.since).toBeLessThanOrEqual(output.at)
            expect(output.at).toBeGreaterThanOrEqual(saidAt)
            expect(output.at).toBeLessThanOrEqual(now)
            if (output.changed) {
              expect(output.since).toBeGreaterThanOrEqual(since)
              if (output.code !== 'OFFLINE') {
                const claimed = shownAt.filter(({ at }) => at >= output.since)
                expect(claimed.length).toBeGreaterThan(0)
                expect(claimed.every(({ code }) => code === output.code)).toBe(true)
              }
            }
            saidAt = output.at
            since = output.since
          }
          state = next
          const lastShown = shownAt.at(-1)?.at ?? START
          if (now - lastShown >= TIMING.offlineAfterMs) expect(state.code).toBe('OFFLINE')
        }
      }),
      { numRuns: 300 },
    )
  })
})
