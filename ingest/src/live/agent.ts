import { INTERVALS, type MachineStatus, type Status, type StatusOnline } from '@nakama/contract'
import type { Claim } from '../timeline/intervals.ts'
import { minuteOf } from '../timeline/rollup.ts'

/** What one agent last said of now. Times are milliseconds since 1970 UTC. */
export interface AgentLive {
  readonly conn: string | undefined
  /** The newest status's own stamp. */
  readonly at: number
  /** Up to when it is known that the agent watched; 0 when nobody can tell. */
  readonly heardAt: number
  /** When the will of the present connection came. */
  readonly willAt: number | undefined
  readonly machines: { readonly [machine: string]: Pick<MachineStatus, 'kind' | 'code' | 'since'> }
}

export const unheard = (heardAt: number, machines: AgentLive['machines'] = {}): AgentLive => ({
  conn: undefined,
  at: 0,
  heardAt,
  willAt: undefined,
  machines,
})

export type LiveInput =
  /** `retained`: the broker had kept it from before. */
  | { readonly type: 'status'; readonly status: Status; readonly retained: boolean }
  /** Time passed in which the agent could have been heard. */
  | { readonly type: 'tick' }

export type Ignored = 'stale-will' | 'stale' | 'older-retained'

/** A state that is presumed until the agent's own record of that time arrives. It ends on the one-minute grid. */
export interface Presumed extends Claim {
  readonly machine: string
}

/** A live status reaches back at most so far: the present is drawn on, the past is told by records. */
const REACH_MAX_MS = 24 * 3_600_000

/**
 * Draws the present on, minute by minute, between the records of an agent: what its live status says up to that status,
 * never beyond; OFFLINE since it was last heard once its will is 30 s old or it was unheard for 90 s.
 */
export const stepLive = (
  before: AgentLive,
  input: LiveInput,
  now: number,
): { readonly state: AgentLive; readonly presumed: Presumed[]; readonly ignored?: Ignored } => {
  if (input.type === 'tick') return { state: before, presumed: isSilent(before, now) ? silence(before, now) : [] }
  const { status, retained } = input
  if (status.online) return online(before, status, retained, now)
  // The will of a connection that was replaced meanwhile says nothing about the present one.
  if (status.conn !== before.conn) return { state: before, presumed: [], ignored: 'stale-will' }
  return { state: { ...before, willAt: before.willAt ?? now }, presumed: [] }
}

const online = (
  before: AgentLive,
  status: StatusOnline,
  retained: boolean,
  now: number,
): ReturnType<typeof stepLive> => {
  if (retained && status.at <= before.at) return { state: before, presumed: [], ignored: 'older-retained' }
  const isFresh = Math.abs(now - status.at) < INTERVALS.statusStaleMs
  const isTrusted = !retained || (isFresh && status.clock.synchronised)
  const said = { ...before, conn: status.conn, at: status.at, machines: status.machines }
  const saidAt = !retained ? now : status.clock.synchronised ? Math.min(status.at, now) : 0
  const heardAt = Math.max(saidAt, before.heardAt)
  if (!isTrusted) return { state: { ...said, heardAt }, presumed: [], ignored: 'stale' }
  const state: AgentLive = { ...said, heardAt, willAt: undefined }
  // An agent with a wrong clock is there, but what it says cannot be put into place before its records are.
  if (!isFresh) return { state, presumed: [], ignored: 'stale' }
  return { state, presumed: drawn(status, Math.min(status.at, now)) }
}

const drawn = ({ machines }: StatusOnline, at: number): Presumed[] => {
  const to = minuteOf(at)
  return Object.entries(machines).map(([machine, { code, since }]) => ({
    machine,
    code,
    since,
    from: Math.max(since, to - REACH_MAX_MS),
    to,
  }))
}

const isSilent = ({ heardAt, willAt }: AgentLive, now: number): boolean =>
  (willAt !== undefined && now - willAt >= INTERVALS.willGraceMs) || now - heardAt >= INTERVALS.statusStaleMs

const silence = ({ heardAt, machines }: AgentLive, now: number): Presumed[] => {
  const to = minuteOf(now)
  return Object.entries(machines).map(([machine, { code, since }]) => ({
    machine,
    code: 'OFFLINE',
    // It was OFFLINE before its agent fell silent.
    since: code === 'OFFLINE' ? Math.min(since, heardAt) : heardAt,
    from: Math.max(heardAt, to - REACH_MAX_MS),
    to,
  }))
}
