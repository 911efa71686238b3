import type { ConnectPacket } from 'aedes'
import { may, principalOf } from './rules.ts'

/** CONNACK return codes of MQTT 3.1.1, table 3.1. */
export const CONNACK = { badVersion: 1, badClientId: 2, unavailable: 3, badPassword: 4, notAuthorised: 5 } as const

export interface Refusal {
  readonly returnCode: (typeof CONNACK)[keyof typeof CONNACK]
  /** What was expected and what came. Never a password. */
  readonly why: string
}

/** What can be said against a CONNECT before its password is looked at. Undefined: nothing. */
export const judgeConnect = (packet: ConnectPacket, keepAliveMaxS: number): Refusal | undefined => {
  const { protocolId, protocolVersion, clientId, username, keepalive = 0, will } = packet
  // A bridge flags its version; it would get what others said with the retain flag as it was.
  const bridge = (packet as { bridgeMode?: boolean }).bridgeMode === true
  if (protocolId !== 'MQTT' || protocolVersion !== 4 || bridge) {
    return { returnCode: CONNACK.badVersion, why: `expected MQTT 3.1.1, got ${protocolId} level ${protocolVersion}` }
  }
  if (username === undefined) return { returnCode: CONNACK.badPassword, why: 'expected a username, got none' }
  // Aedes knows sessions by client id alone: otherwise anybody could push anybody out.
  if (clientId !== username) {
    return { returnCode: CONNACK.badClientId, why: `client id: expected the username ${username}, got ${clientId}` }
  }
  if (keepalive < 1 || keepalive > keepAliveMaxS) {
    return { returnCode: CONNACK.notAuthorised, why: `keep-alive: expected 1 to ${keepAliveMaxS} s, got ${keepalive}` }
  }
  const principal = principalOf(username)
  if (will === undefined || principal === undefined) return undefined
  // Judged again when it is published; said here already, so that nobody believes in a will that will not be done.
  const verdict = may(principal, 'publish', will.topic, { retain: will.retain === true, qos: will.qos ?? 0 })
  return verdict.ok ? undefined : { returnCode: CONNACK.notAuthorised, why: `will: ${verdict.why}` }
}

/** Aedes closes without a word when `preConnect` says no; MQTT 3.1.1 section 3.1.4 asks for a CONNACK first. */
export const connackBytes = ({ returnCode }: Refusal): Buffer => Buffer.from([0x20, 2, 0, returnCode])
