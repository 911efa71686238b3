import { messageOf } from '@nakama/contract'
import { atMost, type Log } from '@nakama/service'
import type { OPCUACertificateManager } from 'node-opcua-certificate-manager'
import type { ClientMonitoredItemBase, ClientSession, DataValue, OPCUAClient } from 'node-opcua-client'
import type { OpcuaMachine } from '../settings.ts'
import { resolveNode } from './opcua-values.ts'
import type { ReadFailure } from './source.ts'

/** Loaded only where an OPC UA machine is configured: it costs 30 MB and half a second. */
export type OpcuaLibrary = typeof import('node-opcua-client')

export interface SessionOptions {
  readonly library: OpcuaLibrary
  readonly certificates: OPCUACertificateManager
  readonly endpoint: string
  readonly security: OpcuaMachine['security']
  readonly publishMs: number
  /** The server says at least every so many publishing intervals that nothing has changed. */
  readonly keepAliveCount: number
  /** As configured, `nsu=…;s=…`. */
  readonly nodes: readonly string[]
  /** A node's new value; null: the server has no such node (any more). */
  readonly onValue: (index: number, value: DataValue | null) => void
  /** The server has confirmed that all values are as last heard. */
  readonly onKeepAlive: () => void
  readonly pace: Pace
  readonly monotonic: () => number
  readonly log: Log
}

/** How patient a session is, in milliseconds. */
export interface Pace {
  /** From the first packet to the first values. */
  readonly connectMaxMs: number
  /** For one request, and how often the server is asked whether it is alive. */
  readonly requestMaxMs: number
  /** How often the subscription is looked after. */
  readonly watchMs: number
  /** The server may be silent for this long at least, or for two keep-alives more than it promised. */
  readonly silenceMinMs: number
  /** Nodes that are missing are asked for again, first after so long, then less and less often. */
  readonly retryFirstMs: number
}

export const PACE: Pace = {
  connectMaxMs: 15_000,
  requestMaxMs: 5_000,
  watchMs: 2_000,
  silenceMinMs: 5_000,
  retryFirstMs: 2_000,
}

const RETRY_MAX_MS = 60_000
const CLOSE_MAX_MS = 2_000
const ITEMS_PER_REQUEST = 500

/**
 * One connection with one subscription, from connecting until it is lost; says why it ended and never rejects. There is no
 * repairing: whatever is wrong with the connection ends it, and no value outlives it. Liveness is judged by data, since a
 * server may answer keep-alive reads for ever while its subscription is gone.
 */
export const runOpcuaSession = async (options: SessionOptions, signal: AbortSignal): Promise<ReadFailure> => {
  const { connectMaxMs, watchMs } = options.pace
  const over = Promise.withResolvers<ReadFailure>()
  const client = createClient(options)
  const lost = (kind: ReadFailure['kind'], message: string): void => over.resolve({ kind, message })
  const stop = (): void => lost('connect', 'stopped')
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  client.on('connection_lost', () => lost('connect', 'connection lost'))
  client.on('close', error => lost('connect', error?.message ?? 'closed by the other side'))

  let watchdog: NodeJS.Timeout | undefined
  const work = async (): Promise<void> => {
    const slow = setTimeout(() => lost('connect', `not connected in ${connectMaxMs} ms`), connectMaxMs)
    over.promise.then(() => clearTimeout(slow))
    await client.connect(options.endpoint)
    const session = await client.createSession()
    session.on('session_closed', () => lost('connect', 'session closed'))
    const watch = await subscribe(options, session)
    clearTimeout(slow)
    watchdog = setInterval(() => {
      const silence = watch.silence()
      if (silence !== undefined) lost('silent', silence)
      else watch.retryMissing().catch(error => lost('silent', messageOf(error)))
    }, watchMs)
  }
  work().catch(error => lost('connect', messageOf(error)))
  const reason = await over.promise
  clearInterval(watchdog)
  signal.removeEventListener('abort', stop)
  await atMost(CLOSE_MAX_MS, client.disconnect())
  return reason
}

const createClient = ({ library, certificates, security, log, pace }: SessionOptions): OPCUAClient => {
  library.setWarningLogger((...words: unknown[]) => log.debug({ code: 'OPCUA_LIBRARY' }, words.join(' ')))
  library.setErrorLogger((...words: unknown[]) => log.debug({ code: 'OPCUA_LIBRARY' }, words.join(' ')))
  const { MessageSecurityMode, SecurityPolicy } = library
  const mode = {
    none: MessageSecurityMode.None,
    sign: MessageSecurityMode.Sign,
    'sign-and-encrypt': MessageSecurityMode.SignAndEncrypt,
  }[security]
  return library.OPCUAClient.create({
    applicationName: 'nakama-edge-agent',
    clientName: 'nakama-edge-agent',
    clientCertificateManager: certificates,
    securityMode: mode,
    securityPolicy: security === 'none' ? SecurityPolicy.None : SecurityPolicy.Basic256Sha256,
    // Machines announce host names that nobody in the shop can resolve.
    endpointMustExist: false,
    keepSessionAlive: true,
    keepAliveInterval: pace.requestMaxMs,
    transportTimeout: pace.requestMaxMs,
    defaultTransactionTimeout: pace.requestMaxMs,
    connectionStrategy: { initialDelay: 500, maxDelay: 500, maxRetry: 0 },
  })
}

interface Watch {
  /** Undefined while all is well. */
  silence(): string | undefined
  /** Asks anew for nodes that the server did not have, when it is time. */
  retryMissing(): Promise<void>
}

const subscribe = async (options: SessionOptions, session: ClientSession): Promise<Watch> => {
  const { library, monotonic, nodes, publishMs, keepAliveCount } = options
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: publishMs,
    requestedLifetimeCount: 60,
    requestedMaxKeepAliveCount: keepAliveCount,
    publishingEnabled: true,
  })
  let heardAt = monotonic()
  subscription.on('keepalive', () => {
    heardAt = monotonic()
    options.onKeepAlive()
  })
  const missing = new Set(nodes.keys())
  let retryAt = 0
  let retryMs = options.pace.retryFirstMs

  const changed = (index: number, item: ClientMonitoredItemBase, value: DataValue): void => {
    heardAt = monotonic()
    const gone = value.statusCode.value === library.StatusCodes.BadNodeIdUnknown.value
    options.onValue(index, gone ? null : value)
    if (!gone) return
    missing.add(index)
    item.terminate().catch(error => options.log.debug({ err: error }, 'item not removed'))
  }

  const monitor = async (indexes: readonly number[], namespaces: readonly string[]): Promise<void> => {
    const known = indexes.flatMap(index => {
      const nodeId = resolveNode(nodes[index] as string, namespaces)
      return nodeId === undefined ? [] : [{ index, nodeId }]
    })
    if (known.length === 0) return
    const group = await subscription.monitorItems(
      known.map(({ nodeId }) => ({ nodeId, attributeId: library.AttributeIds.Value })),
      { samplingInterval: publishMs, queueSize: 1, discardOldest: true },
      library.TimestampsToReturn.Neither,
    )
    group.on('changed', (item, value, at) => changed((known[at] as { index: number }).index, item, value))
    // A bad node is no error of the request: each item says for itself.
    for (const [at, item] of group.monitoredItems.entries()) {
      if (item.statusCode.isGoodish()) missing.delete((known[at] as { index: number }).index)
    }
  }

  const askFor = async (wanted: readonly number[]): Promise<void> => {
    const namespaces = await readNamespaces(library, session)
    for (let at = 0; at < wanted.length; at += ITEMS_PER_REQUEST)
      await monitor(wanted.slice(at, at + ITEMS_PER_REQUEST), namespaces)
    for (const index of missing) options.onValue(index, null)
    retryAt = monotonic() + retryMs
  }

  await askFor([...missing])
  return {
    silence() {
      const silentMs = monotonic() - heardAt
      const maxMs = Math.max(
        options.pace.silenceMinMs,
        (subscription.maxKeepAliveCount + 2) * subscription.publishingInterval,
      )
      return silentMs > maxMs ? `nothing heard for ${Math.round(silentMs)} ms` : undefined
    },
    async retryMissing() {
      if (missing.size === 0 || monotonic() < retryAt) return
      retryMs = Math.min(RETRY_MAX_MS, retryMs * 2)
      retryAt = Number.POSITIVE_INFINITY
      await askFor([...missing])
    },
  }
}

const readNamespaces = async (library: OpcuaLibrary, session: ClientSession): Promise<string[]> => {
  // Server_NamespaceArray, read each time: the session's own copy would outlive a change.
  const answer = await session.read({ nodeId: 'i=2255', attributeId: library.AttributeIds.Value })
  const uris: unknown = answer.value?.value
  return Array.isArray(uris) ? uris.map(String) : []
}
