import { CONTRACT_VERSION, decodeIngestStatus, type IngestStatus, ingestTopic } from '@nakama/contract'
import type { Log, MqttMessage } from '@nakama/service'
import { type Activity, type ActivityInput, NOT_ACTIVE, stepActivity } from './activity.ts'

export interface PresenceOptions {
  readonly id: string
  readonly storeId: string
  readonly publish: (message: MqttMessage) => void
  readonly now: () => number
  readonly log: Log
}

/** Says that this ingest is there, once it is sure to be the only one. */
export interface Presence {
  /** Since when it is the active one; undefined while it is not. */
  readonly activeSince: number | undefined
  up(): void
  down(): void
  heard(payload: string): void
  /** Also the will. */
  goodbye(): MqttMessage
}

/** What the broker keeps of others arrives right behind the subscription. */
const SETTLE_MS = 300

export const createPresence = (options: PresenceOptions): Presence => {
  const { id, storeId, now, log } = options
  let activity: Activity = NOT_ACTIVE
  let settling: NodeJS.Timeout | undefined

  const message = (online: boolean, at: number): MqttMessage => {
    const status: IngestStatus = { v: CONTRACT_VERSION, online, id, store: storeId, at }
    return { topic: ingestTopic(id), payload: JSON.stringify(status), qos: 1, retain: true }
  }

  const feed = (input: ActivityInput): void => {
    const wasWaiting = activity.settled && activity.activeSince === undefined
    const { state, turned } = stepActivity(id, activity, input, now())
    activity = state
    const other = [...state.others.keys()][0]
    if (turned === 'active') {
      log.info({ id, store: storeId }, 'active')
      options.publish(message(true, state.activeSince as number))
    } else if (turned === 'passive' && input.type !== 'down') {
      log.warn({ id, other, code: 'INGEST_PASSIVE' }, 'another ingest was there before; passive until it is gone')
      options.publish(message(false, now()))
    } else if (state.settled && state.activeSince === undefined && !wasWaiting) {
      log.warn(
        { id, other, code: 'INGEST_PASSIVE' },
        'another ingest is active at this broker; waiting until it is gone',
      )
      // The broker may still keep what an earlier life of this one said.
      options.publish(message(false, now()))
    }
  }

  return {
    get activeSince() {
      return activity.activeSince
    },
    up() {
      settling = setTimeout(() => feed({ type: 'settled' }), SETTLE_MS)
    },
    down() {
      clearTimeout(settling)
      feed({ type: 'down' })
    },
    heard(payload) {
      const decoded = decodeIngestStatus(payload)
      if (decoded.ok) feed({ type: 'presence', status: decoded.value })
    },
    goodbye: () => message(false, now()),
  }
}
