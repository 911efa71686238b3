import {
  agentTopic,
  CONTRACT_VERSION,
  type Decoded,
  type Desired,
  decodeIngestStatus,
  decodeStatus,
  EVERY_INGEST_FILTER,
  everyAgentFilter,
  INTERVALS,
  parseTopic,
} from '@nakama/contract'
import { type BrokerAddress, type Log, type Metrics, type MqttLink, openMqttLink } from '@nakama/service'
import type { DesiredFile, DesiredTaking } from './desired-file.ts'
import type { LiveInput } from './live.ts'
import type { RegisteredShop, RegisterIndex } from './register.ts'

export interface FeedOptions {
  readonly broker: Pick<BrokerAddress, 'url' | 'username'>
  readonly password: string
  readonly register: RegisterIndex
  readonly desired: DesiredFile
  readonly onInput: (input: LiveInput) => void
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

export interface Feed {
  publish(shop: RegisteredShop, desired: DesiredTaking): void
  stop(): Promise<void>
}

const WARNED_MAX = 1_000

/** Hears every agent's status and ingest's; tells the shops what is asked of them, and again at every connect, for a broker forgets. */
export const openFeed = (options: FeedOptions): Feed => {
  const { broker, register, desired, onInput, log, metrics } = options
  const malformed = metrics.counter('statuses_malformed', 'Messages on status topics that are no status')
  // Said once until the topic is heard properly again; repetitions are counted.
  const warned = new Set<string>()

  const accept = <T>(topic: string, decoded: Decoded<T>): T | undefined => {
    if (decoded.ok) {
      warned.delete(topic)
      return decoded.value
    }
    malformed.inc()
    if (!warned.has(topic) && warned.size < WARNED_MAX) {
      warned.add(topic)
      log.warn({ topic, code: 'COORDINATOR_STATUS_MALFORMED' }, `${topic}: ${decoded.problem.slice(0, 300)}`)
    }
    return undefined
  }

  const hear = (topic: string, payload: string, retained: boolean): void => {
    const parsed = parseTopic(topic)
    // An emptied retained message has no payload: somebody cleared it, which says nothing.
    if (parsed === undefined || payload === '') return
    if (parsed.type === 'ingest') {
      const said = accept(topic, decodeIngestStatus(payload))
      if (said !== undefined) onInput({ type: 'ingest', id: parsed.id, online: said.online })
    } else if (parsed.leaf === 'status') {
      const status = accept(topic, decodeStatus(payload))
      if (status !== undefined) onInput({ type: 'status', shop: parsed.shop, agent: parsed.agent, status, retained })
    }
  }

  const publish = (shop: RegisteredShop, { at, taking }: DesiredTaking): void => {
    const message: Desired = { v: CONTRACT_VERSION, at, taking }
    const payload = JSON.stringify(message)
    for (const agent of shop.agents) {
      link.publish({ topic: agentTopic({ shop: shop.id, agent }, 'desired'), payload, qos: 1, retain: true })
    }
  }

  const link: MqttLink = openMqttLink({
    url: broker.url,
    clientId: broker.username,
    username: broker.username,
    password: options.password,
    keepAliveS: INTERVALS.keepAliveS,
    subscriptions: [everyAgentFilter('status'), EVERY_INGEST_FILTER],
    onUp: () => {
      onInput({ type: 'feed', up: true })
      for (const [id, entry] of desired.entries()) {
        const shop = register.shop(id)
        if (shop !== undefined) publish(shop, entry)
      }
    },
    onDown: () => onInput({ type: 'feed', up: false }),
    onMessage: hear,
    random: options.random,
    log,
  })
  return { publish, stop: () => link.stop() }
}
