import { messageOf } from '@nakama/contract'
import type { ClientMonitoredItemBase, ClientSession, ClientSubscription, DataValue } from 'node-opcua-client'
import type { Value } from '../source.ts'
import { type Locator, locateMachine } from './locate.ts'
import type { OpcuaLibrary, SessionOptions, WatchedSignal } from './session.ts'
import { fromDataValue, nodeIdIn, resolveNode } from './values.ts'

/** What a server has said of one node. */
export interface Heard {
  readonly value: Value
  /** Why there is no value, such as `BadNoCommunication`; undefined while it is good. */
  readonly bad: string | undefined
  /** The server threw values away before this one. */
  readonly isLossy: boolean
  /** When the value changed by the machine's clock, milliseconds since 1970; undefined where it does not say, or did before we came. */
  readonly sourceAt: number | undefined
}

export interface Watch {
  /** Undefined while all is well. */
  silence(): string | undefined
  /** Asks anew for nodes that the server did not have, when it is time. */
  retryMissing(): Promise<void>
}

const ITEMS_PER_REQUEST = 500
/** Values that wait on the server while the line is slow. What does not fit is told by the overflow bit. */
const QUEUE_SIZE = 10
const NAMES_MAX = 200

/** One subscription to all signals. A signal without its node has no value, and costs no other signal anything. */
export const subscribe = async (options: SessionOptions, session: ClientSession): Promise<Watch> => {
  const { library, monotonic, signals, publishMs, keepAliveCount, pace, absent } = options
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: publishMs,
    requestedLifetimeCount: 60,
    requestedMaxKeepAliveCount: keepAliveCount,
    publishingEnabled: true,
  })
  options.onSubscribed(subscription.maxKeepAliveCount * subscription.publishingInterval)
  const startedAt = monotonic()
  let heardAt = startedAt
  subscription.on('keepalive', () => {
    heardAt = monotonic()
    options.onKeepAlive()
  })
  const nameOf = namer(library, session)
  const missing = new Set(signals.keys())
  const items = new Map<number, ClientMonitoredItemBase[]>()
  let retryAt = 0
  let retryMs = pace.retryFirstMs

  const lose = (index: number): void => {
    missing.add(index)
    options.onGone(index)
    for (const item of items.get(index) ?? [])
      item.terminate().catch(error => options.log.debug({ err: error }, 'item not removed'))
    items.delete(index)
  }
  const hear = async ({ index, nodeId }: Target, data: DataValue, isFirst: boolean): Promise<void> => {
    const { scale, offset } = (signals[index] as WatchedSignal).signal
    const pointed = nodeIdIn(data)
    const value = pointed === undefined ? fromDataValue(data, scale, offset) : await nameOf(pointed)
    options.onValue(index, nodeId, {
      value,
      bad: data.statusCode.isGoodish() ? undefined : data.statusCode.name,
      isLossy: data.statusCode.hasOverflowBit,
      sourceAt: isFirst ? undefined : data.sourceTimestamp?.getTime(),
    })
  }

  const monitor = async (targets: readonly Target[]): Promise<void> => {
    const group = await subscription.monitorItems(
      targets.map(({ nodeId }) => ({ nodeId, attributeId: library.AttributeIds.Value })),
      { samplingInterval: publishMs, queueSize: QUEUE_SIZE, discardOldest: true },
      library.TimestampsToReturn.Source,
    )
    const heard = new Set<number>()
    const order = new Map<number, Promise<void>>()
    group.on('changed', (_item, data, at) => {
      heardAt = monotonic()
      const target = targets[at] as Target
      if (data.statusCode.value === library.StatusCodes.BadNodeIdUnknown.value) return lose(target.index)
      const isFirst = !heard.has(at)
      heard.add(at)
      // A name may have to be asked for; what came after it must not be overtaken.
      const before = order.get(at)
      const next = before === undefined ? hear(target, data, isFirst) : before.then(() => hear(target, data, isFirst))
      const done = next.catch(error => options.log.debug({ err: error }, 'value not understood'))
      if (nodeIdIn(data) !== undefined) order.set(at, done)
    })
    // A bad node is no error of the request: each item says for itself.
    for (const [at, item] of group.monitoredItems.entries()) {
      const { index } = targets[at] as Target
      if (!item.statusCode.isGoodish()) continue
      missing.delete(index)
      items.set(index, [...(items.get(index) ?? []), item])
    }
  }

  const askFor = async (wanted: readonly number[]): Promise<void> => {
    const { targets, notThere } = await findAll(options, session, wanted)
    for (const index of wanted)
      options.onNodes(
        index,
        targets.filter(one => one.index === index).map(one => one.nodeId),
      )
    for (let at = 0; at < targets.length; at += ITEMS_PER_REQUEST)
      await monitor(targets.slice(at, at + ITEMS_PER_REQUEST))
    // A server that has just started may show its nodes one by one: only what stays away does not exist.
    const isSettled = monotonic() - startedAt >= pace.absentAfterMs
    for (const index of notThere) if (isSettled && signals[index]?.signal.isOptional) absent.add(index)
    for (const index of missing) options.onGone(index)
    retryAt = monotonic() + retryMs
  }

  await askFor([...missing])
  return {
    silence: () => silenceOf(subscription, monotonic() - heardAt, pace.silenceMinMs),
    async retryMissing() {
      if (missing.size === 0 || monotonic() < retryAt) return
      const isUrgent = [...missing].some(index => !absent.has(index))
      retryMs = isUrgent ? Math.min(pace.retryMaxMs, retryMs * 2) : pace.retryAbsentMs
      retryAt = Number.POSITIVE_INFINITY
      await askFor([...missing])
    },
  }
}

interface Target {
  readonly index: number
  readonly nodeId: string
}

const silenceOf = (
  { maxKeepAliveCount, publishingInterval }: ClientSubscription,
  silentMs: number,
  minMs: number,
): string | undefined => {
  const maxMs = Math.max(minMs, (maxKeepAliveCount + 2) * publishingInterval)
  return silentMs > maxMs ? `nothing heard for ${Math.round(silentMs)} ms` : undefined
}

/** The nodes of signals, and those signals whose machine was found but has no such node. */
const findAll = async (
  { library, signals, onLost }: SessionOptions,
  session: ClientSession,
  wanted: readonly number[],
) => {
  const namespaces = await readNamespaces(library, session)
  const machines = new Map<string | undefined, Locator | undefined>()
  const locatorOf = async (machine: string | undefined): Promise<Locator | undefined> => {
    if (!machines.has(machine)) {
      const locator = await locateMachine(library, session, namespaces, machine).catch(error => {
        onLost(machine, messageOf(error))
        return undefined
      })
      machines.set(machine, locator)
    }
    return machines.get(machine)
  }
  const targets: Target[] = []
  const notThere: number[] = []
  for (const index of wanted) {
    const { signal, machine } = signals[index] as WatchedSignal
    if (signal.node !== undefined) {
      const nodeId = resolveNode(signal.node, namespaces)
      if (nodeId !== undefined) targets.push({ index, nodeId })
      continue
    }
    const locator = await locatorOf(machine)
    if (locator === undefined) continue
    const found = await firstOf(signal.paths, locator)
    targets.push(...found.map(nodeId => ({ index, nodeId })))
    if (found.length === 0) notThere.push(index)
  }
  return { targets, notThere }
}

const firstOf = async (paths: readonly string[], locator: Locator): Promise<string[]> => {
  for (const path of paths) {
    const found = await locator.find(path)
    if (found.length > 0) return found
  }
  return []
}

const readNamespaces = async (library: OpcuaLibrary, session: ClientSession): Promise<string[]> => {
  // Server_NamespaceArray, read each time: the session's own copy would outlive a change.
  const answer = await session.read({ nodeId: 'i=2255', attributeId: library.AttributeIds.Value })
  const uris: unknown = answer.value?.value
  return Array.isArray(uris) ? uris.map(String) : []
}

/** The BrowseName of a node: `Executing` in every language of the control. Null when it has none. */
const namer = (library: OpcuaLibrary, session: ClientSession): ((nodeId: string) => Promise<string | null>) => {
  const known = new Map<string, string | null>()
  return async nodeId => {
    const before = known.get(nodeId)
    if (before !== undefined) return before
    const answer = await session.read({ nodeId, attributeId: library.AttributeIds.BrowseName })
    const name: unknown = answer.value?.value?.name
    const found = typeof name === 'string' && answer.statusCode.isGoodish() ? name : null
    if (found !== null && known.size < NAMES_MAX) known.set(nodeId, found)
    return found
  }
}
