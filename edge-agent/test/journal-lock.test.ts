import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { configText } from './agent-support.ts'
import { openTestJournal, recordOf } from './journal-support.ts'

const CHILD = join(import.meta.dirname, 'journal-child.ts')
const MAIN = join(import.meta.dirname, '../src/main.ts')

let dir: string
let children: ChildProcess[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'nakama-lock-'))
})
afterEach(async () => {
  await Promise.all(children.map(kill))
  children = []
  await rm(dir, { recursive: true, force: true })
})

const kill = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** A process that works in the journal of this folder: it has said something. */
const startWriter = async (journalDir: string): Promise<ChildProcess> => {
  const child = spawn(process.execPath, [CHILD, journalDir, '1'], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  await once(child.stdout, 'data')
  child.stdout.resume()
  return child
}

it('refuses a second process for as long as the first lives, and not a moment longer', async () => {
  const first = await startWriter(dir)
  await expect(openTestJournal({ dir })).rejects.toMatchObject({ code: 'JOURNAL_IN_USE' })
  await kill(first)
  // What it had forgotten to sweep up, a process that comes next sweeps up.
  await writeFile(join(dir, '000099.segment.new'), 'half made')
  const second = await startWriter(dir)
  expect(existsSync(join(dir, '000099.segment.new'))).toBe(false)
  // And a third, which is refused, touches nothing of what the second is making.
  await writeFile(join(dir, '000099.segment.new'), 'half made')
  await expect(openTestJournal({ dir })).rejects.toMatchObject({ code: 'JOURNAL_IN_USE' })
  expect(existsSync(join(dir, '000099.segment.new'))).toBe(true)
  await kill(second)
  const journal = await openTestJournal({ dir, maxBytes: 16 * 1024 * 1024 })
  expect(journal.lastJournaled.at).toBeGreaterThan(0)
  await journal.close()
})

it('refuses a second opening within one process, until the first is closed', async () => {
  const first = await openTestJournal({ dir })
  await expect(openTestJournal({ dir })).rejects.toMatchObject({ code: 'JOURNAL_IN_USE' })
  first.append(recordOf('events', 1))
  await first.close()
  const next = await openTestJournal({ dir })
  expect(next.streams()[0]?.epoch).toBe(first.epoch)
  await next.close()
})

it('never writes to the lock, and needs nothing that stands in it', async () => {
  const lock = join(dir, 'lock')
  const first = await openTestJournal({ dir })
  first.append(recordOf('events', 1))
  await first.close()
  expect((await stat(lock)).size).toBe(0)
  await writeFile(lock, Buffer.alloc(10_000, 7))
  const next = await openTestJournal({ dir })
  await expect(openTestJournal({ dir })).rejects.toMatchObject({ code: 'JOURNAL_IN_USE' })
  await next.close()
})

it('ends an agent that is started beside another, with the folder and what to do, and leaves the other alone', async () => {
  const configFile = join(dir, 'agent.yaml')
  await writeFile(configFile, configText(1, 1))
  await writeFile(join(dir, 'password'), 'secret\n')
  const start = (stdout: 'ignore' | 'pipe') => {
    const child = spawn(process.execPath, [MAIN, '--config', configFile], {
      stdio: ['ignore', stdout, 'inherit', 'ipc'],
    })
    children.push(child)
    return child
  }
  const first = start('ignore')
  await once(first, 'message')
  const second = start('pipe')
  const [said, [code]] = await Promise.all([
    text(second.stdout as NonNullable<typeof second.stdout>),
    once(second, 'exit'),
  ])
  expect(code).toBe(1)
  const last = JSON.parse(said.trim().split('\n').at(-1) as string)
  expect(last).toMatchObject({
    code: 'JOURNAL_IN_USE',
    err: { message: expect.stringContaining(join(dir, 'data/journal')) },
  })
  expect(last.err.message).toContain('stop the other agent')
  expect(first.exitCode).toBe(null)
})
