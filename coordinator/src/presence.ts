import {
  INTERVALS,
  isKnown,
  type MachineStatus,
  type StateCode,
  type Status,
  type StatusOffline,
  type StatusOnline,
} from '@nakama/contract'
import type { RegisteredShop, RegisterIndex } from './register.ts'

export interface MachineKey {
  readonly shop: string
  readonly machine: string
}

/** What an agent last said, and when. */
export interface AgentPresence {
  readonly conn: string
  /** The status's own stamp, by which an older retained copy is recognised. */
  readonly at: number
  /** When it said so, by our clock; null when only a status of an unsynchronised clock is known. */
  readonly heardAt: number | null
  /** The feed's clock (see `feedClock`) at that time: unheard time counts only while we could have heard. */
  readonly heardFeedMs: number
  /** The feed's clock when its will came. */
  readonly willFeedMs: number | null
  readonly offline: boolean
  readonly taking: StatusOnline['taking']
  /** Registered machines only. */
  readonly machines: { readonly [machine: string]: { readonly code: StateCode; readonly since: number } }
}

export interface PresenceState {
  readonly register: RegisterIndex
  /** Our own connection to the broker. `before`: it was up before, so what is shown is an earlier view. */
  readonly feed: {
    readonly up: boolean
    readonly since: number
    readonly upMs: number
    readonly before: boolean
    readonly heardAt: number | null
  }
  readonly agents: ReadonlyMap<string, AgentPresence>
  /** From the store: when anything was last known of a machine. Counts until an agent says something. */
  readonly lastKnown: ReadonlyMap<string, number>
  readonly tickedAt: number
}

export type PresenceInput =
  | {
      readonly type: 'status'
      readonly shop: string
      readonly agent: string
      readonly status: Status
      readonly retained: boolean
    }
  | { readonly type: 'feed'; readonly up: boolean }
  | { readonly type: 'history'; readonly lastKnown: ReadonlyMap<string, number> }
  | { readonly type: 'tick' }

export type Ignored = 'unregistered-agent' | 'unregistered-machine' | 'older-retained' | 'stale-retained' | 'stale-will'

export interface PresenceOutputs {
  /** Machines that now look different (state, since or the shop's taking). */
  readonly changed: readonly MachineKey[]
  readonly feedChanged: boolean
  /** What was counted and not believed. */
  readonly ignored: readonly Ignored[]
}

export interface MachinePresence {
  readonly state: StateCode
  readonly since: number | null
  /** When its agent was last heard. */
  readonly asOf: number | null
}

export const openPresence = (register: RegisterIndex, now: number): PresenceState => ({
  register,
  feed: { up: false, since: now, upMs: 0, before: false, heardAt: null },
  agents: new Map(),
  lastKnown: new Map(),
  tickedAt: now,
})

/**
 * Who is there, from what agents say and from silence.
 *
 * Unknown is never idle: a machine has a state other than OFFLINE only because its agent said so in a status that was live,
 * or retained and less than 90 s old; 30 s after its will, or after 90 s unheard, it is OFFLINE. While we are cut off from the
 * broker ourselves the last view stays (and `feed.up` says that it is one); 90 s after we are back it must have been renewed.
 */
export const stepPresence = (
  state: PresenceState,
  input: PresenceInput,
  now: number,
): { state: PresenceState; outputs: PresenceOutputs } => {
  if (input.type === 'tick') return tick(state, now)
  if (input.type === 'feed') return feed(state, input.up, now)
  if (input.type === 'history') {
    const next = { ...state, lastKnown: input.lastKnown }
    return { state: next, outputs: { ...NOTHING, changed: everyMachine(state.register) } }
  }
  const shop = state.register.shop(input.shop)
  if (!shop?.agents.includes(input.agent)) return ignore(state, 'unregistered-agent')
  const heard = { ...state, feed: { ...state.feed, heardAt: now } }
  return input.status.online
    ? online(heard, shop, input.agent, input.status, input.retained, now)
    : will(heard, shop, input.agent, input.status, now)
}

/** A registered machine nobody ever spoke of is OFFLINE, never absent. */
export const machinePresence = (state: PresenceState, shop: RegisteredShop, machine: string): MachinePresence => {
  const spokesman = speaksFor(state, shop, machine)
  if (spokesman === undefined) {
    const last = state.lastKnown.get(`${shop.id}/${machine}`) ?? null
    return { state: 'OFFLINE', since: last, asOf: last }
  }
  const { code, since } = spokesman.machines[machine]!
  const asOf = spokesman.heardAt
  if (!spokesman.offline) return { state: code, since, asOf }
  return { state: 'OFFLINE', since: isKnown(code) ? asOf : since, asOf }
}

export const agentKey = (shop: string, agent: string): string => `${shop}/${agent}`

const NOTHING: PresenceOutputs = { changed: [], feedChanged: false, ignored: [] }
const GRANT_MS = INTERVALS.statusStaleMs
/** A feed that comes and goes grants 90 s each time; but nobody is believed after twice that, unheard, of connected time. */
const UNHEARD_MAX_MS = 2 * INTERVALS.statusStaleMs

const online = (
  state: PresenceState,
  shop: RegisteredShop,
  agent: string,
  status: StatusOnline,
  retained: boolean,
  now: number,
) => {
  const key = agentKey(shop.id, agent)
  const before = state.agents.get(key)
  if (retained && before !== undefined && before.at >= status.at) return ignore(state, 'older-retained')
  const ignored: Ignored[] = []
  const trusted = status.clock.synchronised
  const believed = !retained || (trusted && Math.abs(now - status.at) < INTERVALS.statusStaleMs)
  if (!believed) ignored.push('stale-retained')
  const saidAt = !retained ? now : trusted ? Math.min(status.at, now) : null
  const next: AgentPresence = {
    conn: status.conn,
    at: status.at,
    heardAt: saidAt,
    heardFeedMs: believed ? feedClock(state, now) - (now - (saidAt ?? now)) : (before?.heardFeedMs ?? 0),
    willFeedMs: believed ? null : (before?.willFeedMs ?? null),
    offline: believed ? false : (before?.offline ?? true),
    taking: status.taking,
    machines: merge(state, shop, status, before, now, ignored),
  }
  const after = { ...state, agents: new Map(state.agents).set(key, next) }
  return { state: after, outputs: { ...NOTHING, changed: differences(state, after, shop), ignored } }
}

/** A machine that an agent no longer mentions is unknown from then on. */
const merge = (
  state: PresenceState,
  shop: RegisteredShop,
  status: StatusOnline,
  before: AgentPresence | undefined,
  now: number,
  ignored: Ignored[],
): AgentPresence['machines'] => {
  const machines: { [machine: string]: { code: StateCode; since: number } } = {}
  for (const [machine, was] of Object.entries(before?.machines ?? {})) {
    machines[machine] = { code: 'OFFLINE', since: isKnown(was.code) ? (before?.heardAt ?? was.since) : was.since }
  }
  for (const [machine, said] of Object.entries(status.machines)) {
    if (state.register.machine(shop.id, machine) === undefined) ignored.push('unregistered-machine')
    else {
      const since = trustedSince(said, status.clock.synchronised, before?.machines[machine], now)
      machines[machine] = { code: said.code, since }
    }
  }
  return machines
}

/** A Pi without a clock cannot say since when; then it is since we first heard it. Nothing is since the future. */
const trustedSince = (
  said: MachineStatus,
  synchronised: boolean,
  before: { readonly code: StateCode; readonly since: number } | undefined,
  now: number,
): number => {
  if (synchronised) return Math.min(said.since, now)
  return before?.code === said.code ? before.since : now
}

/** A will counts only for the connection that it names; a late one of an earlier connection says nothing about this one. */
const will = (state: PresenceState, shop: RegisteredShop, agent: string, status: StatusOffline, now: number) => {
  const key = agentKey(shop.id, agent)
  const before = state.agents.get(key)
  if (before === undefined || before.conn !== status.conn) return ignore(state, 'stale-will')
  if (before.willFeedMs !== null) return { state, outputs: NOTHING }
  const next = { ...before, willFeedMs: feedClock(state, now) }
  return { state: { ...state, agents: new Map(state.agents).set(key, next) }, outputs: NOTHING }
}

const feed = (state: PresenceState, up: boolean, now: number) => {
  if (state.feed.up === up) return { state, outputs: NOTHING }
  const { upMs, heardAt, before } = state.feed
  const next = up
    ? { up, since: now, upMs, before, heardAt }
    : { up, since: now, upMs: feedClock(state, now), before: true, heardAt }
  return { state: { ...state, feed: next }, outputs: { ...NOTHING, feedChanged: true } }
}

const tick = (state: PresenceState, now: number) => {
  let agents = state.agents
  const touched = new Set<RegisteredShop>()
  for (const shop of state.register.shops) {
    for (const agent of shop.agents) {
      const key = agentKey(shop.id, agent)
      const presence = state.agents.get(key)
      if (presence === undefined) continue
      if (lapsed(presence.taking.until, state.tickedAt, now)) touched.add(shop)
      if (presence.offline || !state.feed.up || !isSilent(state, presence, now)) continue
      if (agents === state.agents) agents = new Map(agents)
      ;(agents as Map<string, AgentPresence>).set(key, { ...presence, offline: true })
      touched.add(shop)
    }
  }
  const after = { ...state, agents, tickedAt: now }
  const changed = [...touched].flatMap(shop => machinesOf(shop))
  return { state: after, outputs: { ...NOTHING, changed } }
}

const isSilent = (state: PresenceState, presence: AgentPresence, now: number): boolean => {
  const clock = feedClock(state, now)
  const unheardMs = clock - presence.heardFeedMs
  if (unheardMs >= UNHEARD_MAX_MS) return true
  if (state.feed.before && now - state.feed.since < GRANT_MS) return false
  if (presence.willFeedMs !== null && clock - presence.willFeedMs >= INTERVALS.willGraceMs) return true
  return unheardMs >= INTERVALS.statusStaleMs
}

/** Milliseconds for which we have been connected, all in all. Silence can only be heard while connected. */
const feedClock = ({ feed }: PresenceState, now: number): number => feed.upMs + (feed.up ? now - feed.since : 0)

const lapsed = (until: number | null, before: number, now: number): boolean =>
  until !== null && before < until && until <= now

/** Of several agents that mention a machine, one that is there; else the one heard last. */
const speaksFor = (state: PresenceState, shop: RegisteredShop, machine: string): AgentPresence | undefined => {
  let best: AgentPresence | undefined
  for (const agent of shop.agents) {
    const presence = state.agents.get(agentKey(shop.id, agent))
    if (presence === undefined || !Object.hasOwn(presence.machines, machine)) continue
    if (best === undefined || rank(presence, machine) > rank(best, machine)) best = presence
  }
  return best
}

const rank = (presence: AgentPresence, machine: string): number =>
  (presence.offline || !isKnown(presence.machines[machine]!.code) ? 0 : 1e15) + (presence.heardAt ?? 0)

const differences = (before: PresenceState, after: PresenceState, shop: RegisteredShop): MachineKey[] => {
  const taking = shop.agents.some(agent => {
    const key = agentKey(shop.id, agent)
    return JSON.stringify(before.agents.get(key)?.taking) !== JSON.stringify(after.agents.get(key)?.taking)
  })
  return machinesOf(shop).filter(({ machine }) => {
    if (taking) return true
    const was = machinePresence(before, shop, machine)
    const is = machinePresence(after, shop, machine)
    return was.state !== is.state || was.since !== is.since
  })
}

const machinesOf = (shop: RegisteredShop): MachineKey[] =>
  shop.machines.map(machine => ({ shop: shop.id, machine: machine.id }))

const everyMachine = (register: RegisterIndex): MachineKey[] => register.shops.flatMap(machinesOf)

const ignore = (state: PresenceState, why: Ignored) => ({ state, outputs: { ...NOTHING, ignored: [why] } })
