import type { AgentId } from '@nakama/contract'
import type { AgentLive } from '../live/agent.ts'
import { NO_POSITIONS, type Positions } from './positions.ts'
import type { TwinState } from './twins.ts'

/** What is remembered of one agent; all of it may be forgotten, and comes back with what the agent says. */
export interface Agent {
  readonly id: AgentId
  positions: Positions
  readonly twins: Map<string, TwinState>
  /** Granted by the ack before. */
  windowBytes: number | undefined
  sentAt: number
  live: AgentLive | undefined
  warnedOfVersion: boolean
}

export interface Agents {
  of(id: AgentId): Agent
  find(id: AgentId): Agent | undefined
  all(): IterableIterator<Agent>
  readonly size: number
}

/** @param maxAgents beyond it the one that was added first is forgotten. */
export const openAgents = (maxAgents: number): Agents => {
  const agents = new Map<string, Agent>()
  return {
    of(id) {
      const key = keyOf(id)
      const found = agents.get(key)
      if (found !== undefined) return found
      if (agents.size >= maxAgents) agents.delete(agents.keys().next().value as string)
      const agent: Agent = {
        id: { shop: id.shop, agent: id.agent },
        positions: NO_POSITIONS,
        twins: new Map(),
        windowBytes: undefined,
        sentAt: 0,
        live: undefined,
        warnedOfVersion: false,
      }
      agents.set(key, agent)
      return agent
    },
    find: id => agents.get(keyOf(id)),
    all: () => agents.values(),
    get size() {
      return agents.size
    },
  }
}

const keyOf = ({ shop, agent }: AgentId): string => `${shop}/${agent}`
