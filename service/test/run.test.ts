import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CLOCK_OFFSET_VARIABLE, type ClockMessage, type ReadyMessage } from '../src/index.ts'

const FIXTURE = join(import.meta.dirname, 'fixture-service.ts')
let folder: string
const children: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nakama-run-'))
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true })
})

const spawnWith = (config: string, env: NodeJS.ProcessEnv, withChannel: boolean, ...more: string[]): ChildProcess => {
  const file = join(folder, 'fixture.yaml')
  writeFileSync(file, config)
  const child = spawn(process.execPath, [FIXTURE, '--config', file, ...more], {
    stdio: ['ignore', 'pipe', 'pipe', ...(withChannel ? (['ipc'] as const) : [])],
    env: { ...process.env, ...env },
  })
  children.push(child)
  return child
}

const run = (config: string, ...more: string[]): ChildProcess => spawnWith(config, {}, true, ...more)

const good = 'http: { host: 127.0.0.1, port: 0 }\nhealthy: true\n'

const ready = async (child: ChildProcess): Promise<string> => {
  const [message] = (await once(child, 'message')) as [ReadyMessage]
  return message.addresses.http as string
}

describe('a service process', () => {
  it('tells its parent where it listens, answers for its health, and stops at SIGTERM with 0', async () => {
    const child = run(good)
    const url = await ready(child)
    const health = await fetch(`${url}/healthz`)
    expect([health.status, await health.json()]).toEqual([200, { ok: true, lastReadingAgeMs: 12 }])
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('nakama_fixture_readings_total 3')
    expect((await fetch(`${url}/other`)).status).toBe(404)
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('says 503 when somebody must look', async () => {
    const url = await ready(run(good.replace('true', 'false')))
    expect((await fetch(`${url}/healthz`)).status).toBe(503)
  })

  it('ends by itself when its parent is gone', async () => {
    const child = run(good)
    await ready(child)
    child.disconnect()
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('has the clock that its parent gives it at the start, and when it says so later', async () => {
    const child = spawnWith(good, { [CLOCK_OFFSET_VARIABLE]: '-10800000' }, true)
    const url = await ready(child)
    const errorMs = async (offsetMs: number): Promise<number> => {
      const metrics = await (await fetch(`${url}/metrics`)).text()
      const clock = Number(/^nakama_fixture_clock_milliseconds (.*)$/m.exec(metrics)?.[1])
      return Math.abs(clock - offsetMs - Date.now())
    }
    expect(await errorMs(-10_800_000)).toBeLessThan(5_000)
    child.send({ type: 'clock', offsetMs: 3_600_000 } satisfies ClockMessage)
    await vi.waitFor(async () => expect(await errorMs(3_600_000)).toBeLessThan(5_000), 5_000)
    child.send({ type: 'clock', offsetMs: 'soon' })
    child.send({ type: 'other', offsetMs: 0 })
    expect(await errorMs(3_600_000)).toBeLessThan(5_000)
  })

  it('has the clock of the system when nobody holds its channel, whatever the environment says', async () => {
    const child = spawnWith(good, { [CLOCK_OFFSET_VARIABLE]: '-10800000' }, false)
    const url = await new Promise<string>(resolve => {
      let seen = ''
      child.stdout?.on('data', chunk => {
        seen += chunk
        const found = /"http":"(http:[^"]+)"/.exec(seen)
        if (found?.[1] !== undefined) resolve(found[1])
      })
    })
    const metrics = await (await fetch(`${url}/metrics`)).text()
    const clock = Number(/^nakama_fixture_clock_milliseconds (.*)$/m.exec(metrics)?.[1])
    expect(Math.abs(clock - Date.now())).toBeLessThan(5_000)
  })

  it('with --check-config only checks: 0 and ok, or 2 and the place of the mistake', async () => {
    const fine = run(good, '--check-config')
    expect(await text(fine.stdout as NodeJS.ReadableStream)).toMatch(/fixture\.yaml: ok\n$/)
    const bad = run(good.replace('port: 0', 'port: x'), '--check-config')
    const [[code], words] = await Promise.all([once(bad, 'exit'), text(bad.stderr as NodeJS.ReadableStream)])
    expect(code).toBe(2)
    expect(words).toMatch(/fixture\.yaml: http\.port: expected integer, got "x"\n$/)
  })

  it('refuses arguments that it does not know', async () => {
    const child = run(good, '--verbose')
    expect(await once(child, 'exit')).toEqual([2, null])
  })

  it('that cannot listen says why and exits with 1', async () => {
    const url = await ready(run(good))
    const second = run(good.replace('port: 0', `port: ${new URL(url).port}`))
    const [[code], log] = await Promise.all([once(second, 'exit'), text(second.stdout as NodeJS.ReadableStream)])
    expect(code).toBe(1)
    expect(log).toContain('EADDRINUSE')
  })
})
