import { messageOf } from '@nakama/contract'
import { connect, type IClientOptions, type MqttClient } from 'mqtt'
import { backoffMs } from './backoff.ts'
import type { Log } from './log.ts'
import { atMost } from './waiting.ts'

export interface MqttMessage {
  readonly topic: string
  readonly payload: string
  readonly qos: 0 | 1
  readonly retain: boolean
}

export interface MqttLinkOptions {
  readonly url: string
  /** Must be what the broker binds to the credential: our brokers ask for clientId = username. */
  readonly clientId: string
  readonly username: string
  readonly password: string
  readonly keepAliveS: number
  /** Filters, subscribed at every connect. */
  readonly subscriptions: readonly string[]
  /** Made anew for every connection: a will names the connection whose end it tells. */
  readonly will?: () => MqttMessage
  /** Connected and subscribed; comes before the first message of that connection. */
  readonly onUp: () => void
  readonly onDown: (reason: string) => void
  /** Must not throw; slow work is the receiver's to queue. `retained`: the broker had kept it from before. */
  readonly onMessage: (topic: string, payload: string, retained: boolean) => void
  readonly random: () => number
  readonly log: Log
}

export interface MqttLink {
  readonly connected: boolean
  /**
   * Hands a message to the connection. False when there is none: nothing is queued here, because the journal is the
   * agent's queue and everything retained is published again at the next connect.
   */
  publish(message: MqttMessage): boolean
  /** Drops the connection on purpose (a peer that no longer answers); reconnects with back-off. */
  drop(reason: string): void
  /** Sends `last` if it can, disconnects cleanly and stays down. Idempotent. */
  stop(last?: MqttMessage): Promise<void>
}

/** Retained messages that came before the subscription was confirmed; a broker of ours keeps fewer. */
const EARLY_MAX = 50_000
const CONNECT_TIMEOUT_MS = 10_000
const BACKOFF_FIRST_MS = 500
const BACKOFF_MAX_MS = 30_000
const STOP_TIMEOUT_MS = 1_000
/** Two clients with one id throw each other out at every connect: only a connection that lasts this long is a success. */
const STEADY_MS = 10_000

/**
 * A connection to the broker that is always on its way back up. One `MqttClient` per connection, never reused: MQTT.js's
 * own reconnecting keeps the first will, its store and its message ids, and a new object has none of that to get wrong.
 */
export const openMqttLink = (options: MqttLinkOptions): MqttLink => {
  const { log } = options
  let client: MqttClient | undefined
  let up = false
  let stopped = false
  let attempt = 0
  let upAtMs = 0
  /** Connections in a row that did not last. */
  let brief = 0
  let retry: NodeJS.Timeout | undefined

  const dial = (): void => {
    const mine = connect(options.url, clientOptions(options))
    client = mine
    let ended = false
    // A broker may deliver before it confirms the subscription (MQTT 3.1.1 section 3.8.4).
    let early: (() => void)[] = []
    const end = (reason: string): void => {
      if (ended) return
      ended = true
      const wasUp = up && client === mine
      up = false
      mine.end(true)
      // A late error of a dead client has no other listener and would end the process.
      mine.on('error', () => {})
      if (wasUp) {
        const isBrief = performance.now() - upAtMs < STEADY_MS
        attempt = isBrief ? brief : 0
        brief = isBrief ? brief + 1 : 0
        log.warn({ reason, code: 'MQTT_DOWN' }, 'broker lost')
        options.onDown(reason)
      } else if (attempt === 0 && !stopped)
        log.warn({ reason, code: 'MQTT_UNREACHABLE' }, 'broker not reached; trying on')
      if (!stopped) retry = setTimeout(dial, backoffMs(attempt++, BACKOFF_FIRST_MS, BACKOFF_MAX_MS, options.random))
    }
    mine.on('error', error => end(messageOf(error)))
    mine.on('close', () => end('connection closed'))
    mine.on('message', (topic, payload, packet) => {
      if (client !== mine || ended) return
      const deliver = (): void => options.onMessage(topic, payload.toString('utf8'), packet.retain)
      if (up) deliver()
      else if (early.length < EARLY_MAX) early.push(deliver)
      else end(`more than ${EARLY_MAX} messages before the subscription was confirmed`)
    })
    mine.on('connect', () => {
      mine.subscribe([...options.subscriptions], { qos: 1 }, (error, granted) => {
        const refused = granted?.find(grant => grant.qos >= 128)
        if (error) return end(`subscribe failed: ${error.message}`)
        if (refused) return end(`subscription to ${refused.topic} refused`)
        if (ended) return
        upAtMs = performance.now()
        up = true
        log.info({ url: options.url }, 'broker connected')
        options.onUp()
        for (const deliver of early) deliver()
        early = []
      })
    })
  }

  dial()
  return {
    get connected() {
      return up
    },
    publish({ topic, payload, qos, retain }) {
      if (!up || client === undefined) return false
      client.publish(topic, payload, { qos, retain }, error => {
        if (error) log.debug({ err: error, topic }, 'publish not confirmed')
      })
      return true
    },
    drop(reason) {
      log.warn({ reason, code: 'MQTT_DROPPED' }, 'connection dropped')
      client?.stream.destroy()
    },
    async stop(last) {
      if (stopped) return
      stopped = true
      clearTimeout(retry)
      const mine = client
      if (mine === undefined) return
      if (up && last !== undefined) {
        await atMost(
          STOP_TIMEOUT_MS,
          mine.publishAsync(last.topic, last.payload, { qos: last.qos, retain: last.retain }),
        )
      }
      up = false
      await atMost(STOP_TIMEOUT_MS, mine.endAsync(false))
      mine.end(true)
    },
  }
}

const clientOptions = ({ clientId, username, password, keepAliveS, will }: MqttLinkOptions): IClientOptions => {
  const lastWord = will?.()
  return {
    clientId,
    username,
    password,
    keepalive: keepAliveS,
    protocolVersion: 4,
    clean: true,
    reconnectPeriod: 0,
    connectTimeout: CONNECT_TIMEOUT_MS,
    queueQoSZero: false,
    resubscribe: false,
    ...(lastWord === undefined ? {} : { will: { ...lastWord, payload: Buffer.from(lastWord.payload) } }),
  }
}
