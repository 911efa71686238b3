import type { AgentId } from '@nakama/contract'
import type { AgentLive } from '../live/agent.ts'
import { NO_POSITIONS, type Positions } from './positions.ts'
import type { TwinState } from './twins.ts'

/** What is remembered of one agent; all of it may be forgotten, and comes back with what the agent says. */
export interface Agent {
  readonly id: AgentId
  /** Changed through `Agents.place` alone. */
  positions: Positions
  readonly twins: Map<string, TwinState>
  /** Granted by the ack before. */
  windowBytes: number | undefined
  sentAt: number
  /** Taken and not yet stored. */
  inHandBytes: number
  live: AgentLive | undefined
  warnedOfVersion: boolean
  twinsToldAt: number
  /** When it last sent something of the far future. */
  aheadAt: number
  aheadToldAt: number
}

export interface Agents {
  /** Remembered from now on. */
  of(id: AgentId): Agent
  find(id: AgentId): Agent | undefined
  all(): IterableIterator<Agent>
  place(agent: Agent, positions: Positions): void
  /** Held over all agents. */
  readonly heldBytes: number
  readonly size: number
}

/** @param maxAgents beyond it the one that was added first is forgotten. */
export const openAgents = (maxAgents: number): Agents => {
  const agents = new Map<string, Agent>()
  let heldBytes = 0

  const place = (agent: Agent, positions: Positions): void => {
    heldBytes += positions.heldBytes - agent.positions.heldBytes
    agent.positions = positions
  }
  const forgetFirst = (): void => {
    const [key, agent] = agents.entries().next().value as [string, Agent]
    place(agent, NO_POSITIONS)
    agents.delete(key)
  }

  return {
    of(id) {
      const key = keyOf(id)
      const found = agents.get(key)
      if (found !== undefined) return found
      if (agents.size >= maxAgents) forgetFirst()
      const agent: Agent = {
        id: { shop: id.shop, agent: id.agent },
        positions: NO_POSITIONS,
        twins: new Map(),
        windowBytes: undefined,
        sentAt: 0,
        inHandBytes: 0,
        live: undefined,
        warnedOfVersion: false,
        twinsToldAt: 0,
        aheadAt: 0,
        aheadToldAt: 0,
      }
      agents.set(key, agent)
      return agent
    },
    find: id => agents.get(keyOf(id)),
    all: () => agents.values(),
    place,
    get heldBytes() {
      return heldBytes
    },
    get size() {
      return agents.size
    },
  }
}

const keyOf = ({ shop, agent }: AgentId): string => `${shop}/${agent}`
