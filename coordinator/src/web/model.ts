import { KIND_CODES, type MachineKind, STATE_CODES, type StateCode } from '@nakama/contract'
import type { MachineView } from '../api/schemas.ts'

/** A state, or FREE: idle at a shop that takes work, which is what people look for. */
export type StateChoice = StateCode | 'FREE'

export const STATE_CHOICES: readonly StateChoice[] = ['FREE', ...STATE_CODES]

/** An empty list leaves everything in. */
export interface Filter {
  readonly kinds: readonly string[]
  readonly areas: readonly string[]
  readonly states: readonly StateChoice[]
}

export interface Group {
  readonly kind: MachineKind
  readonly machines: readonly MachineView[]
}

export interface KindCount {
  readonly kind: MachineKind
  readonly total: number
  readonly free: number
  /** Free, or idle at a shop that takes no work. */
  readonly idle: number
  /** Machines per state, in the order of the states. */
  readonly states: readonly { readonly state: StateCode; readonly count: number }[]
}

/** `?kind=nc-lathe,vertical-mc&area=大森&area=羽田&state=FREE`; what is not known is left out. */
export const parseFilter = (search: string): Filter => {
  const query = new URLSearchParams(search)
  const codes = (name: string): string[] => query.getAll(name).flatMap(text => text.split(','))
  return {
    kinds: unique(codes('kind')).filter(kind => (KIND_CODES as readonly string[]).includes(kind)),
    areas: unique(query.getAll('area')).filter(area => area !== ''),
    states: unique(codes('state')).filter((state): state is StateChoice =>
      (STATE_CHOICES as readonly string[]).includes(state),
    ),
  }
}

/** The query of a filter, with its question mark; what else `search` says is kept. Empty when there is nothing to say. */
export const formatFilter = ({ kinds, areas, states }: Filter, search = ''): string => {
  const others = search
    .replace(/^\?/, '')
    .split('&')
    .filter(part => part !== '' && !['kind', 'area', 'state'].includes(part.split('=')[0] ?? ''))
  const parts = [
    ...others,
    ...(kinds.length > 0 ? [`kind=${kinds.join(',')}`] : []),
    // A name may hold anything, a comma too.
    ...areas.map(area => `area=${encodeURIComponent(area)}`),
    ...(states.length > 0 ? [`state=${states.join(',')}`] : []),
  ]
  return parts.length === 0 ? '' : `?${parts.join('&')}`
}

export const NO_FILTER: Filter = { kinds: [], areas: [], states: [] }

export const isFiltered = ({ kinds, areas, states }: Filter): boolean => kinds.length + areas.length + states.length > 0

/** A list with the value in it if it was not, without it if it was. */
export const toggled = <T>(list: readonly T[], value: T): T[] =>
  list.includes(value) ? list.filter(other => other !== value) : [...list, value]

/** Groups in the order of the kinds, each with the free machines first and the unknown ones last. */
export const groupsOf = (machines: readonly MachineView[], filter: Filter): Group[] => {
  const { kinds, areas, states } = filter
  const shown = machines.filter(
    machine =>
      (kinds.length === 0 || kinds.includes(machine.kind)) &&
      (areas.length === 0 || areas.includes(machine.area)) &&
      (states.length === 0 || states.some(state => (state === 'FREE' ? machine.free : machine.state === state))),
  )
  const byKind = Map.groupBy(shown, machine => machine.kind)
  return KIND_CODES.flatMap(kind => {
    const group = byKind.get(kind)
    return group === undefined ? [] : [{ kind, machines: group.toSorted((a, b) => rank(a) - rank(b)) }]
  })
}

/** For the figures at the top: of the chosen areas, whatever kinds and states are chosen. */
export const countKinds = (machines: readonly MachineView[], areas: readonly string[]): KindCount[] => {
  const counted = machines.filter(({ area }) => areas.length === 0 || areas.includes(area))
  const byKind = Map.groupBy(counted, machine => machine.kind)
  return KIND_CODES.flatMap(kind => {
    const group = byKind.get(kind)
    if (group === undefined) return []
    const states = STATE_CODES.map(state => ({ state, count: group.filter(machine => machine.state === state).length }))
    return [
      {
        kind,
        total: group.length,
        free: group.filter(({ free }) => free).length,
        idle: group.filter(({ state }) => state === 'IDLE').length,
        states: states.filter(({ count }) => count > 0),
      },
    ]
  })
}

export interface Area {
  readonly area: string
  readonly areaEn: string | null
}

/** Every area that has a machine, in the order of the register. */
export const areasOf = (machines: readonly MachineView[]): Area[] => [
  ...new Map(machines.map(({ area, areaEn }) => [area, { area, areaEn }] as const)).values(),
]

/** The machines with some of them replaced; one that is not among them is none of ours. */
export const withChanges = (machines: readonly MachineView[], changed: readonly MachineView[]): MachineView[] => {
  const byKey = new Map(changed.map(machine => [keyOf(machine), machine]))
  return machines.map(machine => byKey.get(keyOf(machine)) ?? machine)
}

export const keyOf = ({ shop, machine }: { readonly shop: string; readonly machine: string }): string =>
  `${shop}/${machine}`

const AFTER_FREE: readonly StateCode[] = ['SETUP', 'PAUSED', 'RUNNING', 'IDLE', 'ALARM', 'OFF', 'OFFLINE']

const rank = ({ free, state }: MachineView): number => (free ? 0 : 1 + AFTER_FREE.indexOf(state))

const unique = (list: readonly string[]): string[] => [...new Set(list)]
