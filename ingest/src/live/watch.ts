import { type AgentId, decodeStatus } from '@nakama/contract'
import type { Log } from '@nakama/service'
import type { CurrentState, MachineRef } from '@nakama/store'
import type { Agents } from '../intake/agents.ts'
import type { IngestMetrics } from '../metrics.ts'
import type { Claim } from '../timeline/intervals.ts'
import { type Machines, machineKey } from '../timeline/machines.ts'
import { type AgentLive, type LiveInput, stepLive, unheard } from './agent.ts'

export interface WatchOptions {
  readonly agents: Agents
  readonly machines: Machines
  /** Machines that the store knows; nobody is heard for them until an agent speaks. */
  readonly current: readonly CurrentState[]
  readonly presume: (ref: MachineRef, claim: Claim) => void
  readonly now: () => number
  readonly log: Log
  readonly metrics: IngestMetrics
}

/** Keeps the recent past close to the present while records are silent. */
export interface Watch {
  status(from: AgentId, payload: string, retained: boolean): void
  /** Time passed in which every agent could have been heard. */
  tick(): void
  machinesOf(from: AgentId): readonly string[]
}

export const createWatch = (options: WatchOptions): Watch => {
  const { agents, machines, presume, now, log, metrics } = options
  /** Machines without an agent, each with when it was last known. */
  const orphans = new Map<string, { readonly shop: string; readonly live: AgentLive }>()
  for (const { series, code, since, to } of options.current) {
    const heardAt = code === 'OFFLINE' ? since : to
    const live = unheard(heardAt, { [series.machine]: { kind: series.kind, code, since } })
    orphans.set(machineKey(series), { shop: series.shop, live })
  }

  const feed = (shop: string, live: AgentLive, input: LiveInput): AgentLive => {
    const { state, presumed, ignored } = stepLive(live, input, now())
    if (input.type === 'status') metrics.statuses.inc({ outcome: ignored ?? 'taken' })
    for (const { machine, ...claim } of presumed) {
      const news = machines.presumption({ shop, machine }, claim)
      if (news !== undefined) presume({ shop, machine }, news)
    }
    return state
  }

  return {
    status(from, payload, retained) {
      const decoded = decodeStatus(payload)
      if (!decoded.ok) {
        metrics.statuses.inc({ outcome: 'malformed' })
        log.debug(
          { shop: from.shop, agent: from.agent, reason: decoded.problem, code: 'STATUS_MALFORMED' },
          'status not understood',
        )
        return
      }
      const status = decoded.value
      if (status.online) {
        for (const [machine, { kind }] of Object.entries(status.machines)) {
          machines.describe({ shop: from.shop, machine }, kind)
          orphans.delete(machineKey({ shop: from.shop, machine }))
        }
      }
      const agent = agents.of(from)
      agent.live = feed(from.shop, agent.live ?? unheard(0), { type: 'status', status, retained })
    },
    tick() {
      for (const agent of agents.all()) {
        if (agent.live !== undefined) agent.live = feed(agent.id.shop, agent.live, { type: 'tick' })
      }
      for (const { shop, live } of orphans.values()) feed(shop, live, { type: 'tick' })
    },
    machinesOf: from => Object.keys(agents.find(from)?.live?.machines ?? {}),
  }
}
