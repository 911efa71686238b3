import type { Condition, RuleName, Rules } from './rules.ts'

/** Rules that fit many machines, in the same language as a machine's own. */
export interface Preset {
  /** Signals without which the rules would mislead. What they say about any other signal a machine need not have. */
  readonly needs: readonly string[]
  readonly rules: Rules
  /** Signals that it brings along, because a specification says where they are. */
  readonly signals?: readonly PresetSignal[]
}

/** Where OPC UA servers have a signal, from the machine's node on; the first path that leads to a node counts. */
export interface PresetSignal {
  readonly name: string
  readonly paths: readonly string[]
  /** A machine need not have it. */
  readonly isOptional: boolean
}

export const PRESET_NAMES = [
  'cnc-bits',
  'stack-light',
  'motor-current',
  'mtconnect',
  'machinery',
  'machine-tools',
] as const
export type PresetName = (typeof PRESET_NAMES)[number]

/** What each lamp of this machine means: `green`, or `yellow-blinking` for the signal `yellowBlink`. */
export type LampMeanings = { readonly [name in LampRule]?: readonly string[] }
export const LAMP_RULES = ['alarm', 'running', 'paused', 'setup', 'done'] as const
export type LampRule = (typeof LAMP_RULES)[number]

export interface MotorCurrent {
  /** Amperes above which the machine cuts. */
  readonly runningAboveA: number
  /** Amperes below which even its idle consumers are off. Without it the current alone never says OFF, nor IDLE. */
  readonly offBelowA?: number
}

export const DEFAULT_LAMPS: LampMeanings = {
  alarm: ['red', 'red-blinking'],
  running: ['green'],
  paused: ['green-blinking'],
  setup: ['yellow-blinking'],
  done: ['yellow'],
}

/** Execution and cycle bits of a CNC control. A warning is no alarm. */
export const CNC_BITS: Preset = {
  needs: ['power', 'executing', 'alarm'],
  rules: {
    alarm: [
      { signal: 'alarm', is: true },
      { signal: 'emergencyStop', is: true },
    ],
    off: [{ signal: 'power', is: false }],
    warmUp: [{ signal: 'warmUp', is: true }],
    running: [
      {
        all: [{ signal: 'executing', is: true }, { not: { signal: 'feedHold', is: true } }],
      },
    ],
    paused: [
      { signal: 'feedHold', is: true },
      { signal: 'programOpen', is: true },
    ],
    setup: [{ signal: 'setupMode', is: true }],
    idle: [{ signal: 'power', is: true }],
  },
}

/** The words of MTConnect, as its adapters and OPC UA servers for machine tools use them. */
export const MTCONNECT: Preset = {
  needs: ['availability', 'execution', 'controllerMode', 'condition'],
  rules: {
    offline: [{ signal: 'availability', is: 'UNAVAILABLE' }],
    alarm: [
      { signal: 'condition', is: 'FAULT' },
      { signal: 'emergencyStop', is: 'TRIGGERED' },
    ],
    off: [{ signal: 'powerState', is: 'OFF' }],
    warmUp: [{ signal: 'warmUp', is: true }],
    running: [
      {
        all: [
          { signal: 'execution', is: 'ACTIVE' },
          { signal: 'controllerMode', in: ['AUTOMATIC', 'SEMI_AUTOMATIC'] },
        ],
      },
    ],
    paused: [
      {
        signal: 'execution',
        in: ['FEED_HOLD', 'INTERRUPTED', 'OPTIONAL_STOP', 'PROGRAM_OPTIONAL_STOP', 'PROGRAM_STOPPED', 'WAIT'],
      },
    ],
    setup: [
      {
        all: [
          { signal: 'controllerMode', in: ['MANUAL', 'MANUAL_DATA_INPUT', 'EDIT'] },
          {
            any: [
              { signal: 'execution', is: 'ACTIVE' },
              { signal: 'spindleSpeed', above: 0 },
              { signal: 'feed', above: 0 },
            ],
          },
        ],
      },
    ],
    done: [{ signal: 'execution', is: 'PROGRAM_COMPLETED' }],
    idle: [{ signal: 'execution', in: ['READY', 'STOPPED', 'PROGRAM_COMPLETED'] }],
  },
}

/** A stack light whose colours mean what `lamps` says. Dark lamps are idleness only while `power` is on. */
export const stackLight = (lamps: LampMeanings = DEFAULT_LAMPS): Preset => ({
  needs: ['power'],
  rules: {
    ...Object.fromEntries(LAMP_RULES.map(rule => [rule, (lamps[rule] ?? []).map(lit)])),
    off: [{ signal: 'power', is: false }],
    idle: [{ signal: 'power', is: true }],
  },
})

/** The signals of which the lamps' meanings speak. */
export const lampSignals = (lamps: LampMeanings): string[] =>
  LAMP_RULES.flatMap(rule => (lamps[rule] ?? []).map(look => (isBlinking(look) ? blinkOf(look) : look)))

const BLINKING = '-blinking'
const isBlinking = (look: string): boolean => look.endsWith(BLINKING)
const blinkOf = (look: string): string => `${look.slice(0, -BLINKING.length)}Blink`

// A blinking lamp is dark every other reading: its own blink signal says it, and makes it no steady light meanwhile.
const lit = (look: string): Condition =>
  isBlinking(look)
    ? { signal: blinkOf(look), is: true }
    : { all: [{ signal: look, is: true }, { not: { signal: `${look}Blink`, is: true } }] }

/** A clamp around the supply: nothing but a current, for machines that have nothing else. */
export const motorCurrent = ({ runningAboveA, offBelowA }: MotorCurrent): Preset => ({
  needs: ['motorCurrent'],
  rules: {
    ...(offBelowA === undefined
      ? {}
      : {
          off: [{ signal: 'motorCurrent', below: offBelowA }],
          idle: [{ not: { signal: 'motorCurrent', below: offBelowA } }],
        }),
    running: [{ signal: 'motorCurrent', above: runningAboveA }],
  },
})

/** The lists of several rule sets, one after the other: any condition of any of them suffices. */
export const joinRules = (sets: readonly Rules[]): Rules => {
  const joined: { [name in RuleName]?: Condition[] } = {}
  for (const set of sets) {
    for (const [name, conditions] of Object.entries(set) as [RuleName, readonly Condition[]][]) {
      joined[name] = [...(joined[name] ?? []), ...conditions]
    }
  }
  return joined
}
