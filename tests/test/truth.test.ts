import type { StateCode } from '@nakama/contract'
import { timesAt } from '@nakama/demo'
import { readServed, readTruth } from '@nakama/simulators'
import { describe, expect, it } from 'vitest'
import { codesWithin, DEFAULT_WAITS, expectedStates, type Waits } from '../src/expected-states.ts'
import { heardAgain } from '../src/heard-again.ts'
import { machineNames, runPath, untilAllHeard } from '../src/running-path.ts'
import { pacedUntil } from '../src/until.ts'

// Ten simulated minutes at five times the speed: every waiting time is shortened by as much, by configuration.
const SPEED = 5
const REAL_MS = (10 * 60_000) / SPEED
const TIMES = timesAt(SPEED)
const WAITS: Waits = { ...DEFAULT_WAITS, ...TIMES.timing }
/** By how much the board may be behind the rules' waiting times. */
const LATE_MAX_MS = 2_000
/** A machine is looked at once per poll, so a stretch may seem this much shorter or longer than it was. */
const BLUR_MS = 2 * TIMES.pollMs
/** A machine that is back on the network is read again. */
const RECOVERED_WITHIN_MS = 30_000
const LOOK_EVERY_MS = 250
const SEEDS = [1, 2, 3]

describe('what the API shows', () => {
  // Side by side: each is mostly waiting.
  it.concurrent.for(SEEDS)('follows what the machines truly do, seed %i', { timeout: REAL_MS + 90_000 }, async seed => {
    await using running = await runPath({
      simulation: { seed, speed: SPEED, faults: { fromMs: 30_000, perDay: 60 } },
      times: TIMES,
    })
    await untilAllHeard(running)
    const looks: { at: number; states: Map<string, string> }[] = []
    const end = Date.now() + REAL_MS
    await pacedUntil(end, LOOK_EVERY_MS, async () => {
      const asked = Date.now()
      const machines = await running.machines()
      // The answer was true at some moment in between; both ends are within what is allowed below.
      looks.push({ at: asked, states: new Map([...machines].map(([name, { state }]) => [name, state])) })
    })

    const wrong: string[] = []
    const seen = new Set<string>()
    for (const name of machineNames(running.path.fleet)) {
      const { truth, slowestMs } = heardAgain(
        readTruth(running.log('truth', name)),
        readServed(running.log('served', name)),
      )
      expect(slowestMs, `${name}: read again after an outage`).toBeLessThan(RECOVERED_WITHIN_MS)
      const range = { from: truth[0]?.at as number, to: end + 5_000, everyMs: 20 }
      const expectations = [-BLUR_MS, 0, BLUR_MS].map(blur => expectedStates(truth, blurred(WAITS, blur), range))
      for (const { at, states } of looks) {
        const shown = states.get(name) as StateCode
        seen.add(shown)
        const allowed = expectations.map(expected => codesWithin(expected, at - LATE_MAX_MS, at + LOOK_EVERY_MS))
        if (!allowed.some(codes => codes.has(shown))) {
          wrong.push(`${name} ${new Date(at).toISOString()}: ${shown}, not ${[...(allowed[1] ?? [])].join('/')}`)
        }
      }
    }
    expect(wrong.slice(0, 20)).toEqual([])
    expect(looks.length).toBeGreaterThan(REAL_MS / LOOK_EVERY_MS / 3)
    // A fleet that only ever runs would prove nothing.
    expect(seen.size).toBeGreaterThanOrEqual(4)
  })
})

function blurred(waits: Waits, byMs: number): Waits {
  return Object.fromEntries(
    Object.entries(waits).map(([name, ms]) => [name, Math.max(0, ms + byMs)]),
  ) as unknown as Waits
}
