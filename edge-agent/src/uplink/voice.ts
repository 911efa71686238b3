import { INTERVALS, type Status } from '@nakama/contract'
import type { MqttMessage } from '@nakama/service'
import { offlineStatus, onlineStatus, type StatusFacts } from './status.ts'

/** Durations in milliseconds. */
export interface VoicePace {
  /** Changes that come together go in one status. */
  readonly gatherMs: number
  readonly repeatMs: number
  /** The broker brings every status back to us; a connection over which it does not come back within this time is dead. */
  readonly echoMs: number
  readonly echoMaxMs: number
}

export const VOICE_PACE: VoicePace = { gatherMs: 100, repeatMs: INTERVALS.statusMs, echoMs: 15_000, echoMaxMs: 120_000 }

export interface VoiceOptions {
  readonly topic: string
  readonly facts: () => StatusFacts
  /** False when there is no connection. */
  readonly publish: (message: MqttMessage) => boolean
  /** A status has come back that was said at `saidAt`, by the monotonic clock. */
  readonly onHeard: (saidAt: number) => void
  /** The connection is dead, though nobody has closed it. */
  readonly onUnheard: () => void
  /** A random name that no connection had before. */
  readonly newConn: () => string
  readonly now: () => number
  readonly monotonic: () => number
  readonly pace: VoicePace
}

export interface Voice {
  /** Begins a connection: the will names it. */
  will(): MqttMessage
  up(): void
  down(): void
  /** A status goes out soon. */
  changed(): void
  /** A status goes out now. */
  say(): void
  /** @param retained the broker had kept it from before. */
  heard(status: Status, retained: boolean): void
  goodbye(): MqttMessage
  stop(): void
}

/** Says the agent's retained status at every connect, after every change, each minute, and when it was overwritten. */
export const openVoice = (options: VoiceOptions): Voice => {
  const { topic, publish, now, monotonic, pace } = options
  let conn = ''
  let isUp = false
  let echoMs = pace.echoMs
  let gathering: NodeJS.Timeout | undefined
  let repeating: NodeJS.Timeout | undefined
  let listening: NodeJS.Timeout | undefined
  /** When the statuses were said that have not come back yet: within a connection they come in order. */
  let unheard: number[] = []

  const message = (status: Status): MqttMessage => ({ topic, payload: JSON.stringify(status), qos: 1, retain: true })

  const say = (): void => {
    clearTimeout(gathering)
    clearTimeout(repeating)
    gathering = undefined
    if (!isUp || !publish(message(onlineStatus(conn, now(), options.facts())))) return
    repeating = setTimeout(say, pace.repeatMs)
    unheard.push(monotonic())
    listening ??= listen()
  }
  const listen = (): NodeJS.Timeout =>
    setTimeout(() => {
      // A broker that is merely overloaded must not be given hundreds of reconnects in addition.
      echoMs = Math.min(pace.echoMaxMs, echoMs * 2)
      options.onUnheard()
    }, echoMs)
  const changed = (): void => {
    if (isUp) gathering ??= setTimeout(say, pace.gatherMs)
  }
  const hush = (): void => {
    isUp = false
    unheard = []
    for (const timer of [gathering, repeating, listening]) clearTimeout(timer)
    gathering = undefined
    listening = undefined
  }

  return {
    will() {
      conn = options.newConn()
      return message(offlineStatus(conn, now()))
    },
    up() {
      isUp = true
      say()
    },
    down: hush,
    changed,
    say,
    heard(status, retained) {
      const saidAt = status.online && status.conn === conn ? unheard.shift() : undefined
      if (saidAt !== undefined) {
        clearTimeout(listening)
        echoMs = pace.echoMs
        listening = unheard.length > 0 ? listen() : undefined
        options.onHeard(saidAt)
      }
      // What was retained is older than what we said at this connect; a will that comes now is a former connection's.
      if (!status.online && !retained) changed()
    },
    goodbye: () => message(offlineStatus(conn, now())),
    stop: hush,
  }
}
