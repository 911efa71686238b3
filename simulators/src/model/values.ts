import type { ModelName } from '../catalogue.ts'
import type { Activity, Plan, Segment } from './plan.ts'
import { PROFILES } from './profiles.ts'
import { bell, between, hash, type Random, streamOf } from './random.ts'
import { MTCONNECT, type Shown } from './shows.ts'

export type Value = string | number | boolean
export type Values = { readonly [signal: string]: Value }

/** Analog values move this often, simulated. */
const NOISE_MS = 200

/**
 * Every signal of a machine at one moment except its tick, in engineering units. A pure function of plan and time: whoever
 * reads at the same moment reads the same, however often others read.
 */
export const valuesAt = (model: ModelName, plan: Plan, shown: Shown, at: number): Values => {
  const { segment } = plan
  const noise = noiseOf(plan, at)
  const numbers = analogs(model, plan, noise, at)
  switch (PROFILES[model].shows) {
    case 'cnc-bits':
      return { ...cncBits(segment.activity, shown), ...numbers, partCount: plan.counter }
    case 'mtconnect':
      return { ...mtconnect(plan, shown), ...numbers, partCount: plan.counter }
    case 'stack-light':
      return { ...stackLight(segment, shown, at), ...numbers, partCount: plan.counter }
  }
}

/** A different number for every signal, the same for everybody within one step of time. */
const noiseOf =
  ({ who }: Plan, at: number) =>
  (signal: string): number =>
    bell(streamOf(hash(`${who.shop}/${who.machine}/${signal}`, who.seed, Math.floor(at / NOISE_MS))))

const cncBits = (activity: Activity, { state, doorOpen }: Shown): Values => ({
  power: state !== 'OFF',
  executing: ['cutting', 'warm-up', 'short-stop', 'feed-hold'].includes(activity),
  feedHold: activity === 'feed-hold' || activity === 'short-stop',
  programOpen: state === 'RUNNING' || state === 'PAUSED',
  alarm: state === 'ALARM',
  emergencyStop: activity === 'emergency-stop',
  warmUp: activity === 'warm-up',
  setupMode: state === 'SETUP' && activity !== 'warm-up',
  doorOpen,
  optionalStop: activity === 'optional-stop',
  warning: activity === 'start-refused',
})

const mtconnect = ({ segment, job }: Plan, { state, doorOpen }: Shown): Values => {
  const { execution, controllerMode } = MTCONNECT[segment.activity]
  const off = state === 'OFF'
  const warning = segment.activity === 'start-refused'
  return {
    availability: 'AVAILABLE',
    powerState: off ? 'OFF' : 'ON',
    ...{ execution, controllerMode },
    condition: off ? 'UNAVAILABLE' : state === 'ALARM' ? 'FAULT' : warning ? 'WARNING' : 'NORMAL',
    emergencyStop: off ? 'UNAVAILABLE' : segment.activity === 'emergency-stop' ? 'TRIGGERED' : 'ARMED',
    warmUp: segment.activity === 'warm-up',
    doorState: off ? 'UNAVAILABLE' : doorOpen ? 'OPEN' : 'CLOSED',
    program: job?.program ?? '',
    message: warning ? 'START COND. ERR. (DOOR OPEN)' : state === 'ALARM' ? 'SPINDLE OVERLOAD' : '',
  }
}

/** A second is half light, half dark. */
const BLINK_MS = 500

const stackLight = (_: Segment, { state, lamp = 'dark' }: Shown, at: number): Values => {
  const [colour, blinking] = lamp.split('-')
  const bright = blinking === undefined || Math.floor(at / BLINK_MS) % 2 === 0
  return {
    ...Object.fromEntries(['red', 'yellow', 'green'].map(name => [name, name === colour && bright])),
    ...Object.fromEntries(
      ['red', 'yellow', 'green'].map(name => [`${name}Blink`, name === colour && blinking !== undefined]),
    ),
    power: state !== 'OFF',
  }
}

const analogs = (model: ModelName, plan: Plan, noise: (signal: string) => number, at: number): Values => {
  const { activity, index } = plan.segment
  const profile = PROFILES[model]
  const base: Random = streamOf(hash(`${plan.who.shop}/${plan.who.machine} cut`, plan.who.seed, index))
  const [rpm, feed, load, amps] = [
    between(base, profile.spindleRpm),
    between(base, profile.feedMmMin),
    between(base, profile.loadPercent),
    between(base, profile.cuttingA),
  ]
  const around = (value: number, signal: string, share: number): number => value * (1 + share * noise(signal))
  const off = activity === 'off' || activity === 'breaker-off'
  const turns = activity === 'cutting' || activity === 'warm-up' || activity === 'feed-hold'
  const moves = activity === 'cutting' || activity === 'warm-up' || activity === 'jogging'
  const motorA = activity === 'cutting' ? amps : profile.standingA
  return {
    spindleSpeed: turns ? Math.round(around(rpm, 'spindleSpeed', 0.003)) : 0,
    // An axis that is moved moves: no noise makes it stand still, nor one that stands move.
    feed: moves ? Math.max(1, Math.round(around(activity === 'jogging' ? feed / 4 : feed, 'feed', 0.05))) : 0,
    spindleLoad: oneDecimal(
      activity === 'cutting' ? around(load, 'spindleLoad', 0.08) : off ? 0 : 0.4 * noise('spindleLoad'),
    ),
    temperature: oneDecimal(24 + 4 * Math.sin(at / 6_900_000) + (off ? 0 : 3) + 0.15 * noise('temperature')),
    motorCurrent: hundredths(
      off ? Math.abs(0.02 + 0.02 * noise('motorCurrent')) : around(motorA, 'motorCurrent', 0.05),
    ),
  }
}

const oneDecimal = (value: number): number => Math.round(value * 10) / 10
const hundredths = (value: number): number => Math.round(value * 100) / 100
