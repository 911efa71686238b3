import { checkRecord, type NakamaRecord } from '@nakama/contract'
import fc from 'fast-check'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import type { AgentConfig, MachineConfig, SampleConfig } from '../src/config.ts'
import { checkAgentConfig } from '../src/config-sense.ts'
import { openMachines } from '../src/machines.ts'
import { resolveSettings } from '../src/settings.ts'
import { mayLeave, SHARING_LEVELS, statusMachines } from '../src/sharing.ts'
import type { Value } from '../src/sources/source.ts'
import { MACHINE_TOOLS, MACHINERY } from '../src/state/presets-opcua.ts'
import type { Condition } from '../src/state/rules.ts'

describe('sharing', () => {
  const about = { machine: 'm', kind: 'laser' } as const
  const records: NakamaRecord[] = [
    { type: 'profile', at: 1, ...about, name: 'x' },
    { type: 'state', at: 1, ...about, code: 'IDLE', since: 1 },
    { type: 'samples', ...about, at: [1], signals: { a: [1] } },
    { type: 'count', at: 1, ...about, parts: 1, total: 1 },
    { type: 'gap', at: 1, machine: 'm', from: 0, to: 1, what: 'all', why: 'agent-stopped' },
    { type: 'gap', at: 1, machine: null, from: 0, to: 1, what: 'samples', why: 'journal-full' },
  ]
  const leaving = (level: 'private' | 'aggregate' | 'availability' | 'named', telemetry: boolean) =>
    records.filter(record => mayLeave({ level, telemetry }, record)).map(record => record.type)
  const machines = { m: { kind: 'laser', name: 'x', code: 'IDLE', since: 1 } } as const

  it('lets nothing of a machine leave a private shop, with or without telemetry', () => {
    for (const telemetry of [true, false]) {
      expect(leaving('private', telemetry)).toEqual(['gap'])
      expect(statusMachines({ level: 'private', telemetry }, machines)).toEqual({})
    }
  })

  it('lets counts and samples leave only with telemetry', () => {
    for (const level of ['aggregate', 'availability', 'named'] as const) {
      expect(leaving(level, false)).toEqual(['profile', 'state', 'gap', 'gap'])
      expect(leaving(level, true)).toEqual(records.map(record => record.type))
      expect(statusMachines({ level, telemetry: false }, machines)).toEqual(machines)
    }
  })
})

/** Texts that machines show, and that are nobody else's business. */
const SECRETS = ['O1234 SECRET (IMPELLER ACME)', 'SECRET: COOLANT LOW', 'SECRET'] as const
const SIGNALS = ['program', 'comment', 'alarmText', 'parts', 'load', 'on'] as const
/** What the presets for OPC UA bring along, which a control may fill with whatever it likes. */
const BROUGHT = MACHINE_TOOLS.signals?.map(({ name }) => name) ?? []

const value: fc.Arbitrary<Value> = fc.oneof(
  fc.constantFrom(...SECRETS),
  fc.constant(null),
  fc.boolean(),
  fc.integer({ min: -10, max: 100_000 }),
  fc.double(),
)
const signal = fc.constantFrom(...SIGNALS, ...BROUGHT)
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ signal, is: fc.oneof(fc.constantFrom(...SECRETS), fc.boolean(), fc.integer({ min: 0, max: 9 })) }),
  fc.record({ signal, above: fc.integer({ min: 0, max: 100 }) }),
  signal.map(name => ({ not: { signal: name, is: SECRETS[0] } })),
)
const rules = fc.record({
  alarm: fc.array(condition, { maxLength: 2 }),
  running: fc.array(condition, { minLength: 1, maxLength: 3 }),
  idle: fc.array(condition, { minLength: 1, maxLength: 3 }),
})
const sample: fc.Arbitrary<SampleConfig> = fc.oneof(
  signal,
  fc.record({ signal, deadband: fc.double({ min: 0, max: 10, noNaN: true }) }),
)
const config: fc.Arbitrary<AgentConfig> = fc
  .record({
    sharing: fc.constantFrom(...SHARING_LEVELS),
    telemetry: fc.boolean(),
    rules,
    // All of them are used, so that none is refused as useless.
    samples: fc.uniqueArray(sample, { selector: one => (typeof one === 'string' ? one : one.signal), minLength: 1 }),
    counter: signal,
  })
  .map(({ sharing, telemetry, ...machine }) => ({
    ...{ shop: 'tanaka', agent: 'pi-1', http: { host: '127.0.0.1', port: 0 }, dataDir: 'data', sharing, telemetry },
    broker: { url: 'mqtt://broker', username: 'agent:tanaka:pi-1', password: { file: 'password' } },
    machines: [
      {
        ...{ id: 'mill-1', kind: 'vertical-mc', name: '立形MC', ...machine },
        ...{ source: { type: 'opcua', endpoint: 'opc.tcp://mill:4840' }, presets: ['machine-tools'] },
        signals: Object.fromEntries(SIGNALS.map(name => [name, { node: `nsu=urn:mill;s=${name}` }])),
      },
    ] as MachineConfig[],
  }))
const reading = fc.record(
  Object.fromEntries([...SIGNALS, ...BROUGHT].map(name => [name, value])) as { [name: string]: typeof value },
)
const happening = fc.oneof(
  { weight: 8, arbitrary: reading },
  fc.constantFrom('fail' as const, 'silence' as const, 'step' as const, 'say-again' as const),
)

it('no preset looks at the name of a program, a comment or an alarm text', () => {
  const paths = [MACHINERY, MACHINE_TOOLS].flatMap(({ signals = [] }) => signals.flatMap(one => one.paths))
  expect(paths.length).toBeGreaterThan(10)
  for (const path of paths) expect(path).not.toMatch(/name|comment|notification|message|alert|job|part/i)
})

describe('whatever the configuration says and the machine shows', () => {
  it('no program name, comment or alarm text leaves the process, and nothing that the level forbids', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(config, fc.array(happening, { maxLength: 30 }), (of, life) => {
        // Only that a signal has no use may be wrong with such a configuration.
        expect(checkAgentConfig(of).filter(({ path }) => !path.includes('.signals.'))).toEqual([])
        const { sharing, machines } = resolveSettings(of)
        const left: NakamaRecord[] = []
        let now = 1_700_000_000_000
        const agent = openMachines({
          ...{ machines, sharing, knownUntil: () => now - 60_000, now: () => now, log: pino({ level: 'silent' }) },
          append: record => left.push(record),
          onStateChanged: () => {},
        })
        for (const what of life) {
          now += 1_000
          if (what === 'fail') agent.failure('mill-1', { kind: 'protocol', message: SECRETS[0] })
          else if (what === 'silence') now += 60_000
          else if (what === 'step') agent.clockStepped(5_000)
          else if (what === 'say-again') agent.sayAgain()
          else agent.reading('mill-1', { at: now, values: what })
          agent.tick()
        }
        agent.stop()
        const status = statusMachines(sharing, agent.status())
        expect(JSON.stringify([left, status])).not.toContain('SECRET')
        for (const record of left) expect(checkRecord(record)).toMatchObject({ ok: true })
        const types = new Set(left.map(({ type }) => type))
        for (const type of types) seen.add(type)
        if (!sharing.telemetry) for (const type of ['count', 'samples'] as const) expect(types).not.toContain(type)
        if (sharing.level === 'private') expect([[...types], status]).toEqual([[], {}])
        for (const machine of Object.values(status)) {
          expect(Object.keys(machine).toSorted()).toEqual(['code', 'kind', 'name', 'since'])
        }
      }),
      { numRuns: 400 },
    )
    // What is never made cannot be held back.
    expect([...seen].toSorted()).toEqual(['count', 'gap', 'profile', 'samples', 'state'])
  })
})
