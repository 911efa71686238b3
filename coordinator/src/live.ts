import { NakamaError, type Status } from '@nakama/contract'
import type { Log, Metrics } from '@nakama/service'
import type { Feed, MachineView, ShopTakingView } from './api/schemas.ts'
import type { DesiredFile, DesiredTaking } from './desired-file.ts'
import { openIngestPresence, stepIngest } from './ingest-presence.ts'
import { attend, openListening, withFeed } from './listening.ts'
import { type AgentInput, type AgentPresence, type Ignored, machinePresence, stepAgent } from './presence.ts'
import { agentOf, machineKey, type RegisteredShop, type RegisterIndex } from './register.ts'
import { nextRev, type ReportedTaking, type ShopTaking, shopTaking } from './taking.ts'
import { feedView, looksDifferent, machineView, takingView } from './view.ts'

export type LiveInput =
  | {
      readonly type: 'status'
      readonly shop: string
      readonly agent: string
      readonly status: Status
      readonly retained: boolean
    }
  /** Our own connection to the broker. */
  | { readonly type: 'feed'; readonly up: boolean }
  | { readonly type: 'ingest'; readonly id: string; readonly online: boolean }
  /** From the store: when anything was last known, by `machineKey`. Counts until a machine's agent is heard. */
  | { readonly type: 'history'; readonly lastKnown: ReadonlyMap<string, number> }
  /** From the store: known share of the last 24 h, by `machineKey`. */
  | { readonly type: 'observed'; readonly shares: ReadonlyMap<string, number> }
  /** Once a second. */
  | { readonly type: 'tick' }

/** What is true now, of every registered machine, and what was asked of the shops. */
export interface Live {
  apply(input: LiveInput): void
  /** In the register's order. */
  machines(): MachineView[]
  machine(shop: string, machine: string): MachineView | undefined
  taking(shop: RegisteredShop): ShopTakingView
  feed(): Feed
  /** When any registered agent was last heard. */
  readonly heardAt: number | null
  /** Remembers, durably, and hands to the shop's agents; resolves before they have answered. Throws as `DesiredFile.update`. */
  requestTaking(shop: RegisteredShop, value: boolean, until: number | null): Promise<void>
}

export interface LiveOptions {
  readonly register: RegisterIndex
  readonly desired: DesiredFile
  /** Publishes what is asked of a shop to all its agents; may have no connection to do so, and then does it at the next. */
  readonly publish: (shop: RegisteredShop, desired: DesiredTaking) => void
  /** Machines that look different now, and our own reception if it changed. */
  readonly onChange: (machines: MachineView[], feed: Feed | undefined) => void
  readonly now: () => number
  readonly log: Log
  readonly metrics: Metrics
}

interface ShopNow {
  readonly shop: RegisteredShop
  readonly agents: Map<string, AgentPresence>
  readonly owned: ReadonlyMap<string, ReadonlySet<string>>
  /** As they were last told. */
  views: readonly MachineView[]
}

/** Holds what the pure steps return, agent by agent, counts what they ignore, tells what looks different. */
export const createLive = (options: LiveOptions): Live => {
  const { register, desired, onChange, now, log, metrics } = options
  let listening = openListening(now())
  let ingest = openIngestPresence(now())
  let lastKnown: ReadonlyMap<string, number> = new Map()
  let observed: ReadonlyMap<string, number> = new Map()
  let heardAt: number | null = null
  const statuses = metrics.counter('statuses', 'Status messages of agents')
  const ignoredStatuses = metrics.counter('statuses_ignored', 'Status messages, or parts, not believed', ['reason'])

  const reported = ({ shop, agents }: ShopNow): (ReportedTaking | undefined)[] =>
    shop.agents.map(agent => agents.get(agent)?.taking)

  const takingOf = (shopNow: ShopNow): ShopTaking =>
    shopTaking(reported(shopNow), desired.get(shopNow.shop.id)?.taking, now())

  const viewsOf = (shopNow: ShopNow): MachineView[] => {
    const { shop, agents } = shopNow
    const taking = takingOf(shopNow)
    return shop.machines.map(machine => {
      const key = machineKey(shop.id, machine.id)
      const presence = machinePresence(agents.get(agentOf(shop, machine)), machine.id, lastKnown.get(key) ?? null)
      return machineView(shop, machine, presence, taking, observed.get(key) ?? null)
    })
  }

  const shops = new Map(register.shops.map(shop => [shop.id, openShop(shop)]))
  for (const shopNow of shops.values()) shopNow.views = viewsOf(shopNow)

  const nowOf = ({ id }: RegisteredShop): ShopNow => {
    const shopNow = shops.get(id)
    if (shopNow !== undefined) return shopNow
    throw new NakamaError('COORDINATOR_SHOP_UNKNOWN', `expected a shop of the register, got ${id}`)
  }

  const refresh = (shopNow: ShopNow): MachineView[] => {
    const before = shopNow.views
    shopNow.views = viewsOf(shopNow)
    return shopNow.views.filter((view, i) => looksDifferent(before[i], view))
  }
  const refreshAll = (): MachineView[] => [...shops.values()].flatMap(refresh)

  const stepOne = (shopNow: ShopNow, agent: string, input: AgentInput): boolean => {
    const before = shopNow.agents.get(agent)
    const owned = shopNow.owned.get(agent) ?? new Set()
    const { agent: after, ignored } = stepAgent(owned, before, input, listening, now())
    for (const reason of ignored) ignoredStatuses.inc({ reason })
    if (after === undefined || after === before) return false
    shopNow.agents.set(agent, after)
    return true
  }

  const hear = (input: LiveInput & { type: 'status' }): MachineView[] => {
    statuses.inc()
    const shopNow = shops.get(input.shop)
    if (!shopNow?.owned.has(input.agent)) {
      ignoredStatuses.inc({ reason: 'unregistered-agent' satisfies Ignored })
      return []
    }
    heardAt = now()
    return stepOne(shopNow, input.agent, input) ? refresh(shopNow) : []
  }

  const tick = (): MachineView[] => {
    ingest = stepIngest(ingest, { type: 'tick' }, listening, now())
    const changed: MachineView[] = []
    const at = new Date(now()).toISOString()
    for (const shopNow of shops.values()) {
      let moved = lapsed(shopNow.views[0], at)
      for (const agent of shopNow.shop.agents) moved = stepOne(shopNow, agent, { type: 'tick' }) || moved
      if (moved) changed.push(...refresh(shopNow))
    }
    return changed
  }

  const changedBy = (input: LiveInput): MachineView[] => {
    if (input.type === 'status') return hear(input)
    if (input.type === 'tick') return tick()
    if (input.type === 'feed') {
      listening = withFeed(listening, input.up, now())
      if (input.up) ingest = stepIngest(ingest, { type: 'feed-up' }, listening, now())
      return []
    }
    if (input.type === 'ingest') {
      ingest = stepIngest(ingest, { ...input, type: 'presence' }, listening, now())
      return []
    }
    if (input.type === 'history') lastKnown = input.lastKnown
    else observed = input.shares
    return refreshAll()
  }

  const feed = (): Feed => feedView(listening, ingest)

  return {
    get heardAt() {
      return heardAt
    },
    apply(input) {
      const [wasUp, wasStored] = [listening.up, ingest.connected]
      listening = attend(listening, now())
      const changed = changedBy(input)
      const feedChanged = wasUp !== listening.up || wasStored !== ingest.connected
      if (feedChanged) log.info({ feed: feed() }, 'reception changed')
      for (const { shop, machine, state } of changed) log.debug({ shop, machine, state }, 'machine changed')
      if (changed.length > 0 || feedChanged) onChange(changed, feedChanged ? feed() : undefined)
    },
    machines: () => [...shops.values()].flatMap(({ views }) => views),
    machine: (shop, machine) => shops.get(shop)?.views.find(view => view.machine === machine),
    taking: shop => takingView(shop, takingOf(nowOf(shop))),
    feed,
    async requestTaking(shop, value, until) {
      const shopNow = nowOf(shop)
      const entry = await desired.update(shop.id, before => ({
        at: now(),
        taking: { value, until, rev: nextRev(reported(shopNow), before?.taking) },
      }))
      log.info({ shop: shop.id, value, until, rev: entry.taking.rev }, 'taking asked of the shop')
      options.publish(shop, entry)
      const changed = refresh(shopNow)
      if (changed.length > 0) onChange(changed, undefined)
    },
  }
}

const openShop = (shop: RegisteredShop): ShopNow => {
  const byAgent = Map.groupBy(shop.machines, machine => agentOf(shop, machine))
  const owned = new Map(shop.agents.map(agent => [agent, new Set(byAgent.get(agent)?.map(({ id }) => id))]))
  return { shop, agents: new Map(), owned, views: [] }
}

/** An answer or a request with an end has come to it; times of one form compare as text. */
const lapsed = (view: MachineView | undefined, at: string): boolean =>
  [view?.takingUntil, view?.takingRequest?.until].some(until => until != null && until <= at)
