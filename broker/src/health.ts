import { INTERVALS } from '@nakama/contract'
import type { Health } from '@nakama/service'

/** Times are milliseconds of one clock that never steps. */
export interface BrokerFacts {
  readonly listening: boolean
  readonly startedAt: number
  /** Of the last message taken from a client, and of the last one handed to a client; undefined before the first. */
  readonly messageInAt: number | undefined
  readonly messageOutAt: number | undefined
  /** Of the last message taken from an agent. */
  readonly agentHeardAt: number | undefined
  /** Since when there has been an agent without a break; undefined without one. */
  readonly agentsSince: number | undefined
  readonly agents: number
  readonly ingests: number
  readonly coordinators: number
  /** Connected, not authenticated. */
  readonly strangers: number
  readonly retained: number
  readonly waitingBytes: number
}

/**
 * Every agent says something each minute. So agents that are connected and a broker that hears nothing from them mean that
 * somebody must look; a broker without agents has nothing to hear.
 */
export const brokerHealth = (facts: BrokerFacts, now: number): Health => {
  const age = (at: number | undefined): number | null => (at === undefined ? null : Math.round(now - at))
  const silentMs =
    facts.agentsSince === undefined ? 0 : now - Math.max(facts.agentsSince, facts.agentHeardAt ?? facts.agentsSince)
  return {
    ok: facts.listening && silentMs <= INTERVALS.statusStaleMs,
    ready: facts.listening,
    details: {
      lastMessageInAgeMs: age(facts.messageInAt),
      lastMessageOutAgeMs: age(facts.messageOutAt),
      lastHeardOfAgentsAgeMs: age(facts.agentHeardAt),
      upMs: Math.round(now - facts.startedAt),
      agents: facts.agents,
      ingests: facts.ingests,
      coordinators: facts.coordinators,
      strangers: facts.strangers,
      retained: facts.retained,
      outgoingWaitingBytes: facts.waitingBytes,
    },
  }
}
