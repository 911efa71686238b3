import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { ReadyMessage } from '@nakama/service'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { configText } from './agent-support.ts'

const MAIN = join(import.meta.dirname, '../src/main.ts')

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'agent-config-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

describe('--check-config', () => {
  const check = async (content: string) => {
    const file = join(dir, 'agent.yaml')
    await writeFile(file, content)
    const child = spawn(process.execPath, [MAIN, '--config', file, '--check-config'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [[code], out, err] = await Promise.all([once(child, 'exit'), text(child.stdout), text(child.stderr)])
    return {
      code,
      out,
      lines: err
        .trim()
        .split('\n')
        .map(line => line.replace(`${file}: `, '')),
    }
  }

  it('finds nothing in a good configuration, and touches nothing', async () => {
    const { code, out } = await check(configText(502, 1883))
    expect([code, out]).toEqual([0, expect.stringMatching(/agent\.yaml: ok\n$/)])
    expect(await readdir(dir)).toEqual(['agent.yaml'])
  })

  it('names the place of every mistake', async () => {
    const good = configText(502, 1883)
    const { code, lines } = await check(
      good.replace('kind: nc-lathe', 'kind: toaster').replace('area: coil', 'area: coal').replace('rev: 3', 'rev: -1'),
    )
    expect(code).toBe(2)
    expect(lines).toHaveLength(3)
    expect(lines).toContainEqual(
      expect.stringMatching(/^machines\.0\.kind: expected one of "nc-lathe",.* got "toaster"$/),
    )
    expect(lines).toContainEqual(expect.stringMatching(/^machines\.0\.signals\.cycle\.area: expected .* got "coal"$/))
    expect(lines).toContainEqual(expect.stringMatching(/^rev: expected .* got -1$/))
  })

  it('finds what a schema cannot see', async () => {
    const { code, lines } = await check(configText(502, 1883).replace('samples: [tick]', 'samples: [tock]'))
    expect(code).toBe(2)
    expect(lines).toContainEqual(expect.stringMatching(/^machines\.0\.samples: .* got tock$/))
  })

  it('says the line of what is no YAML', async () => {
    const { code, lines } = await check(`${configText(502, 1883)}\n  ][`)
    expect(code).toBe(2)
    expect(lines[0]).toMatch(/line \d+/)
  })
})

describe('the bounds on the disk', () => {
  const healthWith = async (journal: string) => {
    const file = join(dir, 'agent.yaml')
    await writeFile(file, `${configText(1, 1)}${journal}`)
    await writeFile(join(dir, 'password'), 'secret\n')
    const child = spawn(process.execPath, [MAIN, '--config', file], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, LOG_LEVEL: 'silent' },
    })
    try {
      const [{ addresses }] = (await once(child, 'message')) as [ReadyMessage]
      const health = (await (await fetch(`${addresses.http}/healthz`)).json()) as { [name: string]: number }
      const metrics = await (await fetch(`${addresses.http}/metrics`)).text()
      return { health, free: Number(/^nakama_edge_agent_journal_free_bytes (\S+)$/m.exec(metrics)?.[1]) }
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }

  it('are taken from the configuration, one without the other, and health and metrics tell what is left', async () => {
    const first = await healthWith('journal: { minFreeBytes: 12345 }\n')
    expect(first.health).toMatchObject({ journalMaxBytes: 1024 ** 3, journalMinFreeBytes: 12_345 })
    expect(first.health.journalFreeBytes).toBeGreaterThan(0)
    expect(first.free).toBe(first.health.journalFreeBytes)
    const second = await healthWith('journal: { maxBytes: 16777216 }\n')
    expect(second.health).toMatchObject({ journalMaxBytes: 16_777_216 })
    expect(second.health.journalMinFreeBytes).toBeGreaterThan(12_345)
  })
})
