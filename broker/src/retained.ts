import { Readable } from 'node:stream'

/** A message as Aedes stores and reads it. */
export interface RetainedMessage {
  readonly cmd: 'publish'
  readonly topic: string
  readonly payload: Buffer
  readonly qos: 0 | 1 | 2
}

export interface Retained {
  readonly size: number
  readonly bytes: number
  /** Whether the limits let this message be kept. An empty payload deletes, and is always let. */
  admits(topic: string, payloadBytes: number): boolean
  /** @throws Error when the limits do not let it. */
  store(message: RetainedMessage): void
  matching(filter: string): Iterable<RetainedMessage>
}

/** The last retained message of each topic, in memory: a broker that starts anew is told everything again. */
export const openRetained = ({
  retainedMax,
  retainedMaxBytes,
}: {
  readonly retainedMax: number
  readonly retainedMaxBytes: number
}): Retained => {
  const messages = new Map<string, RetainedMessage>()
  let bytes = 0
  const admits = (topic: string, payloadBytes: number): boolean =>
    payloadBytes === 0 || (payloadBytes <= retainedMaxBytes && (messages.has(topic) || messages.size < retainedMax))

  return {
    get size() {
      return messages.size
    },
    get bytes() {
      return bytes
    },
    admits,
    store({ cmd, topic, payload, qos }) {
      if (!admits(topic, payload.length)) throw new Error(`retained: no room for ${payload.length} bytes on ${topic}`)
      bytes += payload.length - (messages.get(topic)?.payload.length ?? 0)
      if (payload.length === 0) messages.delete(topic)
      // A copy, because the payload is a view into all that was read with it, and would keep that alive.
      else messages.set(topic, { cmd, topic, payload: copyOf(payload), qos })
    },
    *matching(filter) {
      if (!/[+#]/.test(filter)) {
        const message = messages.get(filter)
        if (message !== undefined) yield message
        return
      }
      const matches = matcher(filter)
      const start = fixedStart(filter)
      for (const message of messages.values()) {
        if (message.topic.startsWith(start) && matches(message.topic)) yield message
      }
    },
  }
}

/**
 * What Aedes calls its persistence, for a broker that keeps nobody's data: retained messages, and nothing of sessions,
 * messages in flight or wills, which live as long as their connection. Aedes' own looks at every retained message for every
 * filter, exact ones too, which makes a returning fleet's work grow with its square.
 */
export const retainedPersistence = (retained: Retained) => ({
  async setup() {},
  async destroy() {},
  async storeRetained(message: RetainedMessage) {
    retained.store(message)
  },
  createRetainedStreamCombi: (filters: readonly string[]) => Readable.from(allMatching(retained, filters)),
  createRetainedStream: (filter: string) => Readable.from(retained.matching(filter)),
  async addSubscriptions() {},
  async removeSubscriptions() {},
  async cleanSubscriptions() {},
  async subscriptionsByClient() {
    return []
  },
  async subscriptionsByTopic() {
    return []
  },
  async outgoingEnqueueCombi() {},
  async outgoingEnqueue() {},
  async outgoingUpdate() {},
  async outgoingClearMessageId() {},
  outgoingStream: () => Readable.from([]),
  async incomingStorePacket() {
    throw new Error('QoS 2 is not served')
  },
  async incomingGetPacket() {
    throw new Error('no such packet')
  },
  async incomingDelPacket() {
    throw new Error('no such packet')
  },
  async putWill() {},
  async delWill() {},
  streamWill: () => Readable.from([]),
})

function* allMatching(retained: Retained, filters: readonly string[]): Generator<RetainedMessage> {
  for (const filter of filters) yield* retained.matching(filter)
}

const copyOf = (payload: Buffer): Buffer => {
  const copy = Buffer.allocUnsafeSlow(payload.length)
  payload.copy(copy)
  return copy
}

/** What every match begins with: most topics are told apart by it, without being split. (`a/#` matches `a` too.) */
const fixedStart = (filter: string): string => {
  const start = filter.slice(0, filter.search(/[+#]/))
  return filter.endsWith('#') && start.endsWith('/') ? start.slice(0, -1) : start
}

/** MQTT 3.1.1 section 4.7: `+` is one level, `#` is this level and all below; neither matches a topic that starts with `$`. */
const matcher = (filter: string): ((topic: string) => boolean) => {
  const wanted = filter.split('/')
  const open = wanted.at(-1) === '#'
  const fixed = open ? wanted.length - 1 : wanted.length
  const wildFirst = wanted[0] === '+' || wanted[0] === '#'
  return topic => {
    if (wildFirst && topic.startsWith('$')) return false
    const levels = topic.split('/')
    if (open ? levels.length < fixed : levels.length !== fixed) return false
    for (let level = 0; level < fixed; level++) {
      if (wanted[level] !== '+' && wanted[level] !== levels[level]) return false
    }
    return true
  }
}
