import { type Ack, encodeBatch } from '@nakama/contract'

/** The clock of a Pi to which the system tells no time. */
export interface AskingClock {
  readonly synchronised: boolean
  /** Whether it is time to ask ingest. */
  readonly isAsking: boolean
  /** The time at a moment of the monotonic clock, to half the way of question and answer. */
  hear(time: number, atMonotonicMs: number): void
}

export interface TimeQuestion {
  /** True when this was the answer. */
  heard(ack: Ack): boolean
  stop(): void
}

export interface TimeQuestionOptions {
  readonly clock: AskingClock
  readonly epoch: string
  readonly publish: (payload: string) => void
  readonly monotonic: () => number
  readonly everyMs: number
}

/** The time is known to half of the way there and back: so to a second. */
const WAY_MAX_MS = 2_000

/** Asks ingest for the time, with a batch that is none (seq 0), for as long as the clock wants to know it. */
export const openTimeQuestion = (options: TimeQuestionOptions): TimeQuestion => {
  const { clock, epoch, publish, monotonic } = options
  let askedAt: number | undefined
  const timer = setInterval(() => {
    if (!clock.isAsking) return
    askedAt = monotonic()
    publish(encodeBatch({ lane: 'events', epoch, seq: 0 }, 1, '[]'))
  }, options.everyMs)
  return {
    heard(ack) {
      if (ack.seq !== 0 || ack.lane !== 'events' || ack.epoch !== epoch) return false
      const now = monotonic()
      // An answer that is late may be that of the question before: nobody knows how old it is.
      if (askedAt !== undefined && now - askedAt <= Math.min(WAY_MAX_MS, options.everyMs)) {
        clock.hear(ack.at, (askedAt + now) / 2)
      }
      askedAt = undefined
      return true
    },
    stop: () => clearInterval(timer),
  }
}
