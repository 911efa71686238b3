import { MODELS, type ModelName } from '../src/index.ts'

type Values = { readonly [signal: string]: string | number | boolean }

/**
 * What a person would read from the signals with the table of states in hand. Written apart from the simulators' own tables
 * and from any agent: three views that must agree.
 */
export const stateFromSignals = (model: ModelName, values: Values): { state: string; done: boolean } => {
  const { presets } = MODELS[model]
  if (presets.includes('cnc-bits')) return { state: fromBits(values), done: false }
  if (presets.includes('mtconnect')) return fromWords(values)
  return fromLamps(model, values)
}

const fromBits = (v: Values): string => {
  if (v.alarm || v.emergencyStop) return 'ALARM'
  if (!v.power) return 'OFF'
  if (v.warmUp) return 'SETUP'
  if (v.executing && !v.feedHold) return 'RUNNING'
  if (v.feedHold || v.programOpen) return 'PAUSED'
  return v.setupMode ? 'SETUP' : 'IDLE'
}

const fromWords = (v: Values): { state: string; done: boolean } => {
  const is = (state: string, done = false) => ({ state, done })
  if (v.availability !== 'AVAILABLE') return is('OFFLINE')
  if (v.condition === 'FAULT' || v.emergencyStop === 'TRIGGERED') return is('ALARM')
  if (v.powerState === 'OFF') return is('OFF')
  if (v.warmUp) return is('SETUP')
  if (v.execution === 'ACTIVE' && v.controllerMode === 'AUTOMATIC') return is('RUNNING')
  if (['FEED_HOLD', 'INTERRUPTED', 'OPTIONAL_STOP'].includes(String(v.execution))) return is('PAUSED')
  const active = v.execution === 'ACTIVE' || Number(v.spindleSpeed) > 0 || Number(v.feed) > 0
  if (v.controllerMode === 'MANUAL' && active) return is('SETUP')
  if (v.execution === 'PROGRAM_COMPLETED') return is('IDLE', true)
  return is(v.execution === 'READY' ? 'IDLE' : `unexpected ${v.execution}`)
}

const fromLamps = (model: ModelName, v: Values): { state: string; done: boolean } => {
  const { motor } = MODELS[model]
  const edm = model === 'wire-edm'
  const steady = (colour: string): boolean => v[colour] === true && v[`${colour}Blink`] !== true
  const blinking = (colour: string): boolean => v[`${colour}Blink`] === true
  const amps = Number(v.motorCurrent)
  const is = (state: string, done = false) => ({ state, done })
  if (steady('red') || blinking('red')) return is('ALARM')
  if (!v.power || (motor !== undefined && amps < motor.offBelowA)) return is('OFF')
  if (steady('green') || (motor !== undefined && amps > motor.runningAboveA)) return is('RUNNING')
  if (edm ? steady('yellow') : blinking('green')) return is('PAUSED')
  if (edm ? blinking('green') : blinking('yellow')) return is('SETUP')
  return is('IDLE', edm ? blinking('yellow') : steady('yellow'))
}
