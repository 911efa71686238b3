import { type LampMeanings, MODELS, type ModelName } from '../catalogue.ts'
import type { TruthLine } from '../truth.ts'
import type { Activity } from './plan.ts'
import { PROFILES } from './profiles.ts'

/** What anybody can see of an activity at this kind of machine. */
export type Shown = Pick<TruthLine, 'state' | 'done' | 'doorOpen' | 'execution' | 'lamp'>

export const shownBy = (model: ModelName, activity: Activity): Shown => {
  const doorOpen = OPEN_DOOR.includes(activity)
  switch (PROFILES[model].shows) {
    case 'cnc-bits':
      return { state: CNC_STATE[activity], done: false, doorOpen }
    case 'mtconnect': {
      const { execution, state } = MTCONNECT[activity]
      return { state, done: execution === 'PROGRAM_COMPLETED', doorOpen, execution }
    }
    case 'stack-light': {
      const meaning = model === 'manual-lathe' ? (BY_HAND[activity] ?? LAMP[activity]) : LAMP[activity]
      return { state: LAMP_STATE[meaning], done: meaning === 'done', doorOpen, lamp: lampOf(model, meaning) }
    }
  }
}

const OPEN_DOOR: readonly Activity[] = ['jogging', 'measuring', 'start-refused', 'loading']

type State = TruthLine['state']

// The mode switch stands on manual for the whole of a setup, so a control with bits shows all of it.
const CNC_STATE: { readonly [activity in Activity]: State } = {
  'breaker-off': 'OFF',
  off: 'OFF',
  ready: 'IDLE',
  'warm-up': 'SETUP',
  jogging: 'SETUP',
  measuring: 'SETUP',
  'start-refused': 'SETUP',
  loading: 'IDLE',
  cutting: 'RUNNING',
  'short-stop': 'PAUSED',
  'feed-hold': 'PAUSED',
  'optional-stop': 'PAUSED',
  complete: 'IDLE',
  alarm: 'ALARM',
  'emergency-stop': 'ALARM',
}

export interface MtconnectWords {
  readonly execution: string
  readonly controllerMode: string
  readonly state: State
}

const words = (execution: string, state: State, controllerMode = 'AUTOMATIC'): MtconnectWords => ({
  ...{ execution, controllerMode, state },
})

/** MTConnect Part 2, Execution and ControllerMode. While nothing moves, a manual mode alone is no activity. */
export const MTCONNECT: { readonly [activity in Activity]: MtconnectWords } = {
  'breaker-off': words('UNAVAILABLE', 'OFF', 'UNAVAILABLE'),
  off: words('UNAVAILABLE', 'OFF', 'UNAVAILABLE'),
  ready: words('READY', 'IDLE'),
  'warm-up': words('ACTIVE', 'SETUP'),
  jogging: words('ACTIVE', 'SETUP', 'MANUAL'),
  measuring: words('READY', 'IDLE', 'MANUAL'),
  'start-refused': words('READY', 'IDLE'),
  loading: words('PROGRAM_COMPLETED', 'IDLE'),
  cutting: words('ACTIVE', 'RUNNING'),
  'short-stop': words('INTERRUPTED', 'PAUSED'),
  'feed-hold': words('FEED_HOLD', 'PAUSED'),
  'optional-stop': words('OPTIONAL_STOP', 'PAUSED'),
  complete: words('PROGRAM_COMPLETED', 'IDLE'),
  alarm: words('INTERRUPTED', 'ALARM'),
  'emergency-stop': words('STOPPED', 'ALARM'),
}

type Meaning = 'off' | 'dark' | 'alarm' | 'stopped' | 'running' | 'paused' | 'setup' | 'done'

const LAMP: { readonly [activity in Activity]: Meaning } = {
  'breaker-off': 'off',
  off: 'off',
  ready: 'dark',
  'warm-up': 'setup',
  jogging: 'setup',
  measuring: 'setup',
  'start-refused': 'setup',
  loading: 'done',
  cutting: 'running',
  'short-stop': 'paused',
  'feed-hold': 'paused',
  'optional-stop': 'paused',
  complete: 'done',
  alarm: 'alarm',
  'emergency-stop': 'stopped',
}

// Its green lamp hangs on the spindle's contactor: while the turner measures or changes the part it is merely dark.
const BY_HAND: { readonly [activity in Activity]?: Meaning } = { loading: 'dark', 'short-stop': 'dark' }

const LAMP_STATE: { readonly [meaning in Meaning]: State } = {
  off: 'OFF',
  dark: 'IDLE',
  alarm: 'ALARM',
  stopped: 'ALARM',
  running: 'RUNNING',
  paused: 'PAUSED',
  setup: 'SETUP',
  done: 'IDLE',
}

const USUAL_LAMPS: LampMeanings = {
  alarm: ['red', 'red-blinking'],
  running: ['green'],
  paused: ['green-blinking'],
  setup: ['yellow-blinking'],
  done: ['yellow'],
}

const lampOf = (model: ModelName, meaning: Meaning): string => {
  const lamps = MODELS[model].lamps ?? USUAL_LAMPS
  if (meaning === 'off' || meaning === 'dark') return 'dark'
  return (meaning === 'stopped' ? lamps.alarm.at(-1) : lamps[meaning][0]) ?? 'dark'
}
