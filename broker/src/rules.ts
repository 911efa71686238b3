import {
  type AgentLeaf,
  agentTopic,
  EVERY_INGEST_FILTER,
  everyAgentFilter,
  ingestTopic,
  isId,
  parseTopic,
} from '@nakama/contract'

export type Action = 'publish' | 'subscribe' | 'receive'
export type Verdict = { readonly ok: true } | { readonly ok: false; readonly why: string }

/** Whom a credential stands for. `username` is also the only client id that it may use. */
export type Principal =
  | { readonly role: 'agent'; readonly username: string; readonly shop: string; readonly agent: string }
  | { readonly role: 'ingest' | 'coordinator'; readonly username: string; readonly id: string }

export type Role = Principal['role']
export const ROLES: readonly Role[] = ['agent', 'ingest', 'coordinator']

/**
 * Who may say and hear what: the only place where this is decided. Denied unless granted below.
 *
 * @param topic the topic of a message, or the filter of a subscription.
 * @param how of a publish whether it is retained, of a publish or subscription its QoS.
 */
export const may = (
  principal: Principal,
  action: Action,
  topic: string,
  how: { readonly retain?: boolean; readonly qos?: number } = {},
): Verdict => {
  // No message of the contract has QoS 2, and Aedes keeps state for each one half done.
  if ((how.qos ?? 0) > 1) return no(principal, action, topic, `QoS ${how.qos}`)
  if (action === 'subscribe') {
    const granted = GRANTS[principal.role].receive.some(grant => filterOf(principal, grant) === topic)
    return granted ? YES : may(principal, 'receive', topic)
  }
  const grant = GRANTS[principal.role][action].find(candidate => covers(principal, candidate, topic))
  if (grant === undefined) return no(principal, action, topic)
  return action === 'publish' && how.retain && !grant.retain ? no(principal, action, topic, 'retained') : YES
}

/** `agent:<shop>:<agent>`, `ingest:<id>`, `coordinator:<id>`; undefined for any other name. */
export const principalOf = (username: string): Principal | undefined => {
  const [role, ...ids] = username.split(':')
  if (!ids.every(isId)) return undefined
  const [first, second] = ids
  if (role === 'agent' && ids.length === 2) {
    return { role, username, shop: first as string, agent: second as string }
  }
  return (role === 'ingest' || role === 'coordinator') && ids.length === 1
    ? { role, username, id: first as string }
    : undefined
}

interface Grant {
  /** An agent's topic by its leaf, or the presence of an ingest. */
  readonly what: AgentLeaf | 'presence'
  /** The principal's own only, or everybody's. */
  readonly whose: 'own' | 'every'
  readonly retain?: true
}

const PRESENCE: Grant = { what: 'presence', whose: 'every' }

const GRANTS: { readonly [role in Role]: { readonly publish: readonly Grant[]; readonly receive: readonly Grant[] } } =
  {
    agent: {
      publish: [
        { what: 'records', whose: 'own' },
        { what: 'status', whose: 'own', retain: true },
      ],
      receive: [
        { what: 'ack', whose: 'own' },
        { what: 'desired', whose: 'own' },
        { what: 'status', whose: 'own' },
        PRESENCE,
      ],
    },
    ingest: {
      publish: [
        { what: 'ack', whose: 'every' },
        { what: 'presence', whose: 'own', retain: true },
      ],
      receive: [{ what: 'records', whose: 'every' }, { what: 'status', whose: 'every' }, PRESENCE],
    },
    coordinator: {
      publish: [{ what: 'desired', whose: 'every', retain: true }],
      receive: [{ what: 'status', whose: 'every' }, { what: 'desired', whose: 'every' }, PRESENCE],
    },
  }

const filterOf = (principal: Principal, { what, whose }: Grant): string => {
  if (what === 'presence') {
    return whose === 'own' && principal.role === 'ingest' ? ingestTopic(principal.id) : EVERY_INGEST_FILTER
  }
  return whose === 'own' && principal.role === 'agent' ? agentTopic(principal, what) : everyAgentFilter(what)
}

const covers = (principal: Principal, { what, whose }: Grant, topic: string): boolean => {
  const parsed = parseTopic(topic)
  if (parsed === undefined) return false
  if (parsed.type === 'ingest') {
    return what === 'presence' && (whose === 'every' || (principal.role === 'ingest' && principal.id === parsed.id))
  }
  if (what !== parsed.leaf) return false
  return (
    whose === 'every' ||
    (principal.role === 'agent' && principal.shop === parsed.shop && principal.agent === parsed.agent)
  )
}

const YES: Verdict = { ok: true }

const SHOWN_MAX = 100

const no = ({ username }: Principal, action: Action, topic: string, detail?: string): Verdict => ({
  ok: false,
  why: `${username} may not ${action} ${topic.slice(0, SHOWN_MAX)}${detail === undefined ? '' : ` (${detail})`}`,
})
