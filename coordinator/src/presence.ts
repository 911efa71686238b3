import {
  INTERVALS,
  isKnown,
  type MachineStatus,
  type StateCode,
  type Status,
  type StatusOffline,
  type StatusOnline,
} from '@nakama/contract'
import type { Listening } from './listening.ts'
import type { ReportedTaking } from './taking.ts'

/** What an agent last said, and when. */
export interface AgentPresence {
  readonly conn: string
  /** The status's own stamp, by which an older retained copy is recognised; null from a clock that nobody trusts. */
  readonly at: number | null
  /** When it said so, by our clock; null when only a retained status of an untrusted clock is known. */
  readonly heardAt: number | null
  /** The same on the listening clock. */
  readonly heardMs: number
  /** When its will came, on the listening clock. */
  readonly willMs: number | null
  readonly offline: boolean
  readonly taking: ReportedTaking
  /** Machines of this agent by the register only. */
  readonly machines: ReadonlyMap<string, SaidState>
}

interface SaidState {
  readonly code: StateCode
  readonly since: number
}

export type AgentInput =
  | { readonly type: 'status'; readonly status: Status; readonly retained: boolean }
  | { readonly type: 'tick' }

/** What was not believed, or said nothing new; it is counted. */
export type Ignored = 'unregistered-agent' | 'unregistered-machine' | 'older-retained' | 'stale-retained' | 'stale-will'

export interface AgentStep {
  /** Undefined: never heard. The same object when nothing has changed. */
  readonly agent: AgentPresence | undefined
  readonly ignored: readonly Ignored[]
}

export interface MachinePresence {
  readonly state: StateCode
  readonly since: number | null
  /** When its agent was last heard. */
  readonly asOf: number | null
}

/** Nobody is believed unheard for longer than this, however often our own connection came and went. */
const UNHEARD_MAX_MS = 2 * INTERVALS.statusStaleMs

/**
 * Who is there, from what an agent says and from its silence.
 *
 * Unknown is never idle: a machine has a state other than OFFLINE only because its agent said so in a status that was live,
 * or retained and less than 90 s old by a trusted clock; 30 s after the agent's will, or after 90 s unheard, it is OFFLINE. While
 * we are cut off ourselves the last view stays, and 90 s after we are back it must have been renewed.
 *
 * @param owned the machines that the register gives to this agent.
 * @param listening reckoned up to `now` (see `attend`).
 */
export const stepAgent = (
  owned: ReadonlySet<string>,
  before: AgentPresence | undefined,
  input: AgentInput,
  listening: Listening,
  now: number,
): AgentStep => {
  if (input.type === 'tick') {
    if (before === undefined || before.offline || !isSilent(before, listening)) return { agent: before, ignored: [] }
    return { agent: { ...before, offline: true }, ignored: [] }
  }
  return input.status.online
    ? online(owned, before, input.status, input.retained, listening, now)
    : will(before, input.status, listening)
}

/** @param lastKnown from the store, for a machine of which no agent has spoken yet: when anything was last known of it. */
export const machinePresence = (
  agent: AgentPresence | undefined,
  machine: string,
  lastKnown: number | null,
): MachinePresence => {
  const said = agent?.machines.get(machine)
  if (agent === undefined || said === undefined) return { state: 'OFFLINE', since: lastKnown, asOf: lastKnown }
  const { code, since } = said
  const asOf = agent.heardAt
  if (!agent.offline) return { state: code, since, asOf }
  return { state: 'OFFLINE', since: isKnown(code) ? asOf : since, asOf }
}

const online = (
  owned: ReadonlySet<string>,
  before: AgentPresence | undefined,
  status: StatusOnline,
  retained: boolean,
  { clockMs }: Listening,
  now: number,
): AgentStep => {
  const trusted = status.clock.synchronised
  if (retained && before !== undefined && before.at !== null && before.at >= status.at) {
    return { agent: before, ignored: ['older-retained'] }
  }
  const believed = !retained || (trusted && Math.abs(now - status.at) < INTERVALS.statusStaleMs)
  // After we were cut off: the last view stays until its time is up, and what lay in the broker does not change it.
  if (!believed && before?.offline === false) return { agent: before, ignored: ['stale-retained'] }
  const saidAt = !retained ? now : trusted ? Math.min(status.at, now) : (before?.heardAt ?? null)
  const said = saidMachines(owned, before, status, now)
  const agent: AgentPresence = {
    conn: status.conn,
    at: trusted ? status.at : null,
    heardAt: saidAt,
    heardMs: clockMs - (now - (saidAt ?? now)),
    willMs: null,
    offline: !believed,
    taking: status.taking,
    machines: said.machines,
  }
  return { agent, ignored: [...(believed ? [] : (['stale-retained'] as const)), ...said.ignored] }
}

/** A machine that its agent no longer mentions is unknown from then on. */
const saidMachines = (
  owned: ReadonlySet<string>,
  before: AgentPresence | undefined,
  status: StatusOnline,
  now: number,
): { machines: AgentPresence['machines']; ignored: Ignored[] } => {
  const machines = new Map<string, SaidState>()
  const ignored: Ignored[] = []
  for (const [machine, was] of before?.machines ?? []) {
    machines.set(machine, { code: 'OFFLINE', since: isKnown(was.code) ? (before?.heardAt ?? was.since) : was.since })
  }
  for (const [machine, said] of Object.entries(status.machines)) {
    if (!owned.has(machine)) ignored.push('unregistered-machine')
    else {
      const since = trustedSince(said, status.clock.synchronised, before?.machines.get(machine), now)
      machines.set(machine, { code: said.code, since })
    }
  }
  return { machines, ignored }
}

/** A Pi without a clock cannot say since when; then it is since we first heard it. Nothing is since the future. */
const trustedSince = (
  said: MachineStatus,
  synchronised: boolean,
  before: SaidState | undefined,
  now: number,
): number => {
  if (synchronised) return Math.min(said.since, now)
  return before?.code === said.code ? before.since : now
}

/** A will counts only for the connection that it names; a late one of an earlier connection says nothing about this one. */
const will = (before: AgentPresence | undefined, { conn }: StatusOffline, { clockMs }: Listening): AgentStep => {
  if (before === undefined || before.conn !== conn) return { agent: before, ignored: ['stale-will'] }
  return { agent: before.willMs === null ? { ...before, willMs: clockMs } : before, ignored: [] }
}

const isSilent = ({ heardMs, willMs }: AgentPresence, { clockMs, graceEndsMs }: Listening): boolean => {
  const unheardMs = clockMs - heardMs
  if (unheardMs >= UNHEARD_MAX_MS) return true
  if (clockMs < graceEndsMs) return false
  return unheardMs >= INTERVALS.statusStaleMs || (willMs !== null && clockMs - willMs >= INTERVALS.willGraceMs)
}
