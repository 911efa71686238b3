import { LIMITS } from '@nakama/contract'
import { type Static, Type } from 'typebox'
import type { Role } from './rules.ts'

const KIB = 1024
const MIB = 1024 * 1024

/** A topic and the fixed header, on top of a payload of `LIMITS.packetMaxBytes`. */
const HEADER_MAX_BYTES = KIB

/** What is allowed unless the configuration says otherwise. "Service" means ingest and coordinator. */
export const DEFAULT_LIMITS = {
  connectionsMax: 5_000,
  /** Generous, because many shops may stand behind one address: a proxy, a carrier's NAT. */
  connectionsPerAddressMax: 1_000,
  /** From accepting a connection to its being authenticated. */
  connectTimeoutMs: 10_000,
  /** Any packet but a PUBLISH; also all that a connection may send before it is authenticated. */
  controlMaxBytes: 8 * KIB,
  packetMaxBytes: LIMITS.packetMaxBytes + HEADER_MAX_BYTES,
  /** The longest keep-alive that a client may ask for; none at all is refused too. */
  keepAliveMaxS: 60,
  subscriptionsMax: 16,
  /** By the rules one status and one desired per agent, and a presence per ingest. */
  retainedMax: 20_000,
  retainedMaxBytes: 64 * KIB,
  /** A connection that takes nothing of what waits for it for so long is dropped. */
  drainTimeoutMs: 5_000,
  agentMessagesPerS: 200,
  agentBytesPerS: 8 * MIB,
  agentOutgoingMaxBytes: 512 * KIB,
  serviceMessagesPerS: 50_000,
  serviceBytesPerS: 64 * MIB,
  /** What all agents may have in flight at once fits into it. */
  serviceOutgoingMaxBytes: LIMITS.windowTotalBytes + 32 * MIB,
} as const

export type Limits = { readonly [name in keyof typeof DEFAULT_LIMITS]: number }

const atLeastOne = Type.Optional(Type.Integer({ minimum: 1, maximum: 2 ** 31 - 1 }))

export const LimitsConfig = Type.Object(
  {
    connectionsMax: atLeastOne,
    connectionsPerAddressMax: atLeastOne,
    connectTimeoutMs: atLeastOne,
    controlMaxBytes: Type.Optional(Type.Integer({ minimum: 512, maximum: 64 * KIB })),
    packetMaxBytes: Type.Optional(Type.Integer({ minimum: LIMITS.batchMaxBytes, maximum: 16 * MIB })),
    keepAliveMaxS: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    subscriptionsMax: atLeastOne,
    retainedMax: atLeastOne,
    retainedMaxBytes: atLeastOne,
    drainTimeoutMs: Type.Optional(Type.Integer({ minimum: 100, maximum: 600_000 })),
    agentMessagesPerS: atLeastOne,
    agentBytesPerS: atLeastOne,
    agentOutgoingMaxBytes: atLeastOne,
    serviceMessagesPerS: atLeastOne,
    serviceBytesPerS: atLeastOne,
    serviceOutgoingMaxBytes: atLeastOne,
  },
  { additionalProperties: false },
)

export const limitsOf = (config: Static<typeof LimitsConfig> | undefined): Limits => ({ ...DEFAULT_LIMITS, ...config })

/** What an authenticated connection may bring in a second, and what may wait for it. */
export interface Traffic {
  readonly messagesPerS: number
  readonly bytesPerS: number
  readonly outgoingMaxBytes: number
}

/** An agent speaks for one shop; everything goes through a service. */
export const trafficOf = (role: Role, limits: Limits): Traffic =>
  role === 'agent'
    ? {
        messagesPerS: limits.agentMessagesPerS,
        bytesPerS: limits.agentBytesPerS,
        outgoingMaxBytes: limits.agentOutgoingMaxBytes,
      }
    : {
        messagesPerS: limits.serviceMessagesPerS,
        bytesPerS: limits.serviceBytesPerS,
        outgoingMaxBytes: limits.serviceOutgoingMaxBytes,
      }

/**
 * A token bucket that may go into debt: what has arrived is taken whole, and the next has to wait until the debt is paid.
 * So a packet larger than the bucket passes, and nothing is ever thrown away. It holds one second's worth.
 */
export interface Bucket {
  readonly perS: number
  readonly tokens: number
  readonly at: number
}

export const fullBucket = (perS: number, now: number): Bucket => ({ perS, tokens: perS, at: now })

/** A clock that steps back gives nothing and takes nothing. */
export const take = ({ perS, tokens, at }: Bucket, amount: number, now: number): Bucket => ({
  perS,
  tokens: Math.min(perS, tokens + (Math.max(0, now - at) * perS) / 1_000) - amount,
  at: now,
})

/** Milliseconds until the debt is paid; 0 when there is none. */
export const debtMs = ({ perS, tokens }: Bucket): number => (tokens >= 0 ? 0 : Math.ceil((-tokens * 1_000) / perS))
