import type { Metrics } from '@nakama/service'

const LAG_BUCKETS_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3_600, 86_400]

export interface Gauges {
  readonly agents: () => number
  readonly machines: () => number
  readonly queuedBytes: () => number
  readonly heldBytes: () => number
  readonly active: () => number
  readonly agentsAhead: () => number
}

export type IngestMetrics = ReturnType<typeof createIngestMetrics>

/** Everything that this service counts, in one place. */
export const createIngestMetrics = (metrics: Metrics, gauges: Gauges) => {
  metrics.gauge('agents', 'Agents heard of', gauges.agents)
  metrics.gauge('machines', 'Machines heard of', gauges.machines)
  metrics.gauge('queued_bytes', 'Batches waiting for the store, as on the wire', gauges.queuedBytes)
  metrics.gauge('held_bytes', 'Batches that came before their turn', gauges.heldBytes)
  metrics.gauge('active', 'Whether this is the active ingest of its broker', gauges.active)
  metrics.gauge('agents_ahead', 'Agents far ahead of our clock, of which nothing is acknowledged', gauges.agentsAhead)
  return {
    receivedBytes: metrics.counter('received_bytes', 'Payload of records messages'),
    /** outcome: taken, stored-before, held, ignored (in hand already), no-room, malformed, unknown-version, ahead. */
    batches: metrics.counter('batches', 'Batches that arrived, by what became of them', ['outcome']),
    shed: metrics.counter('shed_messages', 'Records messages dropped unread: too much waits already', ['why']),
    records: metrics.counter('records', 'Records stored', ['type']),
    values: metrics.counter('values', 'Single values stored'),
    acks: metrics.counter('acks', 'Acknowledgements sent'),
    deadLetters: metrics.counter('dead_letters', 'Things that can never be stored', ['reason']),
    deadLettersDropped: metrics.counter('dead_letters_dropped', 'Malformed lines not even kept: too many at once'),
    statuses: metrics.counter('statuses', 'Status messages, by what became of them', ['outcome']),
    twins: metrics.counter('twin_alarms', 'Times that two live journals of one agent alternated'),
    retries: metrics.counter('store_retries', 'Times that the store or the dead-letter file had to be asked again'),
    storeSeconds: metrics.seconds('store_write', 'One write into the store'),
    lagSeconds: metrics.seconds(
      'lag',
      'From the time of the newest record of a batch to its being stored',
      LAG_BUCKETS_S,
    ),
  }
}
