import { Id, type Problem } from '@nakama/contract'
import { BrokerAddress, HttpListen } from '@nakama/service'
import { STORE_MIN_BYTES } from '@nakama/store'
import { type Static, Type } from 'typebox'

const MIB = 1024 * 1024
const strict = { additionalProperties: false } as const

const StoreConfig = Type.Object(
  {
    type: Type.Literal('embedded'),
    file: Type.String({ minLength: 1 }),
    maxBytes: Type.Optional(Type.Integer({ minimum: STORE_MIN_BYTES })),
    rawRetentionDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 3_650 })),
  },
  strict,
)

const LimitsConfig = Type.Object(
  {
    /** What arrives within this time is written together. */
    gatherMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000 })),
    /** Batches waiting for the store, over all agents. Half as much more may wait for their turn. */
    queueMaxBytes: Type.Optional(Type.Integer({ minimum: 256 * 1024 })),
    /** Of batches in one write. */
    groupMaxBytes: Type.Optional(Type.Integer({ minimum: 64 * 1024 })),
    /** Of dead letters, over the file and its predecessor. */
    deadLettersMaxBytes: Type.Optional(Type.Integer({ minimum: 64 * 1024 })),
    agents: Type.Optional(Type.Integer({ minimum: 1 })),
    machines: Type.Optional(Type.Integer({ minimum: 1 })),
  },
  strict,
)

export const IngestConfig = Type.Object(
  {
    /** Its credential at the broker is `ingest:<id>`. */
    id: Id,
    broker: BrokerAddress,
    http: HttpListen,
    store: StoreConfig,
    /** For dead letters (`dead-letters.ndjson`). */
    dataDir: Type.String({ minLength: 1 }),
    limits: Type.Optional(LimitsConfig),
  },
  strict,
)
export type IngestConfig = Static<typeof IngestConfig>

export const DEFAULT_LIMITS = {
  gatherMs: 50,
  queueMaxBytes: 16 * MIB,
  groupMaxBytes: 2 * MIB,
  deadLettersMaxBytes: 64 * MIB,
  agents: 20_000,
  machines: 200_000,
} as const

/** What the schema cannot say. */
export const ingestSense = ({ id, broker }: IngestConfig): Problem[] =>
  broker.username === `ingest:${id}`
    ? []
    : [{ path: 'broker.username', expected: `ingest:${id}`, got: broker.username }]
