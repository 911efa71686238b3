import {
  type AgentId,
  agentTopic,
  type Decoded,
  decodeAck,
  decodeDesired,
  decodeIngestStatus,
  decodeStatus,
  EVERY_INGEST_FILTER,
  INTERVALS,
  type MachineStatus,
  parseTopic,
  randomHex,
  type Taking,
} from '@nakama/contract'
import type { Log, Metrics, MqttLink } from '@nakama/service'
import type { BatchQueue } from '../journal/batch-queue.ts'
import type { Journal } from '../journal/journal.ts'
import { FLOW_PACE, type FlowPace } from './flow-state.ts'
import { openHeldLink } from './held-link.ts'
import { hearPresence, NO_PRESENCES, presentIngest } from './presence.ts'
import { openSender } from './sender.ts'
import type { TakingKeeper } from './taking.ts'
import { type AskingClock, openTimeQuestion } from './time-question.ts'
import { openVoice, VOICE_PACE, type VoicePace } from './voice.ts'

export interface UplinkOptions extends AgentId {
  /** Of the software, for the status. */
  readonly version: string
  readonly broker: { readonly url: string; readonly username: string; readonly password: string }
  readonly journal: BatchQueue & Pick<Journal, 'append' | 'stats'>
  /** What is true now, by machine id; asked at every status. */
  readonly machines: () => { readonly [id: string]: MachineStatus }
  readonly taking: TakingKeeper
  readonly configRev: number
  /** No connection is tried before this resolves. Default: one is at once. */
  readonly mayConnect?: Promise<void>
  /** With the journal's epoch, in whose name it is asked. Default: one that always knows the time. */
  readonly clock?: AskingClock & { readonly epoch: string }
  /** The database was replaced by another: time to journal profiles and present states again. Default: nothing. */
  readonly onNewStore?: (store: string) => void
  readonly now: () => number
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
  /** Default: as patient as the contract has it. */
  readonly pace?: Partial<FlowPace & VoicePace>
}

/** One question in two seconds, for the few that have no other clock. */
const TIME_QUESTION_MS = 2_000

export interface Uplink {
  readonly connected: boolean
  /** When ingest last acknowledged something that was in the journal; null before the first time. */
  readonly lastAckAt: number | null
  /** A machine's state has changed: the status goes out soon, several changes at once in one message. */
  statusChanged(): void
  /** Says goodbye and disconnects. Idempotent. */
  stop(): Promise<void>
}

/**
 * The agent's end of the path: sends what is in the journal and forgets what ingest has acknowledged (see `step` in
 * flow.ts), says the retained status, and takes what the coordinator desires.
 */
export const startUplink = (options: UplinkOptions): Uplink => {
  const { shop, agent, broker, journal, taking, now, monotonic, random, log, metrics } = options
  const topicOf = (leaf: Parameters<typeof agentTopic>[1]): string => agentTopic({ shop, agent }, leaf)
  const pace = { ...FLOW_PACE, ...VOICE_PACE, ...options.pace }
  let lastAckAt: number | null = null
  let presences = NO_PRESENCES
  let droppedByUs = false

  const connects = metrics.counter('broker_connects', 'Connections to the broker that came up')
  const malformed = metrics.counter('malformed_messages', 'Messages that are not what their topic promises', ['topic'])
  metrics.gauge('broker_connected', '1 while the broker is reached', () => Number(link.connected))

  const journalTaking = ({ value, until, rev }: Taking): void =>
    journal.append({ type: 'taking', at: now(), value, until, rev })

  const voice = openVoice({
    topic: topicOf('status'),
    facts: () => ({
      version: options.version,
      clockSynchronised: options.clock?.synchronised ?? true,
      journal: journal.stats(),
      configRev: options.configRev,
      taking: taking.current,
      refused: taking.refused,
      machines: options.machines(),
    }),
    publish: message => link.publish(message),
    onUnheard: () => {
      droppedByUs = true
      link.drop('own status not heard')
    },
    onHeard: saidAt => sender.feed({ type: 'heard', saidAt }),
    newConn: () => randomHex(random),
    ...{ now, monotonic, pace },
  })

  const sender = openSender({
    ...{ pace, journal, monotonic, random, log, metrics },
    publish: payload => link.publish({ topic: topicOf('records'), payload, qos: 0, retain: false }),
    onNewStore: store => {
      options.onNewStore?.(store)
      journalTaking(taking.current)
    },
    // Slow is ingest's right; whether the connection is dead shows when our own status does not come back.
    onAsk: voice.say,
    onAcked: () => {
      lastAckAt = now()
    },
  })

  const take = <T>(topic: string, decoded: Decoded<T>, use: (value: T) => void): void => {
    if (decoded.ok) use(decoded.value)
    else {
      malformed.inc({ topic })
      log.debug({ topic, problem: decoded.problem, code: 'UPLINK_MALFORMED' }, 'message ignored')
    }
  }
  const desire = async (desired: Taking): Promise<void> => {
    const before = taking.refused
    await taking.apply(desired)
    if (taking.refused !== before) voice.changed()
  }
  const receive = (topic: string, payload: string, retained: boolean): void => {
    const about = parseTopic(topic)
    if (about?.type === 'ingest') {
      take('presence', decodeIngestStatus(payload), status => {
        presences = hearPresence(presences, about.id, status)
        const { online, store } = presentIngest(presences) ?? status
        sender.feed({ type: 'presence', online, store })
      })
    } else if (topic === topicOf('ack')) {
      take('ack', decodeAck(payload), ack => {
        if (!question?.heard(ack)) sender.feed({ type: 'ack', ack })
      })
    } else if (topic === topicOf('status')) {
      take('status', decodeStatus(payload), status => voice.heard(status, retained))
    } else if (topic === topicOf('desired')) {
      take('desired', decodeDesired(payload), desired => void desire(desired.taking))
    }
  }

  const question =
    options.clock &&
    openTimeQuestion({
      clock: options.clock,
      epoch: options.clock.epoch,
      publish: payload => link.publish({ topic: topicOf('records'), payload, qos: 0, retain: false }),
      monotonic,
      everyMs: TIME_QUESTION_MS,
    })
  const stopHearingTaking = taking.onChange(changed => {
    journalTaking(changed)
    voice.changed()
  })
  const link: MqttLink = openHeldLink(options.mayConnect, {
    ...broker,
    clientId: broker.username,
    keepAliveS: INTERVALS.keepAliveS,
    subscriptions: [topicOf('ack'), topicOf('desired'), topicOf('status'), EVERY_INGEST_FILTER],
    will: voice.will,
    onUp: () => {
      connects.inc()
      droppedByUs = false
      voice.up()
      sender.feed({ type: 'up' })
    },
    onDown: reason => {
      presences = NO_PRESENCES
      voice.down()
      sender.feed({ type: 'down', byBroker: !droppedByUs && !/keepalive/i.test(reason) })
    },
    onMessage: receive,
    random,
    log,
  })

  let stopping: Promise<void> | undefined
  return {
    get connected() {
      return link.connected
    },
    get lastAckAt() {
      return lastAckAt
    },
    statusChanged: voice.changed,
    stop() {
      stopping ??= (async () => {
        sender.stop()
        question?.stop()
        voice.stop()
        stopHearingTaking()
        await link.stop(voice.goodbye())
      })()
      return stopping
    },
  }
}
