import {
  agentTopic,
  CONTRACT_VERSION,
  type Desired,
  decodeStatus,
  everyAgentFilter,
  INTERVALS,
  parseTopic,
} from '@nakama/contract'
import { type BrokerAddress, type Log, type Metrics, type MqttLink, openMqttLink } from '@nakama/service'
import type { DesiredFile, DesiredTaking } from './desired-file.ts'
import type { PresenceInput } from './presence.ts'
import type { RegisteredShop, RegisterIndex } from './register.ts'

export interface FeedOptions {
  readonly broker: Pick<BrokerAddress, 'url' | 'username'>
  readonly password: string
  readonly register: RegisterIndex
  readonly desired: DesiredFile
  readonly onInput: (input: PresenceInput) => void
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

export interface Feed {
  publish(shop: RegisteredShop, desired: DesiredTaking): void
  stop(): Promise<void>
}

const WARNED_MAX = 1_000

/** Hears every agent's status; tells the shops what is asked of them, and again at every connect, for a broker forgets. */
export const openFeed = (options: FeedOptions): Feed => {
  const { broker, register, desired, onInput, log, metrics } = options
  const malformed = metrics.counter('statuses_malformed', 'Messages on status topics that are no status')
  // Said once until the agent is heard properly again; repetitions are counted.
  const warned = new Set<string>()
  let link: MqttLink | undefined

  const publish = (shop: RegisteredShop, { at, taking }: DesiredTaking): void => {
    const message: Desired = { v: CONTRACT_VERSION, at, taking }
    const payload = JSON.stringify(message)
    for (const agent of shop.agents) {
      link?.publish({ topic: agentTopic({ shop: shop.id, agent }, 'desired'), payload, qos: 1, retain: true })
    }
  }

  link = openMqttLink({
    url: broker.url,
    clientId: broker.username,
    username: broker.username,
    password: options.password,
    keepAliveS: INTERVALS.keepAliveS,
    subscriptions: [everyAgentFilter('status')],
    onUp: () => {
      onInput({ type: 'feed', up: true })
      for (const [id, entry] of desired.entries()) {
        const shop = register.shop(id)
        if (shop !== undefined) publish(shop, entry)
      }
    },
    onDown: () => onInput({ type: 'feed', up: false }),
    onMessage: (topic, payload, retained) => {
      const parsed = parseTopic(topic)
      // An emptied retained message has no payload: somebody cleared it, which says nothing.
      if (parsed?.type !== 'agent' || parsed.leaf !== 'status' || payload === '') return
      const decoded = decodeStatus(payload)
      if (decoded.ok) {
        warned.delete(topic)
        onInput({ type: 'status', shop: parsed.shop, agent: parsed.agent, status: decoded.value, retained })
        return
      }
      malformed.inc()
      if (warned.has(topic) || warned.size >= WARNED_MAX) return
      warned.add(topic)
      log.warn(
        { shop: parsed.shop, agent: parsed.agent, code: 'COORDINATOR_STATUS_MALFORMED' },
        `${topic}: ${decoded.problem.slice(0, 300)}`,
      )
    },
    random: options.random,
    log,
  })
  const opened = link
  return { publish, stop: () => opened.stop() }
}
