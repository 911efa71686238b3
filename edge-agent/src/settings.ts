import { INTERVALS, type MachineKind } from '@nakama/contract'
import type { AgentConfig, MachineConfig, SampleConfig } from './config.ts'
import type { Exceptions, SampledSignal } from './sampler.ts'
import { type ModbusMachine, modbusMachine, rangeOf } from './settings-modbus.ts'
import type { Sharing } from './sharing.ts'
import type { OpcuaIdentity } from './sources/opcua/identity.ts'
import type { OpcuaSecurity } from './sources/opcua/security.ts'
import {
  CNC_BITS,
  joinRules,
  MTCONNECT,
  motorCurrent,
  type Preset,
  type PresetName,
  type PresetSignal,
  stackLight,
} from './state/presets.ts'
import { MACHINE_TOOLS, MACHINERY } from './state/presets-opcua.ts'
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
  readonly security: OpcuaSecurity
  readonly trust: 'by-hand' | 'first-use'
  /** Undefined: anonymous. */
  readonly identity: OpcuaIdentity | undefined
  /** BrowseName or node id; undefined: the server's only machine. */
  readonly machine: string | undefined
  readonly signals: readonly OpcuaSignal[]
}

/** Found by `node`, or by the first of `paths` that leads to a node. */
export interface OpcuaSignal {
  readonly name: string
  readonly node: string | undefined
  readonly paths: readonly string[]
  /** A machine need not have it. */
  readonly isOptional: boolean
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
      : { signal: machine.counter, range: rangeOf(machine.signals?.[machine.counter]) },
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

const opcuaMachine = (machine: MachineConfig): OpcuaMachine => {
  const { source, signals = {} } = machine
  return {
    type: 'opcua',
    endpoint: source.endpoint as string,
    pollMs: source.pollMs ?? DEFAULT_TIMING.pollMs,
    publishMs: source.publishMs ?? 500,
    security:
      typeof source.security === 'object' ? { policy: undefined, ...source.security } : modeOnly(source.security),
    trust: source.trust ?? 'by-hand',
    identity: source.identity,
    machine: source.machine,
    signals: [
      ...Object.entries(signals).map(([name, { node, path, scale = 1, offset = 0 }]) => ({
        ...{ name, node, paths: path === undefined ? [] : [path], isOptional: false, scale, offset },
      })),
      ...presetSignals(machine).map(({ name, ...where }) => ({ name, node: undefined, ...where, scale: 1, offset: 0 })),
    ],
  }
}

const modeOnly = (mode: OpcuaSecurity['mode'] = 'none'): OpcuaSecurity => ({ mode, policy: undefined })

/** What the presets bring along, as far as the machine's own signals do not say it otherwise. */
const presetSignals = (machine: MachineConfig): PresetSignal[] => {
  const own = machine.signals ?? {}
  const brought = (machine.presets ?? []).flatMap(name => presetOf(name, machine).signals ?? [])
  const byName = new Map(brought.map(signal => [signal.name, signal]))
  return [...byName.values()].filter(({ name }) => !Object.hasOwn(own, name))
}

/** The names of all signals of a machine: its own, and those that its presets bring along. */
export const signalNames = (machine: MachineConfig): string[] => [
  ...Object.keys(machine.signals ?? {}),
  ...presetSignals(machine).map(({ name }) => name),
]

const timingOf = ({ source, timing }: MachineConfig): Timing => {
  const { pollMs, ...defaults } = DEFAULT_TIMING
  const offlineAfterMs = Math.max(3 * (source.pollMs ?? pollMs), defaults.offlineAfterMs)
  return { ...defaults, offlineAfterMs, heartbeatMs: INTERVALS.stateHeartbeatMs, ...timing }
}

/** The rules that decide this machine's state: its presets' joined, its own instead where it has any. */
export const rulesOf = (machine: MachineConfig): { readonly rules: Rules; readonly needed: readonly string[] } => {
  const presets = (machine.presets ?? []).map(name => presetOf(name, machine))
  const names = new Set(signalNames(machine))
  const has = (signal: string): boolean => names.has(signal)
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
  if (name === 'machinery') return MACHINERY
  if (name === 'machine-tools') return MACHINE_TOOLS
  if (name === 'stack-light') return stackLight(lamps)
  return motorCurrent(motor ?? { runningAboveA: Number.POSITIVE_INFINITY })
}
