import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { HttpListen, Log, Metrics } from '@nakama/service'
import { Aedes } from 'aedes'
import { type Access, createAccess, type Peer } from './access.ts'
import { type Connection, type DropReason, openConnection } from './connection.ts'
import type { BrokerFacts } from './health.ts'
import type { Limits } from './limits.ts'
import { openListener } from './listener.ts'
import { brokerMetrics } from './metrics.ts'
import { createNotices } from './notices.ts'
import type { PasswordBook } from './passwords.ts'
import { openRetained, retainedPersistence } from './retained.ts'
import { ROLES } from './rules.ts'
import { openSessions, type Session } from './sessions.ts'

export interface HubOptions {
  readonly listen: HttpListen
  readonly limits: Limits
  readonly passwords: PasswordBook
  readonly log: Log
  readonly metrics: Metrics
  /** Milliseconds of a clock that never steps. */
  readonly now: () => number
  /** What the rules answer, altered. Only for showing that one guard holds where another one fails. */
  readonly alter?: (access: Access) => Access
}

export interface Hub {
  readonly port: number
  facts(): BrokerFacts
  /** Idempotent and bounded. */
  stop(): Promise<void>
}

const STOP_MAX_MS = 2_000

/** Clients in, rules asked, Aedes between them. */
export const openHub = async ({ listen, limits, passwords, log, metrics, now, alter }: HubOptions): Promise<Hub> => {
  const sessions = openSessions()
  const retained = openRetained(limits)
  const notices = createNotices(log, now)
  const connections = new Set<Connection>()
  /** Those of them that are not, or not yet, let in. */
  const strangers = new Set<Connection>()
  const peers = new WeakMap<Duplex, Peer>()
  const startedAt = now()
  const messageAt: { in: number | undefined; out: number | undefined } = { in: undefined, out: undefined }
  let agentHeardAt: number | undefined
  let agentsSince: number | undefined
  let listening = true

  const waitingBytes = (): number => {
    let sum = 0
    for (const connection of connections) sum += connection.waitingBytes
    return sum
  }
  const count = brokerMetrics(metrics, () => ({
    waitingBytes: waitingBytes(),
    retained: retained.size,
    retainedBytes: retained.bytes,
  }))

  const noteConnections = (): void => {
    for (const role of ROLES) count.connections(role, sessions.count(role))
    count.connections('none', strangers.size)
    agentsSince = sessions.count('agent') === 0 ? undefined : (agentsSince ?? now())
  }

  const access = createAccess({
    limits,
    passwords,
    sessions,
    retained,
    peerOf: client => peers.get(client.conn as Duplex),
    onMessage: (direction, role) => {
      messageAt[direction] = now()
      if (direction === 'in' && role === 'agent') agentHeardAt = messageAt.in
      count.message(direction)
    },
    onAdmitted: ({ principal, connection }) => {
      strangers.delete(connection)
      noteConnections()
      log.info({ ...idsOf(principal), role: principal.role, address: connection.address }, 'connected')
    },
    metrics: count,
    notices,
  })

  const aedes = await Aedes.createBroker({
    persistence: retainedPersistence(retained),
    // Nobody waits inside Aedes (see `outgoing.ts`), so there is nothing to queue for.
    concurrency: 0,
    keepaliveLimit: limits.keepAliveMaxS,
    // Ours end a connection first; these would if they did not.
    connectTimeout: 2 * limits.connectTimeoutMs,
    drainTimeout: 2 * limits.drainTimeoutMs,
    ...(alter?.(access) ?? access),
  })
  // Without a listener an error would end the process. (Aedes' types leave this event out.)
  ;(aedes as EventEmitter).on('error', error =>
    log.error({ err: error, code: 'BROKER_AEDES_ERROR' }, 'error inside Aedes'),
  )
  aedes.on('keepaliveTimeout', client => peers.get(client.conn as Duplex)?.connection.drop('keep-alive'))
  aedes.on('clientError', (client, error) => log.debug({ client: client.id, err: error }, 'client error'))
  aedes.on('connectionError', (_client, error) => log.debug({ err: error }, 'connection error'))

  const onClosed = (peer: Peer, reason: DropReason | undefined): void => {
    connections.delete(peer.connection)
    strangers.delete(peer.connection)
    noteConnections()
    const { session, connection } = peer
    const ids = session === undefined ? {} : { ...idsOf(session.principal), role: session.principal.role }
    if (reason !== undefined) {
      count.dropped(reason)
      const code = `BROKER_DROPPED_${reason.toUpperCase().replaceAll('-', '_')}`
      if (!SAID_ELSEWHERE.has(reason)) notices.warn(code, { ...ids, address: connection.address }, 'connection dropped')
    }
    if (session !== undefined) log.info({ ...ids, reason }, 'disconnected')
  }

  const onSocket = (socket: Socket): void => {
    const connection = openConnection(
      socket,
      limits,
      { onBytes: count.bytes, onThrottled: count.throttled, onClosed: reason => onClosed(peer, reason) },
      now,
    )
    const peer: Peer = { connection, session: undefined, filters: new Set() }
    connections.add(connection)
    strangers.add(connection)
    noteConnections()
    peers.set(connection.stream, peer)
    const client = aedes.handle(connection.stream)
    connection.stream.once('close', () => {
      client.close()
      // Aedes takes one turn to unsubscribe and then publishes the will: the place is free only after that.
      setImmediate(() => setImmediate(() => release(peer.session)))
    })
  }

  const release = (session: Session | undefined): void => {
    if (session !== undefined) sessions.release(session)
    noteConnections()
  }

  const listener = await openListener(listen, limits, {
    onSocket,
    onRefused: (why, address) => {
      count.dropped(why)
      notices.warn('BROKER_TOO_MANY_CONNECTIONS', { address, why }, 'connection refused')
    },
    onError: err => notices.warn('BROKER_CANNOT_ACCEPT', { err }, 'connection not accepted'),
  }).catch(async error => {
    await closeAedes(aedes)
    throw error
  })

  let stopping: Promise<void> | undefined
  return {
    port: listener.port,
    facts: () => ({
      listening,
      startedAt,
      messageInAt: messageAt.in,
      messageOutAt: messageAt.out,
      agentHeardAt,
      agentsSince,
      agents: sessions.count('agent'),
      ingests: sessions.count('ingest'),
      coordinators: sessions.count('coordinator'),
      strangers: strangers.size,
      retained: retained.size,
      waitingBytes: waitingBytes(),
    }),
    stop() {
      listening = false
      stopping ??= (async () => {
        const closed = listener.stop()
        for (const connection of connections) connection.drop('stopping')
        await within(STOP_MAX_MS, Promise.all([closed, closeAedes(aedes)]))
      })()
      return stopping
    },
  }
}

/** Their own lines have said more already, or there is nothing to warn of. */
const SAID_ELSEWHERE: ReadonlySet<DropReason> = new Set(['refused', 'denied', 'lost', 'stopping'])

const idsOf = (principal: Session['principal']): { readonly [name: string]: string } =>
  principal.role === 'agent' ? { shop: principal.shop, agent: principal.agent } : { id: principal.id }

const closeAedes = (aedes: Aedes): Promise<void> => new Promise(resolve => aedes.close(resolve))

const within = (ms: number, work: Promise<unknown>): Promise<unknown> => {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise(resolve => {
    timer = setTimeout(resolve, ms)
  })
  return Promise.race([work, deadline]).finally(() => clearTimeout(timer))
}
