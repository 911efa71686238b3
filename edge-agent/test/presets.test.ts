import { describe, expect, it } from 'vitest'
import type { MachineConfig } from '../src/config.ts'
import { rulesOf } from '../src/settings.ts'
import type { Values } from '../src/sources/source.ts'
import { evaluate } from '../src/state/rules.ts'

const machine = (config: Partial<MachineConfig>, signals: readonly string[]): MachineConfig => ({
  id: 'm',
  kind: 'nc-lathe',
  name: 'm',
  source: { type: 'opcua', endpoint: 'opc.tcp://h' },
  signals: Object.fromEntries(signals.map(name => [name, { node: `s=${name}` }])),
  ...config,
})

const decide = (config: MachineConfig) => {
  const { rules } = rulesOf(config)
  return (values: Values): string | undefined => {
    const evidence = evaluate(rules, values)
    return evidence === null ? undefined : `${evidence.code}${evidence.done ? ' done' : ''}`
  }
}

describe('cnc-bits', () => {
  const bits = [
    'power',
    'executing',
    'feedHold',
    'programOpen',
    'alarm',
    'emergencyStop',
    'warning',
    'setupMode',
    'warmUp',
  ]
  const dark = Object.fromEntries(bits.map(name => [name, false]))
  const state = decide(machine({ presets: ['cnc-bits'] }, bits))
  const on = (...names: string[]) => state({ ...dark, ...Object.fromEntries(names.map(name => [name, true])) })

  it('reads the bits of a control', () => {
    expect(state(dark)).toBe('OFF')
    expect(on('power')).toBe('IDLE')
    expect(on('power', 'executing', 'programOpen')).toBe('RUNNING')
    expect(on('power', 'executing', 'programOpen', 'feedHold')).toBe('PAUSED')
    expect(on('power', 'programOpen')).toBe('PAUSED')
    expect(on('power', 'setupMode')).toBe('SETUP')
    expect(on('power', 'warmUp', 'executing')).toBe('SETUP')
    expect(on('power', 'alarm', 'executing')).toBe('ALARM')
    expect(on('power', 'emergencyStop')).toBe('ALARM')
  })

  it('takes a warning for no alarm', () => {
    expect(on('power', 'warning')).toBe('IDLE')
    expect(on('power', 'executing', 'warning')).toBe('RUNNING')
  })

  it('works with only the bits that it needs', () => {
    const few = decide(machine({ presets: ['cnc-bits'] }, ['power', 'executing', 'alarm']))
    expect(few({ power: true, executing: true, alarm: false })).toBe('RUNNING')
    expect(few({ power: true, executing: false, alarm: false })).toBe('IDLE')
  })
})

describe('stack-light with motor-current', () => {
  const signals = ['green', 'yellow', 'red', 'power', 'motorCurrent', 'greenBlink', 'yellowBlink', 'redBlink']
  const lathe = machine({ presets: ['stack-light', 'motor-current'], motor: { runningAboveA: 3 } }, signals)
  const dark = { ...Object.fromEntries(signals.map(name => [name, false])), power: true, motorCurrent: 1.2 }
  const state = decide(lathe)

  it('reads a manual lathe by lamps and current together', () => {
    expect(state(dark)).toBe('IDLE')
    expect(state({ ...dark, motorCurrent: 5 })).toBe('RUNNING')
    expect(state({ ...dark, green: true })).toBe('RUNNING')
    expect(state({ ...dark, yellow: true })).toBe('IDLE done')
    expect(state({ ...dark, power: false, motorCurrent: 0 })).toBe('OFF')
  })

  it('knows a blinking lamp by its blink signal, lit or dark at the moment', () => {
    for (const lit of [true, false]) {
      expect(state({ ...dark, red: lit, redBlink: true })).toBe('ALARM')
      expect(state({ ...dark, yellow: lit, yellowBlink: true })).toBe('SETUP')
      expect(state({ ...dark, green: lit, greenBlink: true })).toBe('PAUSED')
    }
  })

  it('does not take a dark light without current for idleness when the current is unknown', () =>
    expect(state({ ...dark, motorCurrent: null })).toBe(undefined))

  it('lets each machine say what its lamps mean', () => {
    const signals = ['white', 'red', 'power']
    const other = decide(machine({ presets: ['stack-light'], lamps: { running: ['white'], alarm: ['red'] } }, signals))
    expect(other({ white: true, red: false, power: true })).toBe('RUNNING')
    expect(other({ white: false, red: true, power: true })).toBe('ALARM')
  })
})

describe('motor-current alone', () => {
  it('says OFF, IDLE and RUNNING by two thresholds, and nothing of a missing value', () => {
    const state = decide(
      machine({ presets: ['motor-current'], motor: { runningAboveA: 3, offBelowA: 0.2 } }, ['motorCurrent']),
    )
    expect([0, 0.2, 3, 3.1].map(motorCurrent => state({ motorCurrent }))).toEqual(['OFF', 'IDLE', 'IDLE', 'RUNNING'])
    expect(state({ motorCurrent: null })).toBe(undefined)
  })
})

describe('mtconnect', () => {
  const calm = {
    availability: 'AVAILABLE',
    execution: 'READY',
    controllerMode: 'AUTOMATIC',
    emergencyStop: 'ARMED',
    condition: 'NORMAL',
    powerState: 'ON',
    warmUp: false,
    spindleSpeed: 0,
  }
  const state = decide(machine({ presets: ['mtconnect'] }, Object.keys(calm)))

  it('reads execution and mode', () => {
    const by = (execution: string) => state({ ...calm, execution })
    expect(by('ACTIVE')).toBe('RUNNING')
    expect(['FEED_HOLD', 'INTERRUPTED', 'OPTIONAL_STOP', 'PROGRAM_STOPPED', 'WAIT'].map(by)).toEqual(
      Array(5).fill('PAUSED'),
    )
    expect(['READY', 'STOPPED'].map(by)).toEqual(['IDLE', 'IDLE'])
    expect(by('PROGRAM_COMPLETED')).toBe('IDLE done')
    for (const controllerMode of ['MANUAL', 'MANUAL_DATA_INPUT', 'EDIT']) {
      expect(state({ ...calm, controllerMode, execution: 'ACTIVE' })).toBe('SETUP')
      expect(state({ ...calm, controllerMode, spindleSpeed: 300 })).toBe('SETUP')
      expect(state({ ...calm, controllerMode })).toBe('IDLE')
    }
    expect(state({ ...calm, warmUp: true, execution: 'ACTIVE' })).toBe('SETUP')
    expect(state({ ...calm, powerState: 'OFF' })).toBe('OFF')
  })

  it('takes a fault and an emergency stop for an alarm, a warning for none', () => {
    expect(state({ ...calm, execution: 'ACTIVE', condition: 'FAULT' })).toBe('ALARM')
    expect(state({ ...calm, emergencyStop: 'TRIGGERED' })).toBe('ALARM')
    expect(state({ ...calm, execution: 'ACTIVE', condition: 'WARNING' })).toBe('RUNNING')
  })

  it('says nothing of a machine that says that it is unavailable', () =>
    expect(state({ ...calm, availability: 'UNAVAILABLE', condition: 'FAULT' })).toBe(undefined))
})

describe('rules of its own', () => {
  it('replace those of a preset, state by state', () => {
    const config = machine({ presets: ['cnc-bits'], rules: { alarm: [{ signal: 'lamp', is: true }] } }, [
      'power',
      'executing',
      'alarm',
      'lamp',
    ])
    const state = decide(config)
    expect(state({ power: true, executing: false, alarm: true, lamp: false })).toBe('IDLE')
    expect(state({ power: true, executing: true, alarm: false, lamp: true })).toBe('ALARM')
  })
})
