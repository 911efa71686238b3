import { INTERVALS, type MachineKind } from '@nakama/contract'
import type { AgentConfig, MachineConfig, SampleConfig } from './config.ts'
import type { Exceptions, SampledSignal } from './sampler.ts'
import { type ModbusMachine, modbusMachine, rangeOf } from './settings-modbus.ts'
import type { Sharing } from './sharing.ts'
import {
  CNC_BITS,
  joinRules,
  MTCONNECT,
  motorCurrent,
  type Preset,
  type PresetName,
  stackLight,
} from './state/presets.ts'
import { type Condition, RULE_NAMES, type Rules, withoutMissing } from './state/rules.ts'
import type { Timing } from './state/tracker.ts'

export interface AgentSettings {
  readonly sharing: Sharing
  readonly journalMaxBytes: number
  /** Undefined: as much as suits the disk. */
  readonly journalMinFreeBytes: number | undefined
  readonly configRev: number
  readonly machines: readonly MachineSettings[]
}

/** One machine, with every default filled in. */
export interface MachineSettings {
  readonly id: string
  readonly kind: MachineKind
  readonly name: string
  readonly source: ModbusMachine | OpcuaMachine
  readonly rules: Rules
  readonly timing: Timing
  readonly counter: { readonly signal: string; readonly range: number } | undefined
  readonly samples: readonly SampledSignal[]
}

export interface OpcuaMachine {
  readonly type: 'opcua'
  readonly endpoint: string
  readonly pollMs: number
  readonly publishMs: number
  readonly security: 'none' | 'sign' | 'sign-and-encrypt'
  readonly signals: readonly OpcuaSignal[]
}

export interface OpcuaSignal {
  readonly name: string
  readonly node: string
  readonly scale: number
  readonly offset: number
}

/** 1 GiB: a month of a shop's readings on a card that has room for many. */
const JOURNAL_MAX_BYTES = 1024 ** 3

export const DEFAULT_TIMING = {
  pollMs: 1_000,
  runningGapMs: 10_000,
  alarmAfterMs: 2_000,
  alarmClearedMs: 5_000,
  idleAfterMs: 5 * 60_000,
  doneAfterMs: 10_000,
  offlineAfterMs: 30_000,
} as const

/** Fills in what a good configuration leaves out (one that `checkAgentConfig` has nothing against). */
export const resolveSettings = (config: AgentConfig): AgentSettings => ({
  sharing: { level: config.sharing ?? 'availability', telemetry: config.telemetry ?? false },
  journalMaxBytes: config.journal?.maxBytes ?? JOURNAL_MAX_BYTES,
  journalMinFreeBytes: config.journal?.minFreeBytes,
  configRev: config.rev ?? 0,
  machines: config.machines.map(resolveMachine),
})

const resolveMachine = (machine: MachineConfig): MachineSettings => ({
  id: machine.id,
  kind: machine.kind,
  name: machine.name,
  source: sourceOf(machine),
  rules: rulesOf(machine).rules,
  timing: timingOf(machine),
  counter:
    machine.counter === undefined
      ? undefined
      : { signal: machine.counter, range: rangeOf(machine.signals[machine.counter]) },
  samples: (machine.samples ?? []).map(resolveSample),
})

/** A named signal is recorded with every reading; one with settings by exception, and at least once a minute. */
export const DEFAULT_EXCEPTIONS: Exceptions = {
  deadband: 0,
  deadbandPercent: 0,
  minIntervalMs: 0,
  maxIntervalMs: 60_000,
}

const resolveSample = (sample: SampleConfig): SampledSignal => {
  if (typeof sample === 'string') return { signal: sample, exceptions: undefined }
  const { signal, ...given } = sample
  return { signal, exceptions: { ...DEFAULT_EXCEPTIONS, ...given } }
}

const sourceOf = (machine: MachineConfig): ModbusMachine | OpcuaMachine => {
  const { type, pollMs } = machine.source
  return type === 'opcua' ? opcuaMachine(machine) : modbusMachine(type, machine, pollMs ?? DEFAULT_TIMING.pollMs)
}

const opcuaMachine = ({ source, signals }: MachineConfig): OpcuaMachine => ({
  type: 'opcua',
  endpoint: source.endpoint as string,
  pollMs: source.pollMs ?? DEFAULT_TIMING.pollMs,
  publishMs: source.publishMs ?? 500,
  security: source.security ?? 'none',
  signals: Object.entries(signals).map(([name, signal]) => ({
    name,
    node: signal.node as string,
    scale: signal.scale ?? 1,
    offset: signal.offset ?? 0,
  })),
})

const timingOf = ({ source, timing }: MachineConfig): Timing => {
  const { pollMs, ...defaults } = DEFAULT_TIMING
  const offlineAfterMs = Math.max(3 * (source.pollMs ?? pollMs), defaults.offlineAfterMs)
  return { ...defaults, offlineAfterMs, heartbeatMs: INTERVALS.stateHeartbeatMs, ...timing }
}

/** The rules that decide this machine's state: its presets' joined, its own instead where it has any. */
export const rulesOf = (machine: MachineConfig): { readonly rules: Rules; readonly needed: readonly string[] } => {
  const presets = (machine.presets ?? []).map(name => presetOf(name, machine))
  const has = (signal: string): boolean => Object.hasOwn(machine.signals, signal)
  const joined = joinRules(presets.map(preset => preset.rules))
  const fitted = Object.fromEntries(
    RULE_NAMES.map(name => [name, fitting(joined[name] ?? [], has)]).filter(([, conditions]) => conditions?.length),
  ) as Rules
  return {
    rules: { ...fitted, ...(machine.rules as Rules | undefined) },
    needed: [...new Set(presets.flatMap(preset => preset.needs))],
  }
}

const fitting = (conditions: readonly Condition[], has: (signal: string) => boolean): Condition[] =>
  conditions.map(condition => withoutMissing(condition, has)).filter(condition => condition !== undefined)

const presetOf = (name: PresetName, { lamps, motor }: MachineConfig): Preset => {
  if (name === 'cnc-bits') return CNC_BITS
  if (name === 'mtconnect') return MTCONNECT
  if (name === 'stack-light') return stackLight(lamps)
  return motorCurrent(motor ?? { runningAboveA: Number.POSITIVE_INFINITY })
}
