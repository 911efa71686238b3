/** Every limit and interval that both ends of the wire must agree on. Bytes are octets, times are milliseconds. */
export const LIMITS = {
  /** One batch, as JSON. */
  batchMaxBytes: 64 * 1024,
  /** One MQTT packet. A `records` message may carry several batches up to this. */
  packetMaxBytes: 256 * 1024,
  /** Records in one batch. */
  batchMaxRecords: 5_000,
  /** Rows in one `samples` record, and signals in one row. */
  samplesMaxRows: 1_000,
  samplesMaxSignals: 200,
  /** Machines of one agent. */
  machinesPerAgent: 64,
  /** In flight per agent before the first ack of a connection, and at most. */
  windowFirstBytes: 16 * 1024,
  windowMaxBytes: 256 * 1024,
  /** In flight over all agents of one ingest. */
  windowTotalBytes: 64 * 1024 * 1024,
} as const

export const INTERVALS = {
  /** From the taking of a reading to its being in the journal: the promise starts here. */
  journalMaxDelayMs: 1_000,
  /** A `state` record is repeated this often while nothing changes. */
  stateHeartbeatMs: 5 * 60_000,
  /** The retained status: at every change, and at least this often. */
  statusMs: 60_000,
  /** A status older than this says nothing about now. */
  statusStaleMs: 90_000,
  /** From an agent's will to OFFLINE: a short reconnect must not flicker on the board. */
  willGraceMs: 30_000,
  /** Without presence of ingest the agent sends its oldest batch this often, to find out. */
  probeMs: 30_000,
  /** MQTT keep-alive (seconds, as the protocol counts it). */
  keepAliveS: 15,
} as const
