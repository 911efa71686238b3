import { messageOf, NakamaError } from '@nakama/contract'
import { atMost, type Log } from '@nakama/service'
import type { OPCUACertificateManager } from 'node-opcua-certificate-manager'
import type { OPCUAClient, UserIdentityInfo } from 'node-opcua-client'
import type { OpcuaSignal } from '../../settings.ts'
import type { ReadFailure } from '../source.ts'
import { OPCUA_CLIENT } from './client-name.ts'
import type { OwnCertificate } from './own-certificate.ts'
import { chooseOffer, type OpcuaSecurity, offersText } from './security.ts'
import { type Heard, subscribe } from './subscription.ts'
import type { TrustStore } from './trust-store.ts'

/** Loaded only where an OPC UA machine is configured: it costs 30 MB and half a second. */
export type OpcuaLibrary = typeof import('node-opcua-client')

/** A signal, and the machine below whose node it is looked for by its path. */
export interface WatchedSignal {
  readonly signal: OpcuaSignal
  readonly machine: string | undefined
}

export interface SessionOptions {
  readonly library: OpcuaLibrary
  readonly certificates: OPCUACertificateManager
  readonly own: OwnCertificate
  readonly trust: TrustStore
  readonly endpoint: string
  readonly security: OpcuaSecurity
  readonly isFirstUseTrusted: boolean
  /** Called for each connection. @throws what reading a secret says. */
  readonly identity: () => UserIdentityInfo
  readonly publishMs: number
  /** The server says at least every so many publishing intervals that nothing has changed. */
  readonly keepAliveCount: number
  readonly signals: readonly WatchedSignal[]
  /** Optional signals that are known not to exist on this server; kept by the caller from session to session. */
  readonly absent: Set<number>
  /** The subscription stands; so long it may say nothing by what the server has agreed to, milliseconds. */
  readonly onSubscribed: (quietMs: number) => void
  /** The nodes that now make up a signal, in place of those before. */
  readonly onNodes: (index: number, nodeIds: readonly string[]) => void
  readonly onValue: (index: number, nodeId: string, heard: Heard) => void
  /** The server has no such node (any more). */
  readonly onGone: (index: number) => void
  /** A machine that is not in the server's folder of machines, and why. */
  readonly onLost: (machine: string | undefined, message: string) => void
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
  readonly retryMaxMs: number
  /** An optional node that is not there for so long does not exist, and is looked for only now and then. */
  readonly absentAfterMs: number
  readonly retryAbsentMs: number
}

export const PACE: Pace = {
  connectMaxMs: 15_000,
  requestMaxMs: 5_000,
  watchMs: 2_000,
  silenceMinMs: 5_000,
  retryFirstMs: 2_000,
  retryMaxMs: 8_000,
  absentAfterMs: 10_000,
  retryAbsentMs: 60_000,
}

const CLOSE_MAX_MS = 2_000
/** Servers lock an account after some attempts. */
const REFUSED_PAUSE_MS = 30_000

export interface SessionEnd extends ReadFailure {
  /** Not to be tried again sooner. */
  readonly notBeforeMs?: number
}

/**
 * One connection with one subscription, from connecting until it is lost; says why it ended and never rejects. There is no
 * repairing: whatever is wrong with the connection ends it, and no value outlives it. Liveness is judged by data, since a
 * server may answer keep-alive reads for ever while its subscription is gone.
 */
export const runOpcuaSession = async (options: SessionOptions, signal: AbortSignal): Promise<SessionEnd> => {
  const { connectMaxMs, watchMs } = options.pace
  const over = Promise.withResolvers<SessionEnd>()
  const clients: OPCUAClient[] = []
  const lost = (kind: ReadFailure['kind'], message: string): void => over.resolve({ kind, message })
  const stop = (): void => lost('connect', 'stopped')
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  let isOver = false
  let watchdog: NodeJS.Timeout | undefined

  const open = (security: Parameters<typeof createClient>[1]): OPCUAClient => {
    if (isOver) throw new Error('over')
    const client = createClient(options, security)
    clients.push(client)
    return client
  }
  const work = async (): Promise<void> => {
    const slow = setTimeout(() => lost('connect', `not connected in ${connectMaxMs} ms`), connectMaxMs)
    over.promise.then(() => clearTimeout(slow))
    const client = open(options.security.mode === 'none' ? {} : await negotiate(options, open({})))
    client.on('connection_lost', () => lost('connect', 'connection lost'))
    // The library would make a new session without a word, and what happened meanwhile would be missing without a gap.
    client.on('receive_response', ({ responseHeader: { serviceResult } }) => {
      if (SESSION_GONE.has(serviceResult.name)) lost('connect', `the server says ${serviceResult.name}`)
    })
    client.on('close', error => lost('connect', error?.message ?? 'closed by the other side'))
    await client.connect(options.endpoint)
    const session = await client.createSession(options.identity())
    session.on('session_closed', () => lost('connect', 'session closed'))
    const watch = await subscribe(options, session)
    clearTimeout(slow)
    if (isOver) return
    watchdog = setInterval(() => {
      const silence = watch.silence()
      if (silence !== undefined) lost('silent', silence)
      else watch.retryMissing().catch(error => lost('silent', messageOf(error)))
    }, watchMs)
  }
  work().catch(error => over.resolve(endBy(error)))
  const reason = await over.promise
  isOver = true
  clearInterval(watchdog)
  signal.removeEventListener('abort', stop)
  await atMost(CLOSE_MAX_MS, Promise.all(clients.map(client => client.disconnect())))
  return reason
}

const SESSION_GONE: ReadonlySet<string> = new Set([
  'BadSessionIdInvalid',
  'BadSessionClosed',
  'BadSubscriptionIdInvalid',
  'BadNoSubscription',
])

/** Words of OPC UA, and of its library, for: who you are does not suffice. */
const REFUSALS = /BadIdentityToken|BadUserAccessDenied|BadCertificate|BadSecurityChecksFailed|user token policy/

const endBy = (error: unknown): SessionEnd => {
  const message = messageOf(error)
  if (REFUSALS.test(message)) return { kind: 'refused', message, notBeforeMs: REFUSED_PAUSE_MS }
  return { kind: error instanceof NakamaError && error.code.startsWith('OPCUA_') ? 'refused' : 'connect', message }
}

interface Negotiated {
  readonly policy?: string
  readonly serverCertificate?: Buffer
}

/** Asks, without security, how the server can be talked to, and whether its certificate is one that we trust. */
const negotiate = async (options: SessionOptions, client: OPCUAClient): Promise<Negotiated> => {
  const { endpoint, security, trust, isFirstUseTrusted, log } = options
  await client.connect(endpoint)
  const offers = await client.getEndpoints({ endpointUrl: endpoint })
  await client.disconnect()
  const chosen = chooseOffer(offers, security)
  if (chosen === undefined) {
    const wanted = `${security.mode} with ${security.policy ?? 'a policy that is safe'}`
    throw new NakamaError('OPCUA_NO_ENDPOINT', `expected ${wanted}, got only ${offersText(offers) || 'nothing'}`)
  }
  const { isTrusted, isNew, fingerprint } = await trust.check(chosen.certificate, endpoint, isFirstUseTrusted)
  if (!isTrusted) {
    const toDo = `nakama-agent trust --config FILE --accept ${fingerprint}`
    throw new NakamaError('OPCUA_UNTRUSTED', `the server's certificate is not trusted; if it is the machine's: ${toDo}`)
  }
  if (isNew) log.warn({ endpoint, fingerprint, code: 'OPCUA_TRUSTED' }, 'trusts this server from its first use on')
  return { policy: chosen.policy, serverCertificate: chosen.certificate }
}

const createClient = (
  { library, certificates, own, security, log, pace }: SessionOptions,
  { policy, serverCertificate }: Negotiated,
): OPCUAClient => {
  library.setWarningLogger((...words: unknown[]) => log.debug({ code: 'OPCUA_LIBRARY' }, words.join(' ')))
  library.setErrorLogger((...words: unknown[]) => log.debug({ code: 'OPCUA_LIBRARY' }, words.join(' ')))
  const { MessageSecurityMode, SecurityPolicy } = library
  const isSigned = security.mode === 'sign'
  return library.OPCUAClient.create({
    applicationName: OPCUA_CLIENT,
    clientName: OPCUA_CLIENT,
    applicationUri: own.applicationUri,
    clientCertificateManager: certificates,
    certificateFile: own.file,
    privateKeyFile: own.keyFile,
    ...(policy === undefined || serverCertificate === undefined
      ? { securityMode: MessageSecurityMode.None, securityPolicy: SecurityPolicy.None }
      : {
          securityMode: isSigned ? MessageSecurityMode.Sign : MessageSecurityMode.SignAndEncrypt,
          securityPolicy: SecurityPolicy[policy as keyof typeof SecurityPolicy],
          serverCertificate,
        }),
    // Machines announce host names that nobody in the shop can resolve.
    endpointMustExist: false,
    keepSessionAlive: true,
    keepAliveInterval: pace.requestMaxMs,
    transportTimeout: pace.requestMaxMs,
    defaultTransactionTimeout: pace.requestMaxMs,
    connectionStrategy: { initialDelay: 500, maxDelay: 500, maxRetry: 0 },
  })
}
