import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'

const MAIN = join(import.meta.dirname, '../src/faults/main.ts')

/** Runs the harness as anybody would; its words on standard error are told where it fails otherwise than expected. */
const faults = async (...args: string[]): Promise<{ code: number | null; out: string; result: string }> => {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = new Promise<number | null>(resolve => child.once('exit', resolve))
  const out = await text(child.stdout)
  return { code: await exit, out, result: out.trimEnd().split('\n').at(-1) as string }
}

describe('the fault harness', () => {
  it('finds the promise kept under every kind of fault', { timeout: 360_000 }, async () => {
    const before = mounts()
    const { code, out, result } = await faults('--seed', '1', '--minutes', '3')
    expect(out.split('\n').filter(line => line.startsWith('✗'))).toEqual([])
    expect(result).toMatch(
      /^faults: seed 1, 3\.0 min, \d+ faults, 12 kills: 0 lost, 0 duplicated, 0 disordered, 0 min wrongly idle, 0 min of rollups wrong$/,
    )
    expect(code).toBe(0)
    // Others may be running beside this one, in folders of their own.
    expect(mounts().filter(mount => mount.includes('/nakama-faults-') && !before.includes(mount))).toEqual([])
  })

  // Side by side, each as short as it can be, with nothing but the finale that must bring the broken promise to light.
  it.concurrent.each([
    ['ingest acknowledges before the store commits', 'ack-before-commit', /: [1-9]\d* lost, .* FAILED/],
    ['the agent deletes what it has published', 'delete-at-publish', /: [1-9]\d* lost, .* FAILED/],
    ['a rollup is added to instead of replaced', 'add-to-rollup', /: 0 lost, .* [1-9]\d* min of rollups wrong; FAILED/],
  ])('fails when %s', { timeout: 180_000 }, async (_, mutant, reason) => {
    const { code, result } = await faults('--mutant', mutant, '--minutes', '1', '--kinds', 'kill', '--kills', '0')
    expect(result).toMatch(reason)
    expect(code).toBe(1)
  })
})

const mounts = (): string[] =>
  readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter(line => line.startsWith('nakama-faults'))
