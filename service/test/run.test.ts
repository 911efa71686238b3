import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ReadyMessage } from '../src/index.ts'

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

const run = (config: string, ...more: string[]): ChildProcess => {
  const file = join(folder, 'fixture.yaml')
  writeFileSync(file, config)
  const child = spawn(process.execPath, [FIXTURE, '--config', file, ...more], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  children.push(child)
  return child
}

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
