import { type Ack, type AgentId, INTERVALS } from '@nakama/contract'
import type { Log, Metrics } from '@nakama/service'
import type { Store } from '@nakama/store'
import { startCommitter } from './commit/committer.ts'
import type { DeadLetters } from './commit/dead-letters.ts'
import { openAgents } from './intake/agents.ts'
import { createIntake } from './intake/intake.ts'
import { createWatch } from './live/watch.ts'
import { createIngestMetrics } from './metrics.ts'
import { openMachines } from './timeline/machines.ts'

export interface PipelineLimits {
  readonly gatherMs: number
  readonly queueMaxBytes: number
  readonly groupMaxBytes: number
  readonly agents: number
  readonly machines: number
}

export interface PipelineOptions {
  readonly store: Store
  readonly letters: DeadLetters
  readonly limits: PipelineLimits
  readonly publishAck: (to: AgentId, ack: Ack) => void
  /** Since when this is the active ingest; undefined while it is not, and only listens to who is there. */
  readonly activeSince: () => number | undefined
  readonly now: () => number
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

/** Everything between the broker and the store. */
export interface Pipeline {
  /** A `records` message. */
  records(from: AgentId, payload: string): void
  /** A `status` message. */
  status(from: AgentId, payload: string, retained: boolean): void
  /** Time passed. */
  tick(): void
  facts(): PipelineFacts
  /** Bounded in time; what is not stored by then is not acknowledged. */
  stop(): Promise<void>
}

export interface PipelineFacts {
  /** Since when the store refuses. */
  readonly refusedSince: number | undefined
  /** Time of the newest reading stored. */
  readonly newestAt: number | undefined
  readonly queuedBytes: number
  readonly agents: number
  /** Agents that are far ahead of our clock, among those that send. */
  readonly ahead: { readonly agents: number; readonly of: number }
}

export const startPipeline = async (options: PipelineOptions): Promise<Pipeline> => {
  const { store, letters, limits, activeSince, now, random, log } = options
  const isActive = (): boolean => activeSince() !== undefined
  const current = await store.currentStates()
  const storedBefore = current.flatMap(({ confirmed }) => (confirmed === undefined ? [] : [confirmed.to]))
  const machines = openMachines(current, limits.machines)
  const agents = openAgents(limits.agents)
  const metrics = createIngestMetrics(options.metrics, {
    agents: () => agents.size,
    machines: () => machines.size,
    queuedBytes: () => committer.queuedBytes,
    heldBytes: () => agents.heldBytes,
    active: () => Number(isActive()),
    agentsAhead: () => intake.aheadOfUs().agents,
  })
  const shared = { now, log, metrics }

  const committer = startCommitter({
    ...{ store, machines, letters, random, ...shared },
    machinesOf: from => watch.machinesOf(from),
    gatherMs: limits.gatherMs,
    groupMaxBytes: limits.groupMaxBytes,
    onStored: batches => intake.stored(batches),
    onAhead: (first, batches) => intake.ahead(first, batches),
  })
  const intake = createIntake({
    ...{ storeId: store.id, agents, ...shared },
    submit: committer.submit,
    bury: committer.bury,
    // One that is not active has nothing to say; the agent asks again.
    publishAck: (to, ack) => {
      if (isActive()) options.publishAck(to, ack)
    },
    queuedBytes: () => committer.queuedBytes,
    queueMaxBytes: limits.queueMaxBytes,
  })
  const watch = createWatch({
    ...{ agents, machines, current, ...shared },
    presume: (ref, claim) => {
      if (isActive()) committer.presume(ref, claim)
    },
  })

  return {
    records(from, payload) {
      if (isActive()) intake.records(from, payload)
      else metrics.shed.inc({ why: 'not-active' })
    },
    status: watch.status,
    tick() {
      const since = activeSince()
      // After ingest was cut off itself, everybody has the time to be heard again.
      if (since !== undefined && now() - since >= INTERVALS.statusStaleMs) watch.tick()
    },
    facts: () => ({
      refusedSince: committer.refusedSince,
      newestAt: committer.newestAt ?? storedBefore.reduce<number | undefined>(newest, undefined),
      queuedBytes: committer.queuedBytes + agents.heldBytes,
      agents: agents.size,
      ahead: intake.aheadOfUs(),
    }),
    stop: committer.stop,
  }
}

const newest = (a: number | undefined, b: number): number => Math.max(a ?? 0, b)
