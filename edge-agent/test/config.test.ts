import { formatProblem, validator } from '@nakama/contract'
import { describe, expect, it } from 'vitest'
import { AgentConfig, type MachineConfig, type SignalConfig } from '../src/config.ts'
import { checkAgentConfig } from '../src/config-sense.ts'
import { resolveSettings } from '../src/settings.ts'

const MACHINE: MachineConfig = {
  id: 'lathe-1',
  kind: 'nc-lathe',
  name: '旋盤1号機',
  source: { type: 'modbus-tcp', host: '192.168.1.10' },
  signals: {
    power: { area: 'coil', address: 0 },
    executing: { area: 'coil', address: 1 },
    alarm: { area: 'holding-register', address: 5, type: 'bit', bit: 3 },
    speed: { area: 'input-register', address: 7, type: 'uint32', scale: 0.1 },
  },
  presets: ['cnc-bits'],
  samples: ['speed'],
}
const SERIAL = { type: 'modbus-rtu', path: '/dev/serial/by-id/usb-a', unit: 1 } as const
const withSpeed = (speed: Partial<SignalConfig>): MachineConfig => ({
  ...MACHINE,
  signals: { ...MACHINE.signals, speed: { area: 'input-register', address: 7, ...speed } },
})
const OPCUA: MachineConfig = {
  id: 'mill-1',
  kind: 'vertical-mc',
  name: '立形MC',
  source: { type: 'opcua', endpoint: 'opc.tcp://mill:4840/UA' },
  signals: { on: { node: 'nsu=urn:mill;s=On' } },
  rules: { running: [{ signal: 'on', is: true }], idle: [{ signal: 'on', is: false }] },
}

const config = (...machines: object[]): AgentConfig => ({
  shop: 'tanaka',
  agent: 'pi-1',
  broker: { url: 'mqtt://broker', username: 'agent:tanaka:pi-1', password: { file: 'password' } },
  http: { host: '127.0.0.1', port: 0 },
  dataDir: 'data',
  machines: machines as MachineConfig[],
})
const problemsOf = (...machines: object[]): string[] => checkAgentConfig(config(...machines)).map(formatProblem)

describe('a good configuration', () => {
  it('is good', () => {
    expect(validator(AgentConfig).check(config(MACHINE, OPCUA))).toMatchObject({ ok: true })
    expect(problemsOf(MACHINE, OPCUA)).toEqual([])
  })

  it('says little: the rest has defaults', () => {
    const settings = resolveSettings(config(MACHINE, OPCUA))
    expect(settings).toMatchObject({ sharing: { level: 'availability', telemetry: false }, configRev: 0 })
    expect(settings.machines[0]).toMatchObject({
      source: { bus: { port: 502, framing: 'mbap' }, unit: 1, pollMs: 1_000, timeoutMs: 1_000, dutyMax: 0.5 },
      timing: { idleAfterMs: 300_000, runningGapMs: 10_000, offlineAfterMs: 30_000, heartbeatMs: 300_000 },
    })
    const sampled = { ...MACHINE, samples: [{ signal: 'speed', deadband: 5 }] }
    expect(resolveSettings(config(sampled)).machines[0]?.samples).toEqual([
      { signal: 'speed', exceptions: { deadband: 5, deadbandPercent: 0, minIntervalMs: 0, maxIntervalMs: 60_000 } },
    ])
    const slow = resolveSettings(config({ ...MACHINE, source: { ...MACHINE.source, pollMs: 20_000 } }))
    expect(slow.machines[0]?.timing.offlineAfterMs).toBe(60_000)
  })
})

describe('Modbus', () => {
  it('over a serial line is what a new device speaks, unless told', () => {
    expect(problemsOf({ ...MACHINE, source: SERIAL })).toEqual([])
    const [machine] = resolveSettings(config({ ...MACHINE, source: SERIAL })).machines
    const { path } = SERIAL
    expect(machine?.source).toMatchObject({
      bus: { transport: 'serial', path, baudRate: 19_200, parity: 'even', stopBits: 1 },
    })
  })

  it('has quirks that can be told', () => {
    const source = {
      ...{
        type: 'modbus-rtu-tcp',
        host: 'gateway',
        port: 4_001,
        unit: 7,
        connection: 'own',
        pauseMs: 20,
        dutyMax: 0.2,
      },
      ...{ maxRegisters: 32, maxBits: 100, maxHole: 0, oneSignalPerRequest: true },
    }
    const machine = { ...withSpeed({ type: 'int64', order: 'CDABGHEF', everyMs: 5_000 }), source }
    expect(validator(AgentConfig).check(config(machine))).toMatchObject({ ok: true })
    expect(problemsOf(machine)).toEqual([])
    expect(resolveSettings(config(machine)).machines[0]?.source).toMatchObject({
      ...{ bus: { framing: 'rtu', port: 4_001 }, ownConnection: true, pauseMs: 20, dutyMax: 0.2 },
      limits: { maxRegisters: 32, maxBits: 100, maxHole: 0, oneSignalPerRequest: true },
      signals: expect.arrayContaining([
        expect.objectContaining({ name: 'speed', width: 4, every: 5, order: 'CDABGHEF' }),
      ]),
    })
  })

  it('counters run over where their type ends', () => {
    const range = (speed: Partial<SignalConfig>): number | undefined =>
      resolveSettings(config({ ...withSpeed(speed), counter: 'speed' })).machines[0]?.counter?.range
    expect(range({})).toBe(65_536)
    expect(range({ type: 'uint32' })).toBe(2 ** 32)
    expect(range({ type: 'bcd16' })).toBe(10_000)
    expect(range({ type: 'bcd32' })).toBe(100_000_000)
  })
})

describe('what a schema cannot see', () => {
  const { signals } = MACHINE
  it.each([
    ['two machines of one name', [MACHINE, { ...OPCUA, id: 'lathe-1' }], 'machines.1.id'],
    ['a source without its host', [{ ...MACHINE, source: { type: 'modbus-tcp' } }], 'machines.0.source.host'],
    [
      'a setting of the other protocol',
      [{ ...MACHINE, source: { ...MACHINE.source, endpoint: 'opc.tcp://x' } }],
      'machines.0.source.endpoint',
    ],
    [
      'a signal of the other protocol',
      [{ ...OPCUA, signals: { on: { area: 'coil', address: 1 } } }],
      'machines.0.signals.on.node',
    ],
    [
      'a coil that is a number',
      [{ ...MACHINE, signals: { ...signals, power: { area: 'coil', address: 0, type: 'uint16' } } }],
      'machines.0.signals.power.type',
    ],
    [
      'a bit of a register without its place',
      [{ ...MACHINE, signals: { ...signals, alarm: { area: 'holding-register', address: 5, type: 'bit' } } }],
      'machines.0.signals.alarm.bit',
    ],
    [
      'a bit with a scale',
      [{ ...MACHINE, signals: { ...signals, power: { area: 'coil', address: 0, scale: 2 } } }],
      'machines.0.signals.power.scale',
    ],
    [
      'a number that ends beyond the last register',
      [{ ...MACHINE, signals: { ...signals, speed: { area: 'input-register', address: 65_535, type: 'int32' } } }],
      'machines.0.signals.speed.address',
    ],
    [
      'a serial line without its path',
      [{ ...MACHINE, source: { type: 'modbus-rtu', unit: 1 } }],
      'machines.0.source.path',
    ],
    [
      'a host for a serial line',
      [{ ...MACHINE, source: { ...SERIAL, host: '192.168.1.10' } }],
      'machines.0.source.host',
    ],
    ['the unit that is everybody', [{ ...MACHINE, source: { ...SERIAL, unit: 0 } }], 'machines.0.source.unit'],
    [
      'two speeds on one line',
      [
        { ...MACHINE, source: SERIAL },
        { ...MACHINE, id: 'lathe-2', source: { ...SERIAL, unit: 2, baudRate: 9_600 } },
      ],
      'machines.1.source',
    ],
    [
      'two protocols at one port',
      [MACHINE, { ...MACHINE, id: 'lathe-2', source: { ...MACHINE.source, type: 'modbus-rtu-tcp' } }],
      'machines.1.source',
    ],
    ['a text without its length', [withSpeed({ type: 'string' })], 'machines.0.signals.speed.registers'],
    ['a number with a length', [withSpeed({ type: 'uint16', registers: 3 })], 'machines.0.signals.speed.registers'],
    ['a text with a scale', [withSpeed({ type: 'string', registers: 4, scale: 2 })], 'machines.0.signals.speed.scale'],
    [
      'an order of eight for four octets',
      [withSpeed({ type: 'uint32', order: 'HGFEDCBA' })],
      'machines.0.signals.speed.order',
    ],
    [
      'an order for one bit',
      [{ ...MACHINE, signals: { ...signals, power: { area: 'coil', address: 0, order: 'DCBA' } } }],
      'machines.0.signals.power.order',
    ],
    [
      'a field that one request cannot hold',
      [{ ...withSpeed({ type: 'float64' }), source: { ...MACHINE.source, maxRegisters: 3 } }],
      'machines.0.signals.speed',
    ],
    ['a rate between two polls', [withSpeed({ everyMs: 2_500 })], 'machines.0.signals.speed.everyMs'],
    [
      'a slow signal that decides the state',
      [{ ...MACHINE, signals: { ...signals, power: { area: 'coil', address: 0, everyMs: 5_000 } } }],
      'machines.0.signals.power.everyMs',
    ],
    [
      'a rule about no signal of the machine',
      [{ ...MACHINE, rules: { alarm: [{ any: [{ signal: 'emergncyStop', is: true }] }] } }],
      'machines.0.rules.alarm.0.any.0.signal',
    ],
    [
      'a condition that is two',
      [{ ...MACHINE, rules: { alarm: [{ signal: 'alarm', is: true, not: { signal: 'power', is: true } }] } }],
      'machines.0.rules.alarm.0',
    ],
    [
      'a condition that compares with nothing',
      [{ ...MACHINE, rules: { alarm: [{ signal: 'alarm' }] } }],
      'machines.0.rules.alarm.0',
    ],
    ['a signal that nobody uses', [{ ...MACHINE, samples: [] }], 'machines.0.signals.speed'],
    ['a signal sampled twice', [{ ...MACHINE, samples: ['speed', { signal: 'speed' }] }], 'machines.0.samples.1'],
    [
      'a shortest interval that is longer than the longest',
      [{ ...MACHINE, samples: [{ signal: 'speed', minIntervalMs: 61_000 }] }],
      'machines.0.samples.0.minIntervalMs',
    ],
    ['a sample of no signal', [{ ...MACHINE, samples: ['speed', 'load'] }], 'machines.0.samples'],
    ['a counter of no signal', [{ ...MACHINE, counter: 'parts' }], 'machines.0.counter'],
    ['no signals', [{ ...OPCUA, signals: {} }], 'machines.0.signals'],
    [
      'a node that is said twice',
      [{ ...OPCUA, signals: { on: { node: 's=on', path: 'Monitoring/On' } } }],
      'machines.0.signals.on.node',
    ],
    [
      'a password that would travel in the clear',
      [{ ...OPCUA, source: { ...OPCUA.source, identity: { username: 'u', password: { file: 'p' } } } }],
      'machines.0.source.identity',
    ],
    [
      'trust without security',
      [{ ...OPCUA, source: { ...OPCUA.source, trust: 'first-use' } }],
      'machines.0.source.trust',
    ],
    [
      'a policy without security',
      [{ ...OPCUA, source: { ...OPCUA.source, security: { mode: 'none', policy: 'Basic256Sha256' } } }],
      'machines.0.source.security.policy',
    ],
    ['a preset of another protocol', [{ ...MACHINE, presets: ['cnc-bits', 'machinery'] }], 'machines.0.presets'],
    ['a machine that can never run', [{ ...OPCUA, rules: { idle: OPCUA.rules?.idle } }], 'machines.0.rules.running'],
    ['a preset without its signal', [{ ...OPCUA, presets: ['mtconnect'] }], 'machines.0.signals.execution'],
    ['a preset without its numbers', [{ ...OPCUA, presets: ['motor-current'] }], 'machines.0.motor'],
    ['numbers without their preset', [{ ...OPCUA, motor: { runningAboveA: 3 } }], 'machines.0.motor'],
    ['lamps without their preset', [{ ...OPCUA, lamps: { alarm: ['red'] } }], 'machines.0.lamps'],
    [
      'a machine that is OFFLINE between two polls',
      [{ ...OPCUA, source: { ...OPCUA.source, pollMs: 1_000 }, timing: { offlineAfterMs: 2_999 } }],
      'machines.0.timing.offlineAfterMs',
    ],
  ])('is found: %s', (_what, machines, path) => {
    // What is looked at here is what the schema lets through.
    expect(validator(AgentConfig).check(config(...machines))).toMatchObject({ ok: true })
    expect(problemsOf(...machines).map(line => line.split(':')[0])).toContain(path)
  })
})
