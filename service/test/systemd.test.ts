import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

const FIXTURE = join(import.meta.dirname, 'fixture-service.ts')
const missing = ['systemd-notify', 'socat'].filter(tool => spawnSync(tool, ['--version']).error !== undefined)
if (missing.length > 0) {
  const how = `apt-get install ${missing.map(tool => (tool === 'socat' ? tool : 'systemd')).join(' ')}`
  if (process.env.REQUIRE_TOOLS !== undefined) throw new Error(`${missing.join(' and ')} required: ${how}`)
  process.stdout.write(`systemd: ${missing.join(' and ')} missing, so its tests are left out (Debian: ${how})\n`)
}

let folder: string
const children: ChildProcess[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nakama-systemd-'))
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true })
})

/** In the place of systemd: takes what is written to its socket. */
const listen = async (name: string): Promise<{ readonly socket: string; heard(): string }> => {
  const socket = join(folder, name)
  const child = spawn('socat', ['-u', `UNIX-RECV:${socket}`, 'STDOUT'], { stdio: ['ignore', 'pipe', 'ignore'] })
  children.push(child)
  let heard = ''
  child.stdout?.on('data', chunk => {
    heard += `${chunk} `
  })
  await vi.waitFor(() => expect(existsSync(socket)).toBe(true), { timeout: 5_000 })
  return { socket, heard: () => heard }
}

const start = (env: NodeJS.ProcessEnv, healthy = true): ChildProcess => {
  const file = join(folder, 'fixture.yaml')
  writeFileSync(file, `http: { host: 127.0.0.1, port: 0 }\nhealthy: ${healthy}\n`)
  const child = spawn(process.execPath, [FIXTURE, '--config', file], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, LOG_LEVEL: 'silent', ...env },
  })
  children.push(child)
  return child
}

const beats = (heard: string): number => heard.split('WATCHDOG=1').length - 1
const WATCHDOG = { WATCHDOG_USEC: '400000' }

describe.runIf(missing.length === 0)('a service that systemd started', () => {
  it('says that it is ready once it listens, and then twice in every interval of the watchdog that it is well', async () => {
    const { socket, heard } = await listen('notify')
    const child = start({ NOTIFY_SOCKET: socket, ...WATCHDOG })
    await once(child, 'message')
    await vi.waitFor(() => expect(heard()).toContain('READY=1'), { timeout: 10_000 })
    await vi.waitFor(() => expect(beats(heard())).toBeGreaterThan(4), { timeout: 10_000 })
  })

  // The beats of a process that is well are the clock by which the silence of the other is measured.
  it.each([
    ['it is not well, so that it is started anew', {}, false],
    ['the watchdog is meant for another process', { WATCHDOG_PID: '1' }, true],
  ])('does not beat when %s', async (_, env, healthy) => {
    const [silent, well] = [await listen('silent'), await listen('well')]
    await once(start({ NOTIFY_SOCKET: silent.socket, ...WATCHDOG, ...env }, healthy), 'message')
    await vi.waitFor(() => expect(silent.heard()).toContain('READY=1'), { timeout: 10_000 })
    await once(start({ NOTIFY_SOCKET: well.socket, ...WATCHDOG }), 'message')
    await vi.waitFor(() => expect(beats(well.heard())).toBeGreaterThan(5), { timeout: 10_000 })
    expect(beats(silent.heard())).toBe(0)
  })
})
