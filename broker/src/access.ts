import type { AedesOptions, AuthenticateError, Client } from 'aedes'
import { CONNACK, connackBytes, judgeConnect, type Refusal } from './connect.ts'
import type { Connection } from './connection.ts'
import { type Limits, trafficOf } from './limits.ts'
import type { BrokerMetrics, DeniedAction } from './metrics.ts'
import type { Notices } from './notices.ts'
import type { PasswordBook } from './passwords.ts'
import type { Retained } from './retained.ts'
import { may, principalOf, type Role } from './rules.ts'
import type { Session, Sessions } from './sessions.ts'

/** One connection as the rules see it. */
export interface Peer {
  readonly connection: Connection
  /** Once authenticated; it stays when the connection has ended, for the will. */
  session: Session | undefined
  /** Every filter granted so far. */
  readonly filters: Set<string>
}

export interface AccessParts {
  readonly limits: Limits
  readonly passwords: PasswordBook
  readonly sessions: Sessions
  readonly retained: Retained
  readonly peerOf: (client: Client) => Peer | undefined
  readonly onMessage: (direction: 'in' | 'out', role: Role) => void
  readonly onAdmitted: (session: Session) => void
  readonly metrics: BrokerMetrics
  readonly notices: Notices
}

export type Access = Required<
  Pick<AedesOptions, 'preConnect' | 'authenticate' | 'authorizePublish' | 'authorizeSubscribe' | 'authorizeForward'>
>

/**
 * The questions that Aedes asks, answered by the rules. Whoever it does not know may nothing.
 *
 * A denied publish ends the connection: MQTT 3.1.1 has no other "no" [MQTT-3.3.5-2], and a message dropped without a word
 * would look to its sender like one delivered. The rules of a credential never change while it is connected, so a client
 * that does what it should is never hit.
 */
export const createAccess = ({
  limits,
  passwords,
  sessions,
  retained,
  peerOf,
  onMessage,
  onAdmitted,
  metrics,
  notices,
}: AccessParts): Access => {
  const deny = (action: DeniedAction, peer: Peer | undefined, why: string): void => {
    metrics.denied(action)
    const code = `BROKER_${action.toUpperCase()}_DENIED`
    // It quotes the client, who may have sent kilobytes.
    notices.warn(code, { address: peer?.connection.address, why: why.slice(0, WHY_MAX) }, 'denied')
  }

  const admit = async (
    peer: Peer,
    username = '',
    password: Uint8Array = new Uint8Array(),
  ): Promise<Refusal | undefined> => {
    const principal = principalOf(username)
    if (!(await passwords.verify(username, password)) || principal === undefined) {
      return { returnCode: CONNACK.badPassword, why: `wrong name or password for ${JSON.stringify(username)}` }
    }
    const session = { principal, connection: peer.connection }
    const claim = await sessions.claim(session)
    if (claim === 'occupied') {
      return { returnCode: CONNACK.unavailable, why: `${username}: another ingest is active` }
    }
    if (claim === 'closed') return { returnCode: CONNACK.unavailable, why: `${username} went away` }
    peer.session = session
    peer.connection.admit(trafficOf(principal.role, limits))
    onAdmitted(session)
    return undefined
  }

  return {
    preConnect(client, packet, done) {
      const peer = peerOf(client)
      const refusal = judgeConnect(packet, limits.keepAliveMaxS)
      if (peer !== undefined && refusal === undefined) {
        // No session outlives its connection: Aedes would store denied filters with granted ones, and replay both.
        packet.clean = true
        return done(null, true)
      }
      const why = refusal?.why ?? 'unknown connection'
      deny('connect', peer, why)
      if (refusal !== undefined) client.conn.write(connackBytes(refusal))
      peer?.connection.drop('refused')
      // Without an error Aedes would keep the connection, and without a time limit.
      done(new Error(why), false)
    },

    authenticate(client, username, password, done) {
      const peer = peerOf(client)
      if (peer === undefined) return done(refusalError(CONNACK.notAuthorised, 'unknown connection'), false)
      admit(peer, username, password).then(
        refusal => {
          if (refusal === undefined) return done(null, true)
          deny('connect', peer, refusal.why)
          peer.connection.blame('refused')
          // Aedes writes the CONNACK and closes.
          done(refusalError(refusal.returnCode, refusal.why), false)
        },
        (error: unknown) => done(refusalError(CONNACK.unavailable, String(error)), false),
      )
    },

    authorizePublish(client, packet, done) {
      const peer = client === null ? undefined : peerOf(client)
      const refuse = (why: string): void => {
        deny('publish', peer, why)
        peer?.connection.drop('denied')
        done(new Error(why))
      }
      if (peer?.session === undefined) return refuse(`nobody may publish ${packet.topic}`)
      const { principal } = peer.session
      const verdict = may(principal, 'publish', packet.topic, { retain: packet.retain, qos: packet.qos })
      if (!verdict.ok) return refuse(verdict.why)
      const bytes = Buffer.byteLength(packet.payload)
      if (packet.retain && !retained.admits(packet.topic, bytes)) {
        return refuse(`no room to retain ${bytes} bytes on ${packet.topic}`)
      }
      onMessage('in', principal.role)
      done(null)
    },

    authorizeSubscribe(client, subscription, done) {
      const peer = peerOf(client)
      if (peer?.session === undefined) return done(null, null)
      const { topic, qos } = subscription
      const verdict = may(peer.session.principal, 'subscribe', topic, { qos })
      const room = peer.filters.has(topic) || peer.filters.size < limits.subscriptionsMax
      if (!verdict.ok || !room) {
        deny('subscribe', peer, verdict.ok ? `more than ${limits.subscriptionsMax} filters` : verdict.why)
        // Return code 0x80 for this filter, and no more [MQTT-3.9.3-2]; the others of the packet stand.
        return done(null, null)
      }
      peer.filters.add(topic)
      done(null, subscription)
    },

    authorizeForward(client, packet) {
      const peer = peerOf(client)
      if (peer?.session === undefined) return null
      const verdict = may(peer.session.principal, 'receive', packet.topic)
      if (!verdict.ok) {
        deny('receive', peer, verdict.why)
        return null
      }
      onMessage('out', peer.session.principal.role)
      return packet
    },
  }
}

const WHY_MAX = 300

const refusalError = (returnCode: Refusal['returnCode'], why: string): AuthenticateError =>
  Object.assign(new Error(why), { returnCode }) as AuthenticateError
