import { LIMITS, type Problem } from '@nakama/contract'
import type { AgentConfig, MachineConfig, SampleConfig, SignalConfig } from './config.ts'
import { BUS_SETTINGS, checkBuses, checkModbusSource, checkRegister } from './config-sense-modbus.ts'
import { DEFAULT_EXCEPTIONS, DEFAULT_TIMING, rulesOf, signalNames } from './settings.ts'
import { DEFAULT_LAMPS, lampSignals } from './state/presets.ts'
import { type Condition, RULE_NAMES, signalsIn } from './state/rules.ts'

/** What a schema cannot say of an agent's configuration. */
export const checkAgentConfig = (config: AgentConfig): Problem[] => {
  const seen = new Set<string>()
  const ofEach = config.machines.flatMap((machine, index) => {
    const at = `machines.${index}`
    const twin = seen.has(machine.id)
    seen.add(machine.id)
    return [
      ...(twin ? [problem(`${at}.id`, 'an id that no other machine has', machine.id)] : []),
      ...checkSource(at, machine),
      ...checkSignals(at, machine),
      ...checkRules(at, machine),
      ...checkUses(at, machine),
      ...checkSamples(at, machine),
      ...checkTiming(at, machine),
    ]
  })
  return [...ofEach, ...checkBuses(config.machines)]
}

/** Which settings belong to which kind of source. */
const SETTINGS_OF = {
  'modbus-tcp': BUS_SETTINGS.tcp,
  'modbus-rtu-tcp': BUS_SETTINGS.tcp,
  'modbus-rtu': BUS_SETTINGS.serial,
  opcua: {
    source: {
      needs: ['endpoint'],
      may: ['type', 'pollMs', 'publishMs', 'security', 'machine', 'trust', 'identity'],
    },
    signal: { needs: [], may: ['node', 'path', 'scale', 'offset', 'unit'] },
  },
} as const

const checkSource = (at: string, { source, presets = [] }: MachineConfig): Problem[] => {
  const problems = checkSettings(`${at}.source`, source, SETTINGS_OF[source.type].source)
  const foreign = presets.filter(name => OPCUA_PRESETS.includes(name) && source.type !== 'opcua')
  return [
    ...problems,
    ...foreign.map(name => problem(`${at}.presets`, 'no preset for OPC UA on another source', name)),
    ...(problems.length > 0 ? [] : checkAccess(`${at}.source`, source)),
  ]
}

const checkAccess = (at: string, source: MachineConfig['source']): Problem[] =>
  source.type === 'opcua' ? checkOpcuaAccess(at, source) : checkModbusSource(at, source)

const OPCUA_PRESETS: readonly string[] = ['machinery', 'machine-tools']

const checkOpcuaAccess = (at: string, { security = 'none', trust, identity }: MachineConfig['source']): Problem[] => {
  const { mode, policy } = typeof security === 'string' ? { mode: security, policy: undefined } : security
  if (mode !== 'none') return []
  return [
    ...(policy === undefined ? [] : [problem(`${at}.security.policy`, 'none with mode none', policy)]),
    ...(trust === undefined ? [] : [problem(`${at}.trust`, 'nothing without security', trust)]),
    ...(identity === undefined
      ? []
      : [problem(`${at}.identity`, 'security sign or sign-and-encrypt, so that it travels safely', 'security none')]),
  ]
}

const checkSignals = (at: string, machine: MachineConfig): Problem[] => {
  const { source, signals = {} } = machine
  const names = Object.keys(signals)
  const count = signalNames(machine).length
  const many = count === 0 || count > LIMITS.samplesMaxSignals
  return [
    ...(many ? [problem(`${at}.signals`, `1 to ${LIMITS.samplesMaxSignals} signals`, `${count}`)] : []),
    ...names.flatMap(name => {
      const signal = signals[name] as SignalConfig
      const here = `${at}.signals.${name}`
      const problems = checkSettings(here, signal, SETTINGS_OF[source.type].signal)
      if (source.type === 'opcua') return [...problems, ...checkNode(here, signal)]
      return problems.length > 0 ? problems : checkRegister(here, signal, source)
    }),
  ]
}

const checkNode = (at: string, { node, path }: SignalConfig): Problem[] =>
  (node === undefined) === (path === undefined)
    ? [problem(`${at}.node`, 'either a node or a path', node === undefined ? 'neither' : 'both')]
    : []

const checkSettings = (
  at: string,
  settings: { readonly [name: string]: unknown },
  { needs, may }: { readonly needs: readonly string[]; readonly may: readonly string[] },
): Problem[] => [
  ...needs.filter(name => settings[name] === undefined).map(name => problem(`${at}.${name}`, 'a value', 'nothing')),
  ...Object.keys(settings)
    .filter(name => !needs.includes(name) && !may.includes(name))
    .map(name => problem(`${at}.${name}`, 'no such setting here', JSON.stringify(settings[name]))),
]

const checkRules = (at: string, machine: MachineConfig): Problem[] => {
  const { presets = [], rules = {} } = machine
  const names = new Set(signalNames(machine))
  const has = (signal: string): boolean => names.has(signal)
  const own = RULE_NAMES.flatMap(name =>
    (rules[name] ?? []).flatMap((condition, i) => checkCondition(`${at}.rules.${name}.${i}`, condition, has)),
  )
  const lacking = presets.includes('motor-current') && machine.motor === undefined
  const useless = (['lamps', 'motor'] as const).filter(
    name => machine[name] !== undefined && !presets.includes(name === 'lamps' ? 'stack-light' : 'motor-current'),
  )
  const problems = [
    ...own,
    ...(lacking ? [problem(`${at}.motor`, 'a value, for the preset motor-current', 'nothing')] : []),
    ...useless.map(name =>
      problem(
        `${at}.${name}`,
        `none without the preset ${name === 'lamps' ? 'stack-light' : 'motor-current'}`,
        'a value',
      ),
    ),
    ...lampSignals(machine.lamps ?? {})
      .filter(signal => !has(signal))
      .map(signal => problem(`${at}.lamps`, `lamps among the signals`, signal)),
  ]
  if (problems.length > 0) return problems
  const { needed, rules: joined } = rulesOf(machine)
  return [
    ...needed
      .filter(signal => !has(signal))
      .map(signal => problem(`${at}.signals.${signal}`, 'a signal that the preset needs', 'nothing')),
    ...(['running', 'idle'] as const)
      .filter(name => (joined[name] ?? []).length === 0)
      .map(name => problem(`${at}.rules.${name}`, 'at least one condition, here or from a preset', 'nothing')),
  ]
}

const checkCondition = (at: string, condition: Condition, has: (signal: string) => boolean): Problem[] => {
  const forms = (['signal', 'any', 'all', 'not'] as const).filter(form => condition[form] !== undefined)
  if (forms.length !== 1) {
    return [problem(at, 'exactly one of signal, any, all, not', forms.length === 0 ? 'none' : forms.join(', '))]
  }
  const comparisons = (['is', 'in', 'above', 'below'] as const).filter(name => condition[name] !== undefined)
  if ((condition.signal !== undefined) !== comparisons.length > 0) {
    return [
      problem(
        at,
        'a signal with is, in, above or below',
        condition.signal === undefined ? 'no signal' : 'none of them',
      ),
    ]
  }
  if (condition.signal !== undefined && !has(condition.signal)) {
    return [problem(`${at}.signal`, 'one of the signals of this machine', condition.signal)]
  }
  return [
    ...(condition.any ?? []).flatMap((inner, i) => checkCondition(`${at}.any.${i}`, inner, has)),
    ...(condition.all ?? []).flatMap((inner, i) => checkCondition(`${at}.all.${i}`, inner, has)),
    ...(condition.not === undefined ? [] : checkCondition(`${at}.not`, condition.not, has)),
  ]
}

/** Names that lead nowhere, both ways: a mistyped `emergncyStop` would otherwise be a machine that never stops. */
const checkUses = (at: string, machine: MachineConfig): Problem[] => {
  const { signals = {}, counter } = machine
  const samples = (machine.samples ?? []).map(nameOf)
  const names = new Set(signalNames(machine))
  const has = (signal: string): boolean => names.has(signal)
  const lamps = machine.presets?.includes('stack-light') ? lampSignals(machine.lamps ?? DEFAULT_LAMPS) : []
  const { rules } = rulesOf(machine)
  const deciding = new Set([...lamps, ...RULE_NAMES.flatMap(name => signalsIn(rules[name] ?? []))])
  const used = new Set([...samples, counter, ...deciding])
  return [
    ...samples.filter(name => !has(name)).map(name => problem(`${at}.samples`, 'signals of this machine', name)),
    ...[...deciding]
      .filter(name => signals[name]?.everyMs !== undefined)
      .map(name =>
        problem(`${at}.signals.${name}.everyMs`, 'none, as it decides the state', `${signals[name]?.everyMs}`),
      ),
    ...(counter === undefined || has(counter) ? [] : [problem(`${at}.counter`, 'a signal of this machine', counter)]),
    ...Object.keys(signals)
      .filter(name => !used.has(name))
      .map(name => problem(`${at}.signals.${name}`, 'a use in rules, preset, counter or samples', 'none')),
  ]
}

const nameOf = (sample: SampleConfig): string => (typeof sample === 'string' ? sample : sample.signal)

const checkSamples = (at: string, { samples = [] }: MachineConfig): Problem[] => {
  const names = samples.map(nameOf)
  return samples.flatMap((sample, i) => {
    const here = `${at}.samples.${i}`
    const name = nameOf(sample)
    const twice = names.indexOf(name) < i ? [problem(here, 'each signal once', name)] : []
    if (typeof sample === 'string') return twice
    const { minIntervalMs = 0, maxIntervalMs = DEFAULT_EXCEPTIONS.maxIntervalMs } = sample
    const crossed = minIntervalMs > maxIntervalMs
    return [
      ...twice,
      ...(crossed
        ? [problem(`${here}.minIntervalMs`, `at most maxIntervalMs (${maxIntervalMs})`, `${minIntervalMs}`)]
        : []),
    ]
  })
}

const checkTiming = (at: string, { source, timing }: MachineConfig): Problem[] => {
  const pollMs = source.pollMs ?? DEFAULT_TIMING.pollMs
  const { offlineAfterMs } = timing ?? {}
  return offlineAfterMs !== undefined && offlineAfterMs < 3 * pollMs
    ? [problem(`${at}.timing.offlineAfterMs`, `at least three polls (${3 * pollMs})`, `${offlineAfterMs}`)]
    : []
}

const problem = (path: string, expected: string, got: string): Problem => ({ path, expected, got })
