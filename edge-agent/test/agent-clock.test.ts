import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BOOT_TIME_ZERO, isBootTime, type NakamaRecord, REAL_TIME_BEGIN, type SamplesRecord } from '@nakama/contract'
import { createMetrics, loadConfig } from '@nakama/service'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { startAgent } from '../src/agent.ts'
import { openAgentClock, timeBy } from '../src/agent-clock.ts'
import { AgentConfig } from '../src/config.ts'
import { checkAgentConfig } from '../src/config-sense.ts'
import { isTracking } from '../src/host.ts'
import { AGENT, configText, POLL_MS } from './agent-support.ts'
import { startModbusServer } from './support.ts'
import { SILENT, startTestBroker, startTestIngest, statusesOf } from './uplink-support.ts'

type Later = (cleanup: () => Promise<void>) => void

const HOUR_MS = 3_600_000
const until = (what: () => void | Promise<void>): Promise<void> => vi.waitFor(what, { timeout: 10_000, interval: 20 })

/** A machine that notes when each of its numbered readings was asked for, by the true clock. */
const startPath = async (later: Later, clockYaml: string) => {
  const servedAt: number[] = []
  const server = await startModbusServer({
    bits: () => true,
    words: () => servedAt.push(Date.now()),
  })
  later(server.stop)
  const broker = await startTestBroker()
  later(broker.stop)
  const ingest = startTestIngest({ port: broker.port, store: 'aaaaaaaaaaaaaaaa' })
  later(ingest.stop)
  const dir = await mkdtemp(join(tmpdir(), 'agent-clock-'))
  later(() => rm(dir, { recursive: true, force: true }))
  const configFile = join(dir, 'agent.yaml')
  const ntpFile = join(dir, 'synchronised')
  await writeFile(configFile, configText(server.port, broker.port) + clockYaml.replace('NTP', ntpFile))
  await writeFile(join(dir, 'password'), 'secret\n')

  /** One life of the agent: by a clock that is wrong by `clock.offsetMs`, on a system that was switched on at `bootedAt`. */
  const start = async (clock: { offsetMs: number }, boot: string, bootedAt: number) => {
    const config = loadConfig(configFile, AgentConfig, checkAgentConfig)
    const agent = await startAgent(
      {
        ...{ config, configFile, log: SILENT, random: Math.random },
        metrics: createMetrics('edge-agent'),
        now: () => Date.now() + clock.offsetMs,
      },
      { boot, sinceBootMs: () => performance.now() - bootedAt },
    )
    later(agent.stop)
    return agent
  }

  const rows = () =>
    ingest
      .records()
      .filter((record): record is SamplesRecord => record.type === 'samples')
      .map(record => {
        const tick = record.signals.tick?.[0] as number
        return { tick, at: record.at[0] as number, truth: servedAt[tick - 1] as number }
      })
  return { servedAt, broker, ingest, start, rows, synchronise: () => writeFile(ntpFile, '') }
}

const errorsOf = (rows: readonly { at: number; truth: number }[]): number[] =>
  rows.map(({ at, truth }) => Math.abs(at - truth))

const timesOf = (records: readonly NakamaRecord[]): number[] =>
  records.flatMap(record =>
    record.type === 'samples' ? record.at : record.type === 'state' ? [record.at, record.since] : [record.at],
  )

const NTP = 'clock: { synchronised: { file: NTP } }\n'
const ALWAYS = 'clock: { synchronised: always }\n'

describe.concurrent('an agent without a clock battery', () => {
  it.each([
    ['at 2000-01-01', () => Date.UTC(2000, 0, 1) - Date.now(), NTP],
    ['three hours slow', () => -3 * HOUR_MS, NTP],
    ['at 2000-01-01 with everybody vouching for it', () => Date.UTC(2000, 0, 1) - Date.now(), ALWAYS],
  ])(
    '%s stamps every reading right to a second once the time is known, and none before',
    async (_what, offset, yaml) => {
      const cleanups: (() => Promise<void>)[] = []
      try {
        const path = await startPath(cleanup => cleanups.push(cleanup), yaml)
        const clock = { offsetMs: offset() }
        await path.start(clock, 'aaaaaaaaaaaa', performance.now() - 5_000)
        await until(() => expect(path.servedAt.length).toBeGreaterThan(25))
        await until(() =>
          expect(statusesOf(path.broker, AGENT).at(-1)).toMatchObject({ clock: { synchronised: false } }),
        )
        expect(path.ingest.stored).toEqual([])
        clock.offsetMs = 0
        await path.synchronise()
        const before = path.servedAt.length
        await until(() => expect(path.rows().length).toBeGreaterThan(before + 20))
        expect(path.rows().map(({ tick }) => tick)).toEqual(path.rows().map((_, i) => i + 1))
        expect(Math.max(...errorsOf(path.rows()))).toBeLessThan(1_000)
        expect(timesOf(path.ingest.records()).filter(isBootTime)).toEqual([])
        expect(statusesOf(path.broker, AGENT).at(-1)).toMatchObject({ clock: { synchronised: true } })
        const since = Object.values((statusesOf(path.broker, AGENT).at(-1) as { machines: object }).machines)[0].since
        expect(Math.abs(since - (path.servedAt[0] as number))).toBeLessThan(1_000)
      } finally {
        for (const cleanup of cleanups.toReversed()) await cleanup()
      }
    },
  )

  it('learns the time from ingest when nobody else tells it for long enough', async ({ onTestFinished }) => {
    const path = await startPath(onTestFinished, 'clock: { synchronised: { file: NTP }, askAfterMs: 1000 }\n')
    await path.start({ offsetMs: -3 * HOUR_MS }, 'aaaaaaaaaaaa', performance.now() - 5_000)
    await until(() => expect(path.rows().length).toBeGreaterThan(20))
    expect(path.ingest.questions).toBeGreaterThan(0)
    expect(Math.max(...errorsOf(path.rows()))).toBeLessThan(1_000)
    expect(path.rows()[0]?.tick).toBe(1)
  })

  it('keeps its cadence over steps of an hour, and follows them with later readings only', async ({
    onTestFinished,
  }) => {
    const path = await startPath(onTestFinished, ALWAYS)
    const clock = { offsetMs: 0 }
    await path.start(clock, 'aaaaaaaaaaaa', performance.now())
    for (const offsetMs of [HOUR_MS, 0]) {
      const served = path.servedAt.length
      await until(() => expect(path.servedAt.length).toBeGreaterThan(served + 20))
      clock.offsetMs = offsetMs
    }
    const served = path.servedAt.length
    await until(() => expect(path.servedAt.length).toBeGreaterThan(served + 20))
    const spanMs = (path.servedAt.at(-1) as number) - (path.servedAt[0] as number)
    expect(Math.abs(spanMs / (path.servedAt.length - 1) - POLL_MS)).toBeLessThan(POLL_MS / 10)
    await until(() => expect(path.rows().length).toBeGreaterThan(served))
    const offsets = path.rows().map(({ at, truth }) => Math.round((at - truth) / HOUR_MS))
    expect(offsets.filter((offset, i) => offset !== offsets[i - 1])).toEqual([0, 1, 0])
    const drifts = path.rows().map(({ at, truth }, i) => Math.abs(at - truth - (offsets[i] as number) * HOUR_MS))
    expect(Math.max(...drifts)).toBeLessThan(1_000)
    expect(path.ingest.records().filter(record => record.type === 'state' && record.code === 'OFFLINE')).toEqual([])
  })

  it('that never knew the time leaves flagged readings with bounds, which hold nothing up', async ({
    onTestFinished,
  }) => {
    const path = await startPath(onTestFinished, NTP)
    const dark = await path.start({ offsetMs: -3 * HOUR_MS }, 'aaaaaaaaaaaa', performance.now() - 5_000)
    await until(() => expect(path.servedAt.length).toBeGreaterThan(15))
    await dark.stop()
    expect(path.ingest.stored).toEqual([])
    const lastDark = path.servedAt.length
    await path.synchronise()
    const bootedAt = Date.now()
    await path.start({ offsetMs: 0 }, 'bbbbbbbbbbbb', performance.now())
    await until(() => expect(path.rows().filter(({ tick }) => tick > lastDark).length).toBeGreaterThan(5))
    const flagged = path.ingest.stored.filter(batch => batch.unsynchronised !== undefined)
    expect(flagged.length).toBeGreaterThan(0)
    for (const { unsynchronised, records } of flagged) {
      expect(timesOf(records as NakamaRecord[]).every(isBootTime)).toBe(true)
      expect(Math.abs((unsynchronised?.to as number) - bootedAt)).toBeLessThan(1_000)
      expect(unsynchronised?.from).toBeLessThan(unsynchronised?.to as number)
    }
    const live = path.rows().filter(({ tick }) => tick > lastDark)
    expect(Math.max(...errorsOf(live))).toBeLessThan(1_000)
  })

  it('restarted in the same boot, before it knows the time, tells all of it once it does', async ({
    onTestFinished,
  }) => {
    const path = await startPath(onTestFinished, NTP)
    const bootedAt = performance.now() - 5_000
    const clock = { offsetMs: -3 * HOUR_MS }
    const first = await path.start(clock, 'aaaaaaaaaaaa', bootedAt)
    await until(() => expect(path.servedAt.length).toBeGreaterThan(10))
    await first.stop()
    await path.start(clock, 'aaaaaaaaaaaa', bootedAt)
    const served = path.servedAt.length
    await until(() => expect(path.servedAt.length).toBeGreaterThan(served + 10))
    clock.offsetMs = 0
    await path.synchronise()
    await until(() => expect(path.rows().length).toBeGreaterThan(served + 20))
    expect(Math.max(...errorsOf(path.rows()))).toBeLessThan(1_000)
    const [start, gap] = path.ingest.records().filter(record => record.type === 'gap')
    expect(start).toMatchObject({ machine: 'lathe-1', why: 'journal-new' })
    expect(gap).toMatchObject({ machine: 'lathe-1', why: 'agent-stopped' })
    expect(timesOf(path.ingest.records()).filter(isBootTime)).toEqual([])
    expect(isBootTime((gap as { from: number }).from)).toBe(false)
  })
})

describe('the time', () => {
  it('is the boot’s own until somebody is believed', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e11, noNaN: true }),
        fc.integer({ min: 0 }),
        fc.integer(),
        (since, shiftMs, wall) => {
          expect(isBootTime(timeBy({ by: 'nobody' }, wall, since))).toBe(true)
          expect(timeBy({ by: 'ingest', shiftMs }, wall, since)).toBe(Math.floor(BOOT_TIME_ZERO + since + shiftMs))
          expect(timeBy({ by: 'system' }, wall, since)).toBe(wall)
        },
      ),
    )
  })

  it('is not real before the shift is durable, and stays so once it is', async () => {
    let isRight = false
    let isDurable = false
    let bootShiftMs: number | undefined
    const wall = Date.UTC(2026, 0, 1)
    const clock = await openAgentClock({
      ...{ sinceBootMs: () => 5_000, wall: () => wall, monotonic: () => 0 },
      isSynchronised: async () => isRight,
      askAfterMs: 0,
      log: SILENT,
    })
    await clock.keepWith({
      get bootShiftMs() {
        return bootShiftMs
      },
      keepBootShift: async shiftMs => {
        if (isDurable) bootShiftMs ??= shiftMs
        return isDurable
      },
    })
    isRight = true
    await clock.look()
    expect([clock.synchronised, clock.now()]).toEqual([false, BOOT_TIME_ZERO + 5_000])
    isDurable = true
    await clock.look()
    expect([clock.synchronised, clock.now(), bootShiftMs]).toEqual([true, wall, wall - BOOT_TIME_ZERO - 5_000])
    isRight = false
    await clock.look()
    expect(clock.now()).toBe(wall)
  })

  it('is never one from before Nakama was made, whoever tells it, now or later', async () => {
    const times = { since: 5_000, wall: REAL_TIME_BEGIN - 1, monotonic: 0 }
    let bootShiftMs: number | undefined
    const clock = await openAgentClock({
      ...{ sinceBootMs: () => times.since, wall: () => times.wall, monotonic: () => times.monotonic },
      isSynchronised: async () => true,
      askAfterMs: 0,
      log: SILENT,
    })
    await clock.keepWith({
      get bootShiftMs() {
        return bootShiftMs
      },
      keepBootShift: async shiftMs => {
        bootShiftMs = shiftMs
        return true
      },
    })
    await clock.look()
    for (const time of [0, BOOT_TIME_ZERO + 1_000, REAL_TIME_BEGIN - 1]) clock.hear(time, times.monotonic)
    await clock.look()
    expect([clock.synchronised, clock.isAsking, clock.now(), bootShiftMs]).toEqual([
      ...[false, true, BOOT_TIME_ZERO + 5_000, undefined],
    ])
    times.wall = REAL_TIME_BEGIN
    await clock.look()
    expect([clock.synchronised, clock.now(), bootShiftMs]).toEqual([
      ...[true, REAL_TIME_BEGIN, REAL_TIME_BEGIN - BOOT_TIME_ZERO - 5_000],
    ])
    Object.assign(times, { since: 8_000, wall: BOOT_TIME_ZERO })
    await clock.look()
    expect(clock.now()).toBe(REAL_TIME_BEGIN + 3_000)
  })

  it('is right when chrony says that it follows a source', () => {
    const line = (leap: string): string => `C0A80101,192.168.1.1,3,1764000000.1,0.0001,0,0,1,2,3,0.1,0.2,64.0,${leap}\n`
    expect(isTracking(line('Normal'))).toBe(true)
    expect([line('Not synchronised'), '', '\n'].map(isTracking)).toEqual([false, false, false])
  })
})
