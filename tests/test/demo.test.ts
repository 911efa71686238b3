import { spawn } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { until } from '../src/until.ts'

const ROOT = join(import.meta.dirname, '../..')

/** `npm run demo` in a folder of its own, as somebody types it. */
const runDemo = (...args: string[]) => {
  const folder = mkdtempSync(join(tmpdir(), 'nakama-demo-test-'))
  const child = spawn('npm', ['run', '--silent', 'demo', '--', '--http-port', '0', '--data', folder, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', data => {
    stdout += data
  })
  child.stderr.on('data', data => {
    stderr += data
  })
  const exited = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
  return {
    ready: () => until('ready', () => /^ready (http:\/\/127\.0\.0\.1:\d+)$/m.exec(stdout)?.[1], { withinMs: 40_000 }),
    get stdout() {
      return stdout
    },
    get stderr() {
      return stderr
    },
    exited,
    /** As Ctrl-C in a terminal does: to the whole foreground group. */
    interrupt: () => process.kill(-(child.pid as number), 'SIGINT'),
    /** Processes that were started with a configuration of this run. */
    left: () =>
      globSync('/proc/[0-9]*/cmdline')
        .map(file => [file.split('/')[2], tryRead(file)] as const)
        .filter(([, command]) => command.includes(folder) && command.includes('--config'))
        .map(([pid, command]) => `${pid} ${command.replaceAll('\0', ' ')}`),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

const tryRead = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

it('the demo says where its board is, answers there, ends by itself and leaves no process behind', {
  timeout: 90_000,
}, async () => {
  const demo = runDemo('--for', '3s')
  try {
    const url = await demo.ready()
    const { machines } = (await (await fetch(`${url}/api/v1/machines`)).json()) as { machines: unknown[] }
    expect(machines.length).toBeGreaterThanOrEqual(12)
    expect(demo.left().length).toBeGreaterThanOrEqual(8)
    expect(await demo.exited).toBe(0)
    expect(demo.stdout.trimEnd().split('\n').at(-1)).toMatch(/^ended: \d+ machines, 0 restarts, no process left$/)
    expect(demo.left()).toEqual([])
  } finally {
    demo.remove()
  }
})

it('the demo starts again what dies, says so, and ends at Ctrl-C', { timeout: 90_000 }, async () => {
  const demo = runDemo()
  try {
    await demo.ready()
    const ingest = demo.left().find(process => process.includes('ingest.yaml')) as string
    process.kill(Number(ingest.split(' ')[0]), 'SIGKILL')
    await until('a restart is told', () => /ingest .*SIGKILL/.test(demo.stderr))
    await until('ingest is back', () => demo.left().find(each => each.includes('ingest.yaml') && each !== ingest))
    demo.interrupt()
    // npm passes the signal on, waits, and then ends by it itself.
    await demo.exited
    expect(demo.stdout.trimEnd().split('\n').at(-1)).toMatch(/^ended: \d+ machines, 1 restarts, no process left$/)
    expect(demo.left()).toEqual([])
  } finally {
    demo.remove()
  }
})

it.each([
  [['--for', 'soon'], '--for: expected a time'],
  [['--http-port', '99999'], '--http-port: expected a whole number'],
  [['--sed', '1'], '--sed'],
])('the demo refuses %j and says what it expected', { timeout: 30_000 }, async (args, words) => {
  const demo = runDemo(...args)
  try {
    expect(await demo.exited).toBe(2)
    expect(demo.stderr).toContain(words)
  } finally {
    demo.remove()
  }
})
