import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { seeded } from './journal-disk.ts'
import { drain, gapsIn, openTestJournal, recordsOf, timeOf } from './journal-support.ts'

const CHILD = join(import.meta.dirname, 'journal-child.ts')
const KILLS = 6

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nakama-journal-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

interface Batch {
  readonly lane: string
  readonly epoch: string
  readonly seq: number
  readonly numbers: readonly number[]
}

/** Runs the process from this number on, kills it in the middle of its work after so many lines, and returns what it said. */
const runAndKill = async (first: number, lines: number): Promise<{ durable: number; batches: Batch[] }> => {
  const child = spawn(process.execPath, [CHILD, dir, String(first)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const batches: Batch[] = []
  let durable = 0
  let left = lines
  for await (const line of createInterface({ input: child.stdout })) {
    let said: { durable?: number } & Batch
    try {
      said = JSON.parse(line)
    } catch {
      // The last line may be cut off: it was not said.
      continue
    }
    if (said.durable === undefined) batches.push(said)
    else durable = said.durable
    left -= 1
    if (left === 0) child.kill('SIGKILL')
  }
  expect((await exited)[1]).toBe('SIGKILL')
  return { durable, batches }
}

it(`loses nothing that was durable, and gives nothing two names, in ${KILLS} times kill -9`, async () => {
  const random = seeded(7)
  const durable = new Set<number>()
  const named = new Map<number, string>()
  const take = (batches: readonly Batch[]): void => {
    for (const { lane, epoch, seq, numbers } of batches) {
      for (const number of numbers) {
        const name = `${lane} ${epoch} ${seq}`
        expect(named.get(number) ?? name).toBe(name)
        named.set(number, name)
      }
    }
  }

  let first = 1
  for (let kill = 0; kill < KILLS; kill++) {
    const { durable: upTo, batches } = await runAndKill(first, 3 + Math.floor(random() * 60))
    for (let number = first; number <= upTo; number++) durable.add(number)
    take(batches)
    first = Math.max(first, upTo) + 1_000
  }
  const journal = await openTestJournal({ dir, maxBytes: 16 * 1024 * 1024 })
  const left = await drain(journal)
  take(left.map(batch => ({ ...batch, numbers: recordsOf([batch]).map(timeOf) })))
  // Nothing that was promised is missing.
  expect(gapsIn(recordsOf(left))).toEqual([])
  await journal.close()

  expect(durable.size).toBeGreaterThan(KILLS * 10)
  expect([...durable].filter(number => !named.has(number))).toEqual([])
  expect(journal.lastJournaled.at).toBeGreaterThanOrEqual(Math.max(...durable))
}, 60_000)
