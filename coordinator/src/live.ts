import type { Log, Metrics } from '@nakama/service'
import type { Feed, MachineView, ShopTakingView } from './api/schemas.ts'
import type { DesiredFile, DesiredTaking } from './desired-file.ts'
import {
  agentKey,
  type MachineKey,
  machinePresence,
  openPresence,
  type PresenceInput,
  type PresenceState,
  stepPresence,
} from './presence.ts'
import type { RegisteredMachine, RegisteredShop, RegisterIndex } from './register.ts'
import { nextRev, type ReportedTaking, type ShopTaking, shopTaking } from './taking.ts'
import { feedView, machineView, takingView } from './view.ts'

/** What is true now, of every registered machine, and what was asked of the shops. */
export interface Live {
  apply(input: PresenceInput): void
  machines(): MachineView[]
  machine(shop: RegisteredShop, machine: RegisteredMachine): MachineView
  taking(shop: RegisteredShop): ShopTakingView
  feed(): Feed
  /** Shops and machines as the core sees them, for reckoning. */
  readonly presence: PresenceState
  /** Remembers, durably, and hands to the shop's agents; resolves before they have answered. Throws as `DesiredFile.update`. */
  requestTaking(shop: RegisteredShop, value: boolean, until: number | null): Promise<void>
  /** One listener: the stream of events. */
  onChange: (machines: readonly MachineView[], feed: Feed | undefined) => void
}

export interface LiveOptions {
  readonly register: RegisterIndex
  readonly desired: DesiredFile
  readonly observed: () => ReadonlyMap<string, number>
  /** Publishes what is asked of a shop to all its agents; may have no connection to do so, and then does it at the next. */
  readonly publish: (shop: RegisteredShop, desired: DesiredTaking) => void
  readonly now: () => number
  readonly log: Log
  readonly metrics: Metrics
}

/** The shell of the pure presence: holds its state, counts what it ignores, tells what changed. */
export const createLive = (options: LiveOptions): Live => {
  const { register, desired, now, log, metrics } = options
  let state = openPresence(register, now())
  const statuses = metrics.counter('statuses', 'Status messages of agents')
  const ignoredStatuses = metrics.counter('statuses_ignored', 'Status messages, or parts, not believed', ['reason'])

  const reported = (shop: RegisteredShop): (ReportedTaking | undefined)[] =>
    shop.agents.map(agent => state.agents.get(agentKey(shop.id, agent))?.taking)

  const takingOf = (shop: RegisteredShop): ShopTaking => shopTaking(reported(shop), desired.get(shop.id)?.taking, now())

  const view = (shop: RegisteredShop, machine: RegisteredMachine, taking = takingOf(shop)): MachineView => {
    const observed = options.observed().get(`${shop.id}/${machine.id}`) ?? null
    return machineView(shop, machine, machinePresence(state, shop, machine.id), taking, observed)
  }

  const views = (keys: readonly MachineKey[]): MachineView[] =>
    keys.flatMap(key => {
      const shop = register.shop(key.shop)
      const machine = register.machine(key.shop, key.machine)
      return shop === undefined || machine === undefined ? [] : [view(shop, machine)]
    })

  const live: Live = {
    get presence() {
      return state
    },
    onChange: () => {},
    apply(input) {
      const { state: next, outputs } = stepPresence(state, input, now())
      state = next
      if (input.type === 'status') statuses.inc()
      for (const reason of outputs.ignored) ignoredStatuses.inc({ reason })
      if (outputs.changed.length === 0 && !outputs.feedChanged) return
      const changed = views(outputs.changed)
      for (const { shop, machine, state: code } of changed) log.debug({ shop, machine, state: code }, 'machine changed')
      live.onChange(changed, outputs.feedChanged ? live.feed() : undefined)
    },
    machines: () =>
      register.shops.flatMap(shop => {
        const taking = takingOf(shop)
        return shop.machines.map(machine => view(shop, machine, taking))
      }),
    machine: (shop, machine) => view(shop, machine),
    taking: shop => takingView(shop, takingOf(shop)),
    feed: () => feedView(state),
    async requestTaking(shop, value, until) {
      const entry = await desired.update(shop.id, before => ({
        at: now(),
        taking: { value, until, rev: nextRev(reported(shop), before?.taking) },
      }))
      log.info({ shop: shop.id, value, until, rev: entry.taking.rev }, 'taking asked of the shop')
      options.publish(shop, entry)
      live.onChange(
        shop.machines.map(machine => view(shop, machine)),
        undefined,
      )
    },
  }
  return live
}
