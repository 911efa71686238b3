import { BOOT_TIME_ZERO, checkRecord, type NakamaRecord } from '@nakama/contract'
import { describe, expect, it } from 'vitest'
import { type MachineInput, startMachine, stateNow, stepMachine } from '../src/machine.ts'
import { DEFAULT_TIMING, type MachineSettings } from '../src/settings.ts'
import type { Values } from '../src/sources/source.ts'

const { pollMs: _, ...durations } = DEFAULT_TIMING
const MACHINE: MachineSettings = {
  id: 'lathe-1',
  kind: 'nc-lathe',
  name: '旋盤1号機',
  source: {
    ...{ type: 'opcua', endpoint: 'opc.tcp://h', pollMs: 1_000, publishMs: 500, signals: [] },
    ...{ security: { mode: 'none', policy: undefined }, trust: 'by-hand', identity: undefined, machine: undefined },
  },
  rules: { running: [{ signal: 'on', is: true }], idle: [{ signal: 'on', is: false }] },
  timing: { ...durations, heartbeatMs: 300_000 },
  counter: { signal: 'parts', range: 2 ** 32 },
  samples: [{ signal: 'speed', exceptions: undefined }],
}
const T = 1_700_000_000_000

const run = (
  knownUntil: number | undefined,
  inputs: readonly (readonly [number, MachineInput])[],
  machine = MACHINE,
) => {
  let state = startMachine(T, knownUntil)
  const records: NakamaRecord[] = []
  for (const [at, input] of inputs) {
    const next = stepMachine(machine, state, input, T + at)
    state = next.state
    records.push(...next.records)
  }
  for (const record of records) expect(checkRecord(record)).toMatchObject({ ok: true })
  return { records, state }
}
const read = (at: number, values: Values): readonly [number, MachineInput] => [
  at,
  { type: 'reading', reading: { at: T + at, values } },
]
const tick = (at: number): readonly [number, MachineInput] => [at, { type: 'tick' }]
const who = { machine: 'lathe-1', kind: 'nc-lathe' } as const

describe('the first words of an epoch', () => {
  const profile = { type: 'profile', at: T + 400, ...who, name: '旋盤1号機' }
  const state = { type: 'state', at: T + 400, ...who, code: 'RUNNING', since: T + 400 }

  it('are on a fresh card that nobody knows what was before, then profile and state', () =>
    expect(run(undefined, [tick(0), read(400, { on: true })]).records).toEqual([
      { type: 'gap', at: T + 400, machine: 'lathe-1', from: T + 400, to: T + 400, what: 'all', why: 'journal-new' },
      profile,
      state,
    ]))

  it('know nothing of before the OFFLINE of a machine that does not answer a fresh card', () => {
    const { records } = run(undefined, [tick(0), tick(30_000)])
    expect(records[0]).toMatchObject({ why: 'journal-new', from: T, to: T })
    expect(records[2]).toMatchObject({ code: 'OFFLINE', since: T })
  })

  it('are the gap since the former epoch, then profile and state', () =>
    expect(run(T - 60_000, [tick(0), read(400, { on: true }), read(900, { on: true })]).records).toEqual([
      {
        type: 'gap',
        at: T + 400,
        machine: 'lathe-1',
        from: T - 60_000,
        to: T + 400,
        what: 'all',
        why: 'agent-stopped',
      },
      profile,
      state,
    ]))

  it('are the gap even where the time is not known yet, and a former life of the same boot moves with its clock', () => {
    const before = startMachine(BOOT_TIME_ZERO + 1_000, T)
    const reading = { type: 'reading', reading: { at: BOOT_TIME_ZERO + 2_000, values: { on: true } } } as const
    const { records } = stepMachine(MACHINE, before, reading, BOOT_TIME_ZERO + 2_000)
    expect(records[0]).toMatchObject({ type: 'gap', from: T, to: BOOT_TIME_ZERO + 2_000 })
    const byMs = T - BOOT_TIME_ZERO
    const dark = startMachine(BOOT_TIME_ZERO + 3_000, BOOT_TIME_ZERO + 2_000)
    const stepped = stepMachine(MACHINE, dark, { type: 'clock-stepped', byMs }, 0)
    const known = stepMachine(
      MACHINE,
      stepped.state,
      { ...reading, reading: { at: T + 4_000, values: { on: true } } },
      T + 4_000,
    )
    expect(known.records[0]).toMatchObject({ type: 'gap', from: T + 2_000, to: T + 4_000 })
  })

  it('come with OFFLINE when the machine does not answer, and only once', () => {
    const { records } = run(T - 60_000, [tick(0), tick(29_999), tick(30_000), read(40_000, { on: true })])
    expect(records.map(record => record.type)).toEqual(['gap', 'profile', 'state', 'state'])
    expect(records[0]).toMatchObject({ from: T - 60_000, to: T + 30_000 })
    expect(records[2]).toMatchObject({ code: 'OFFLINE', since: T, at: T + 30_000 })
  })

  it('tell no gap that would end before it began, after a clock that went back', () =>
    expect(run(T + 3_600_000, [read(400, { on: true })]).records.map(record => record.type)).toEqual([
      'profile',
      'state',
    ]))
})

it('is OFFLINE until somebody knows better', () => {
  expect(stateNow(run(undefined, [tick(100)]).state)).toEqual({ code: 'OFFLINE', since: T })
  expect(stateNow(run(undefined, [read(100, { on: false })]).state)).toEqual({ code: 'IDLE', since: T + 100 })
})

it('records parts and samples with each reading', () => {
  const { records } = run(undefined, [
    read(0, { on: true, parts: 10, speed: 1_500 }),
    read(1_000, { on: true, parts: 11, speed: null }),
    read(2_000, { on: true, parts: 11, speed: 1_400 }),
  ])
  expect(records.slice(3)).toEqual([
    { type: 'samples', ...who, at: [T], signals: { speed: [1_500] } },
    { type: 'count', at: T + 1_000, ...who, parts: 1, total: 11 },
    { type: 'samples', ...who, at: [T + 2_000], signals: { speed: [1_400] } },
  ])
})

it('records the first value anew after an outage, a step of the clock, and for a new database, though it has not changed', () => {
  const exceptions = { deadband: 1, deadbandPercent: 0, minIntervalMs: 0, maxIntervalMs: 3_600_000 }
  const { records } = run(
    undefined,
    [
      ...[read(0, { on: true, speed: 5 }), read(1_000, { on: true, speed: 5 })],
      ...[tick(31_000), read(32_000, { on: true, speed: 5 }), read(33_000, { on: true, speed: 5 })],
      ...[[34_000, { type: 'clock-stepped', byMs: 1_000 }] as const, read(35_000, { on: true, speed: 5 })],
      ...[[36_000, { type: 'say-again' }] as const, read(37_000, { on: true, speed: 5 })],
      read(38_000, { on: true, speed: 5 }),
    ],
    { ...MACHINE, samples: [{ signal: 'speed', exceptions }] },
  )
  const sampledAt = records.flatMap(record => (record.type === 'samples' ? record.at : []))
  expect(sampledAt).toEqual([0, 32_000, 35_000, 37_000].map(ms => T + ms))
})

describe('the last word', () => {
  it('says up to when the state is known, so that the gap is as long as the restart', () =>
    expect(
      run(undefined, [read(0, { on: true }), read(20_000, { on: true }), [25_000, { type: 'stop' }]]).records.at(-1),
    ).toEqual({ type: 'state', at: T + 20_000, ...who, code: 'RUNNING', since: T } satisfies NakamaRecord))

  it('is none for a machine of which nothing new is known', () => {
    expect(run(undefined, [read(0, { on: true }), [1_000, { type: 'stop' }]]).records).toHaveLength(3)
    expect(run(undefined, [tick(30_000), [31_000, { type: 'stop' }]]).records).toHaveLength(3)
    expect(run(undefined, [[1_000, { type: 'stop' }]]).records).toHaveLength(0)
  })
})

it('says profile and state again when asked, OFFLINE too', () => {
  const running = run(undefined, [read(0, { on: true }), read(3_000, { on: true }), [3_500, { type: 'say-again' }]])
  expect(running.records.slice(3)).toMatchObject([
    { type: 'profile', at: T + 3_500 },
    { type: 'state', code: 'RUNNING', since: T, at: T + 3_000 },
  ])
  const silent = run(undefined, [tick(30_000), [35_000, { type: 'say-again' }]])
  expect(silent.records.slice(3)).toMatchObject([{ type: 'profile' }, { code: 'OFFLINE', at: T + 35_000 }])
  expect(run(undefined, [[35_000, { type: 'say-again' }]]).records).toEqual([])
})
