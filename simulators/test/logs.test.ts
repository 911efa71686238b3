import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { readTruth, type TruthLine, truthAt } from '../src/index.ts'
import { openNdjsonLog } from '../src/ndjson-log.ts'
import { openReader } from './modbus-client.ts'
import { start, temporaryFolder } from './support.ts'

const NC = { protocol: 'modbus-tcp', port: 0, shop: 'ota-1', machine: 'nc-1', model: 'nc-lathe' } as const
const EDM = { ...NC, machine: 'edm-1', model: 'wire-edm' } as const

describe('the truth log', () => {
  it('of the same seed is the same, whether the machine is read all the time or never', async () => {
    const run = async (poll: boolean): Promise<TruthLine[]> => {
      const simulators = await start([NC, EDM], { speed: 300, faults: { fromMs: 0, perDay: 2_000 } })
      const end = Date.now() + 1_200
      await vi.waitFor(
        async () => {
          if (poll) await openReader(simulators.port('modbus:ota-1/nc-1'), 'nc-lathe').then(reader => reader.read())
          expect(Date.now()).toBeGreaterThan(end)
        },
        { timeout: 10_000, interval: poll ? 1 : 100 },
      )
      await simulators.service.stop()
      return readTruth(simulators.truth('ota-1-nc-1'))
    }
    const [polled, alone] = [await run(true), await run(false)]
    const common = Math.min(polled.length, alone.length) - 1
    expect(common).toBeGreaterThan(5)
    const lives = [polled, alone].map(lines => lines.slice(0, common).map(({ at: _, ...line }) => line))
    expect(lives[0]).toEqual(lives[1])
    // Wall and simulated time keep step to the millisecond.
    for (const lines of [polled, alone]) {
      const [first] = lines as [TruthLine]
      for (const { at, simAt } of lines.slice(0, common))
        expect(Math.abs(at - first.at - (simAt - first.simAt) / 300)).toBeLessThanOrEqual(1)
    }
  })

  it('goes on after a restart where the machine would be, when the process is told when it all began', async () => {
    const startAt = new Date(Date.now() - 60_000).toISOString()
    const whole = await start([NC], { speed: 300, startAt })
    const [line] = readTruthOf(await flushed(whole.truth('ota-1-nc-1')))
    // One minute ago, three hundred times faster.
    expect(line?.first).toBe(true)
    expect((line?.simAt ?? 0) - Date.parse('2026-03-03T10:20:00+09:00')).toBeGreaterThanOrEqual(300 * 60_000)
    expect((line?.simAt ?? 0) - Date.parse('2026-03-03T10:20:00+09:00')).toBeLessThan(300 * 65_000)
    expect(Math.abs((line?.at ?? 0) - Date.now())).toBeLessThan(5_000)
  })

  it('is read up to its last whole line', () => {
    const file = join(temporaryFolder(), 'torn.ndjson')
    const line = {
      at: 5,
      simAt: 5,
      state: 'IDLE',
      done: false,
      reachable: true,
      activity: 'ready',
      doorOpen: false,
      parts: 0,
    }
    writeFileSync(file, `${JSON.stringify(line)}\n${JSON.stringify({ ...line, at: 9 })}\n`)
    appendFileSync(file, '{"at": 12, "sta')
    const lines = readTruth(file)
    expect(lines.map(({ at }) => at)).toEqual([5, 9])
    expect([4, 5, 8, 9, 100].map(at => truthAt(lines, at)?.at)).toEqual([undefined, 5, 5, 9, 9])
  })
})

describe('a log', () => {
  it('cuts off the half line that a killed process left, and goes on after the last whole one', async () => {
    const file = join(temporaryFolder(), 'log.ndjson')
    writeFileSync(file, '{"i":1}\n{"i":2}\n{"i"')
    const log = openNdjsonLog(file, 4_096)
    log.append({ i: 3 })
    await log.flush()
    expect(readFileSync(file, 'utf8')).toBe('{"i":1}\n{"i":2}\n{"i":3}\n')
  })

  it('is bounded: the older half goes', async () => {
    const file = join(temporaryFolder(), 'log.ndjson')
    const log = openNdjsonLog(file, 4_096)
    for (let i = 0; i < 300; i++) {
      log.append({ i, text: 'x'.repeat(50) })
      await log.flush()
    }
    expect(statSync(file).size + statSync(`${file}.1`).size).toBeLessThanOrEqual(4_096)
    const kept = [`${file}.1`, file]
      .flatMap(name => readFileSync(name, 'utf8').trim().split('\n'))
      .map(line => (JSON.parse(line) as { i: number }).i)
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => 300 - kept.length + i))
  })

  it('that cannot be written says so, stops nothing, and goes on when it can', async () => {
    const simulators = await start([NC])
    const file = simulators.truth('ota-1-nc-1')
    await flushed(file)
    const health = async () => (await fetch(`${simulators.address('http')}/healthz`)).status
    expect(await health()).toBe(200)
    rmSync(join(simulators.folder, 'truth'), { recursive: true })
    const touch = () => simulators.post('/machines/ota-1/nc-1/do', { action: Math.random() < 0.5 ? 'alarm' : 'idle' })
    await vi.waitFor(async () => {
      await touch()
      expect(await health()).toBe(503)
    })
    mkdirSync(join(simulators.folder, 'truth'))
    await vi.waitFor(async () => {
      await touch()
      expect(await health()).toBe(200)
    })
    expect(existsSync(file)).toBe(true)
  })
})

const flushed = (file: string): Promise<string> =>
  vi.waitFor(() => {
    const text = readFileSync(file, 'utf8')
    expect(text).toContain('\n')
    return text
  })

const readTruthOf = (text: string): TruthLine[] =>
  text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as TruthLine)
