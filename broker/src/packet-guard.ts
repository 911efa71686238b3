/** Longest packets, fixed header included. */
export interface PacketLimits {
  /** A PUBLISH. */
  readonly packetMaxBytes: number
  /** Everything else, and so the CONNECT of a stranger. */
  readonly controlMaxBytes: number
}

export type PacketFault = 'packet-too-large' | 'not-connect-first' | 'not-from-client' | 'malformed-length'

/** Where in the stream of packets the last chunk ended. */
export interface PacketScan {
  readonly place: 'type' | 'length' | 'body'
  /** Packet type, the high half of the first byte (MQTT 3.1.1 section 2.2.1). */
  readonly type: number
  /** Bytes of the "remaining length" field read so far, and what they amount to. */
  readonly lengthBytes: number
  readonly length: number
  /** Bytes of the body still to come. */
  readonly left: number
  /** Nothing was read of this connection yet. */
  readonly first: boolean
}

export const SCAN_START: PacketScan = { place: 'type', type: 0, lengthBytes: 0, length: 0, left: 0, first: true }

const CONNECT = 1
const PUBLISH = 3
const LENGTH_MAX_BYTES = 4
/** CONNECT, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT (table 2.1). */
const FROM_CLIENT: ReadonlySet<number> = new Set([CONNECT, PUBLISH, 4, 5, 6, 7, 8, 10, 12, 14])

/**
 * Follows the packets in a stream by their headers alone, so that a packet is judged by the length that it declares,
 * before anybody buffers it. Bodies are skipped, not read.
 *
 * @returns the scan to go on with, the number of packets that began in the chunk, and the first fault, if any.
 */
export const scanPackets = (
  scan: PacketScan,
  chunk: Uint8Array,
  limits: PacketLimits,
): { readonly scan: PacketScan; readonly packets: number; readonly fault?: PacketFault } => {
  let { place, type, lengthBytes, length, left, first } = scan
  let packets = 0
  let at = 0
  const stop = (fault?: PacketFault) => ({
    scan: { place, type, lengthBytes, length, left, first },
    packets,
    ...(fault === undefined ? {} : { fault }),
  })
  while (at < chunk.length) {
    if (place === 'body') {
      const step = Math.min(left, chunk.length - at)
      at += step
      left -= step
      if (left === 0) place = 'type'
      continue
    }
    const byte = chunk[at++] as number
    if (place === 'type') {
      type = byte >> 4
      // [MQTT-3.1.0-1]
      if (first && type !== CONNECT) return stop('not-connect-first')
      if (!FROM_CLIENT.has(type)) return stop('not-from-client')
      first = false
      place = 'length'
      lengthBytes = 0
      length = 0
      packets += 1
      continue
    }
    length += (byte & 0x7f) * 128 ** lengthBytes
    lengthBytes += 1
    const more = (byte & 0x80) !== 0
    if (more && lengthBytes === LENGTH_MAX_BYTES) return stop('malformed-length')
    const maxBytes = type === PUBLISH ? limits.packetMaxBytes : limits.controlMaxBytes
    if (1 + lengthBytes + length > maxBytes) return stop('packet-too-large')
    if (more) continue
    left = length
    place = left === 0 ? 'type' : 'body'
  }
  return stop()
}
