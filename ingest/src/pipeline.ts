import type { Ack, AgentId } from '@nakama/contract'
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
  /** Whether this is the active ingest: another one only listens to who is there. */
  readonly isActive: () => boolean
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
  /** Time passed in which everybody could have been heard. */
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
}

export const startPipeline = async (options: PipelineOptions): Promise<Pipeline> => {
  const { store, letters, limits, isActive, now, random, log } = options
  const current = await store.currentStates()
  const storedBefore = current.flatMap(({ confirmed }) => (confirmed === undefined ? [] : [confirmed.to]))
  const machines = openMachines(current, limits.machines)
  const agents = openAgents(limits.agents)
  const metrics = createIngestMetrics(options.metrics, {
    agents: () => agents.size,
    machines: () => machines.size,
    queuedBytes: () => committer.queuedBytes,
    heldBytes: () => intake.heldBytes,
    active: () => Number(isActive()),
  })
  const shared = { now, log, metrics }

  const committer = startCommitter({
    ...{ store, machines, letters, random, ...shared },
    machinesOf: from => watch.machinesOf(from),
    gatherMs: limits.gatherMs,
    groupMaxBytes: limits.groupMaxBytes,
    onStored: batches => intake.stored(batches),
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
    tick: watch.tick,
    facts: () => ({
      refusedSince: committer.refusedSince,
      newestAt: committer.newestAt ?? storedBefore.reduce<number | undefined>(newest, undefined),
      queuedBytes: committer.queuedBytes + intake.heldBytes,
      agents: agents.size,
    }),
    stop: committer.stop,
  }
}

const newest = (a: number | undefined, b: number): number => Math.max(a ?? 0, b)
