import { encodeBatch, joinBatches } from '@nakama/contract'
import type { Log, Metrics } from '@nakama/service'
import type { BatchQueue } from '../journal/batch-queue.ts'
import { lookAt, step } from './flow.ts'
import {
  FLOW_START,
  type FlowInput,
  type FlowOutput,
  type FlowPace,
  type FlowState,
  inFlightBytes,
} from './flow-state.ts'

export interface SenderOptions {
  readonly pace: FlowPace
  readonly journal: BatchQueue
  /** Sends a `records` message. What does not arrive is sent again. */
  readonly publish: (payload: string) => void
  readonly onNewStore: (store: string) => void
  /** Whether the connection is alive is worth knowing: it would be shown by a status that comes back. */
  readonly onAsk: () => void
  /** Something that was in the journal is stored. */
  readonly onAcked: () => void
  /** Milliseconds of a clock that nobody sets. */
  readonly monotonic: () => number
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

export interface Sender {
  feed(input: FlowInput): void
  stop(): void
}

/** Carries out what the flow decides: reads the journal, publishes, deletes what is acknowledged. */
export const openSender = (options: SenderOptions): Sender => {
  const { pace, journal, monotonic, random, log, metrics } = options
  let state: FlowState = FLOW_START
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const sentBatches = metrics.counter('batches_sent', 'Batches sent, repetitions included')
  const resentBatches = metrics.counter('batches_resent', 'Batches sent once more')
  const acks = metrics.counter('acks', 'Acks that deleted something from the journal')
  const ignored = metrics.counter('acks_ignored', 'Acks that deleted nothing', ['why'])
  const unanswered = metrics.counter('acks_missed', 'Times that no ack came in time')
  metrics.gauge('in_flight_bytes', 'Sent and not acknowledged', () => inFlightBytes(state))

  const feed = (input: FlowInput): void => {
    if (stopped) return
    const next = step(pace, state, input, { streams: journal.streams(), now: monotonic(), random })
    state = next.state
    for (const output of next.outputs) perform(output)
    clearTimeout(timer)
    const now = monotonic()
    const at = lookAt(state, now)
    if (at !== undefined) timer = setTimeout(look, at - now)
  }
  const look = (): void => feed({ type: 'look' })

  const perform = (output: FlowOutput): void => {
    switch (output.type) {
      case 'read': {
        const { want } = output
        journal
          .read(want.lane, want.epoch, want.fromSeq, want.maxBytes)
          .then(batches => feed({ type: 'batches', want, batches }))
        break
      }
      case 'publish': {
        const { lane, epoch, oldest, batches } = output
        options.publish(
          joinBatches(
            batches.map(({ seq, recordsJson, clock }) => encodeBatch({ lane, epoch, seq }, oldest, recordsJson, clock)),
          ),
        )
        sentBatches.inc(batches.length)
        resentBatches.inc(output.resent)
        break
      }
      case 'delete':
        journal.deleteUpTo(output.lane, output.epoch, output.seq)
        acks.inc()
        options.onAcked()
        look()
        break
      case 'dead-letter': {
        const { lane, epoch, seq } = output
        log.error({ lane, seq, code: 'UPLINK_DEAD_LETTER' }, 'the connection closes on this batch: given up')
        journal.deadLetter(lane, epoch, seq).then(look)
        break
      }
      case 'new-store':
        log.warn({ store: output.store, code: 'UPLINK_NEW_STORE' }, 'the database was replaced by another')
        options.onNewStore(output.store)
        break
      case 'ack-ignored':
        ignored.inc({ why: output.why })
        break
      case 'unanswered':
        unanswered.inc()
        options.onAsk()
        break
      case 'ask':
        options.onAsk()
        break
    }
  }

  const stopListening = journal.onChange(look)
  return {
    feed,
    stop() {
      stopped = true
      clearTimeout(timer)
      stopListening()
    },
  }
}
