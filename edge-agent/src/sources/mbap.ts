/**
 * A look at every answer's header on its way to the Modbus client, which itself checks neither the protocol id nor, in an
 * exception, the unit, and which would go on parsing from the middle of a cut frame.
 */
export interface HeaderWatch {
  /** Takes the bytes as they come. Says what is wrong with a header, once; a connection with a bad one must be dropped. */
  push(chunk: Uint8Array): string | undefined
  /** True while a frame has begun and not ended: after a timeout it never will. */
  readonly inFrame: boolean
}

/** Modbus messaging on TCP/IP 1.0b, section 3.1.3: transaction (2), protocol (2) = 0, length (2), then the unit. */
const HEADER_BYTES = 7
/** Unit and a PDU of 2 to 253 bytes. */
const LENGTH_MIN = 3
const LENGTH_MAX = 254

export const watchHeaders = (unit: number): HeaderWatch => {
  const header = new Uint8Array(HEADER_BYTES)
  let filled = 0
  let bodyLeft = 0

  const check = (): string | undefined => {
    const view = new DataView(header.buffer)
    const [protocol, length, from] = [view.getUint16(2), view.getUint16(4), view.getUint8(6)]
    if (protocol !== 0) return `protocol id: expected 0, got ${protocol}`
    if (length < LENGTH_MIN || length > LENGTH_MAX)
      return `length: expected ${LENGTH_MIN} to ${LENGTH_MAX}, got ${length}`
    if (from !== unit) return `unit: expected ${unit}, got ${from}`
    // The unit is already taken; the rest of the frame follows.
    bodyLeft = length - 1
    return undefined
  }

  return {
    push(chunk) {
      let at = 0
      while (at < chunk.length) {
        if (bodyLeft > 0) {
          const skip = Math.min(bodyLeft, chunk.length - at)
          bodyLeft -= skip
          at += skip
          continue
        }
        header[filled++] = chunk[at++] as number
        if (filled < HEADER_BYTES) continue
        filled = 0
        const problem = check()
        if (problem !== undefined) return problem
      }
      return undefined
    },
    get inFrame() {
      return filled > 0 || bodyLeft > 0
    },
  }
}
