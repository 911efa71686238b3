import { isId } from './ids.ts'

const ROOT = 'nakama/v1'

export interface AgentId {
  readonly shop: string
  readonly agent: string
}

export const AGENT_LEAVES = ['records', 'ack', 'status', 'desired'] as const

export type AgentLeaf = (typeof AGENT_LEAVES)[number]

/** Topics of one agent: `nakama/v1/<shop>/<agent>/<leaf>`. */
export const agentTopic = ({ shop, agent }: AgentId, leaf: AgentLeaf): string => `${ROOT}/${shop}/${agent}/${leaf}`

/** The same leaf of every agent, as a subscription filter. */
export const everyAgentFilter = (leaf: AgentLeaf): string => `${ROOT}/+/+/${leaf}`

/** Presence of one ingest: `nakama/v1/_ingest/<id>/status`. No shop can be called `_ingest`: ids have no underscore. */
export const ingestTopic = (id: string): string => `${ROOT}/_ingest/${id}/status`

export const EVERY_INGEST_FILTER = `${ROOT}/_ingest/+/status`

export type ParsedTopic =
  | ({ readonly type: 'agent'; readonly leaf: AgentLeaf } & AgentId)
  | { readonly type: 'ingest'; readonly id: string }

/** What a topic is about, or undefined for a topic that is not ours. Never throws. */
export const parseTopic = (topic: string): ParsedTopic | undefined => {
  const parts = topic.split('/')
  if (parts.length !== 5 || parts[0] !== 'nakama' || parts[1] !== 'v1') return undefined
  const [shop, agent, leaf] = [parts[2] as string, parts[3] as string, parts[4] as string]
  if (shop === '_ingest') return leaf === 'status' && isId(agent) ? { type: 'ingest', id: agent } : undefined
  if (!isId(shop) || !isId(agent) || !isLeaf(leaf)) return undefined
  return { type: 'agent', shop, agent, leaf }
}

const isLeaf = (text: string): text is AgentLeaf => (AGENT_LEAVES as readonly string[]).includes(text)
