import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DeadLetter, type DeadLetters, openDeadLetters } from '../src/commit/dead-letters.ts'

let folder: string
let file: string
let letters: DeadLetters | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nakama-letters-'))
  file = join(folder, 'deep', 'dead-letters.ndjson')
})

afterEach(async () => {
  await letters?.close()
  letters = undefined
  rmSync(folder, { recursive: true })
})

const letter = (n: number, what: unknown = { n }): DeadLetter => ({
  ...{ reason: 'invalid', why: 'no good', shop: 's', agent: 'a', lane: 'events', epoch: 'e', seq: n, what },
})
const lines = (path: string) =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))

describe('the dead-letter file', () => {
  it('has one letter per line, with when and why, and goes on where it stopped', async () => {
    letters = await openDeadLetters(file, 1_000_000)
    await letters.append([letter(1), letter(2)], Date.UTC(2026, 0, 1))
    await letters.close()
    letters = await openDeadLetters(file, 1_000_000)
    await letters.append([letter(3)], Date.UTC(2026, 0, 1))
    expect(lines(file).map(({ what }) => what.n)).toEqual([1, 2, 3])
    expect(lines(file)[0]).toMatchObject({ at: '2026-01-01T00:00:00.000Z', why: 'no good', lane: 'events', seq: 1 })
  })

  it('keeps the newest within its bound, whatever comes', async () => {
    const maxBytes = 20_000
    letters = await openDeadLetters(file, maxBytes)
    for (let n = 0; n < 1_000; n++) await letters.append([letter(n)], 0)
    expect(statSync(file).size + statSync(`${file}.1`).size).toBeLessThanOrEqual(maxBytes)
    const kept = [...lines(`${file}.1`), ...lines(file)].map(({ what }) => what.n)
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => 1_000 - kept.length + i))
    expect(kept.length).toBeGreaterThan(80)
  })

  it('cuts off a letter that is too long', async () => {
    letters = await openDeadLetters(file, 1_000_000)
    await letters.append([letter(1, 'x'.repeat(100_000))], 0)
    expect(lines(file)[0].what).toHaveLength(64 * 1_024)
  })

  it('refuses to open where it cannot write, and says where', async () => {
    writeFileSync(join(folder, 'file'), '')
    await expect(openDeadLetters(join(folder, 'file', 'x.ndjson'), 1_000)).rejects.toMatchObject({
      code: 'DEAD_LETTERS_UNUSABLE',
      message: expect.stringContaining(join(folder, 'file', 'x.ndjson')),
    })
  })
})
