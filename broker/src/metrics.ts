import type { Metrics } from '@nakama/service'
import type { DropReason } from './connection.ts'
import type { Role } from './rules.ts'

export type DeniedAction = 'connect' | 'publish' | 'subscribe' | 'receive'
/** Beside a connection's own reasons, those for not even opening one. */
export type ClosedReason = DropReason | 'connections-max' | 'address-max'

export interface BrokerMetrics {
  /** How many there are now; `none`: not authenticated. */
  connections(role: Role | 'none', count: number): void
  message(direction: 'in' | 'out'): void
  bytes(direction: 'in' | 'out', bytes: number): void
  denied(action: DeniedAction): void
  dropped(reason: ClosedReason): void
  throttled(): void
}

/** What the gauges read at each scrape. */
export interface BrokerGauges {
  readonly waitingBytes: number
  readonly retained: number
  readonly retainedBytes: number
}

export const brokerMetrics = (metrics: Metrics, gauges: () => BrokerGauges): BrokerMetrics => {
  const connections = metrics.gauge('connections', 'Connections by role', undefined, ['role'])
  metrics.gauge('outgoing_waiting_bytes', 'Bytes that clients have not taken yet', () => gauges().waitingBytes)
  metrics.gauge('retained_messages', 'Retained messages', () => gauges().retained)
  metrics.gauge('retained_bytes', 'Payload bytes of the retained messages', () => gauges().retainedBytes)
  const messages = metrics.counter('messages', 'Messages taken in and handed out', ['direction'])
  const bytes = metrics.counter('traffic_bytes', 'Bytes read and queued for writing', ['direction'])
  const denied = metrics.counter('denied', 'What the rules refused', ['action'])
  const dropped = metrics.counter('dropped', 'Connections ended or refused by the broker', ['reason'])
  const throttled = metrics.counter('throttled', 'Times that reading from a client was held back')
  // Looked up once: labels cost more than counting.
  const perMessage = { in: messages.labels('in'), out: messages.labels('out') }
  const perByte = { in: bytes.labels('in'), out: bytes.labels('out') }
  return {
    connections: (role, count) => connections.set({ role }, count),
    message: direction => perMessage[direction].inc(),
    bytes: (direction, count) => perByte[direction].inc(count),
    denied: action => denied.inc({ action }),
    dropped: reason => dropped.inc({ reason }),
    throttled: () => throttled.inc(),
  }
}
