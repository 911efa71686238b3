import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { parseFleetArgs } from '../src/fleet/args.ts'
import { complaintsOf, type Measured } from '../src/fleet/judge.ts'
import { memoryOf } from '../src/fleet/meter.ts'

const MAIN = join(import.meta.dirname, '../src/fleet/main.ts')

/** Runs the fleet as anybody would. */
const fleet = async (...args: string[]): Promise<{ code: number | null; out: string; result: string }> => {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = new Promise<number | null>(resolve => child.once('exit', resolve))
  const out = await text(child.stdout)
  return { code: await exit, out, result: out.trimEnd().split('\n').at(-1) as string }
}

describe('a fleet', () => {
  it('has every reading of its life stored, once', { timeout: 60_000 }, async () => {
    const { code, out, result } = await fleet('--shops', '20', '--seconds', '2')
    expect(result).toMatch(/^fleet: 20 shops, 100 machines, .* 0 batches unacknowledged, \d+ readings of 5 shops/)
    expect(out.trimEnd()).toBe(result)
    expect(code).toBe(0)
  })

  it('comes back at once from an outage, in time, and has all of it stored', { timeout: 60_000 }, async () => {
    const { code, out, result } = await fleet('--shops', '20', '--outage-minutes', '2', '--all-within-s', '30')
    expect(result).toMatch(/^fleet: 20 shops back at once after 2 min: .* 0 batches unacknowledged, \d+ readings of 5 /)
    expect(out.trimEnd()).toBe(result)
    expect(code).toBe(0)
  })
})

describe('the judge of a fleet', () => {
  const level = { peak: 500, middle: 400, end: 450 }
  const stored = [{ shop: 'shop-1', machine: 'machine-1', read: 3_600, missing: 0, foreign: 0 }]
  const good: Measured = {
    ...{ statesMs: 60_000, allMs: 600_000, waiting: 0, restarts: 0 },
    ...{ broker: level, ingest: level, stored },
  }
  const limits = parseFleetArgs([])

  it('has the figures of the design for its limits', () => {
    expect(complaintsOf(limits, good)).toEqual([])
    expect(limits).toMatchObject({ statesWithinS: 60, allWithinS: 600, ingestMaxMiB: 800, brokerMaxMiB: 600 })
  })
  it.each<[Partial<Measured>, string]>([
    [{ statesMs: 60_001 }, 'the states of all: expected within 60 s, got 60.0 s'],
    [{ allMs: Number.POSITIVE_INFINITY }, 'everything: expected within 600 s, got Infinity s'],
    [{ waiting: 1 }, '1 batches are not acknowledged at the end'],
    [{ restarts: 1 }, '1 processes died'],
    [{ broker: { ...level, peak: 601 } }, 'broker: expected at most 600 MiB, got 601'],
    [{ ingest: { ...level, peak: 801 } }, 'ingest: expected at most 800 MiB, got 801'],
    [{ ingest: memoryOf([]) }, 'ingest: expected at most 800 MiB, got 0'],
    [
      { ingest: { ...level, end: 501 } },
      'ingest: expected a level memory, got 400 MiB in the middle and 501 at the end',
    ],
    [
      { stored: stored.map(each => ({ ...each, missing: 2, foreign: 1 })) },
      'shop-1/machine-1: of 3600 readings 2 are not stored, and 1 are that were never read',
    ],
    [
      { stored: stored.map(each => ({ ...each, read: 0 })) },
      'shop-1/machine-1: of 0 readings 0 are not stored, and 0 are that were never read',
    ],
    [{ stored: [] }, 'nothing was looked up in the store'],
  ])('complains of %j', (change, complaint) => {
    expect(complaintsOf(limits, { ...good, ...change })).toEqual([complaint])
  })
  it('sees memory that grows, and takes a moment for a moment', () => {
    const growing = Array.from({ length: 1_000 }, (_, at) => at)
    expect(memoryOf(growing)).toEqual({ peak: 999, middle: 500, end: 900 })
    const spiked = Array.from({ length: 1_000 }, (_, at) => (at === 900 ? 700 : 300))
    expect(memoryOf(spiked)).toEqual({ peak: 700, middle: 300, end: 300 })
  })
})
