/* Modbus as the other side speaks it, written without a look at the agent's own codec. */

/** What was asked, as a server of neither side's making sees it. */
export interface Request {
  /** 0 over RTU, which has none. */
  readonly transaction: number
  readonly unit: number
  readonly code: number
  readonly address: number
  readonly count: number
  readonly framing: 'mbap' | 'rtu'
}

/** Requests out of the octets of either framing, however they are cut. */
export const requestReader = (framing: Request['framing'], onRequest: (request: Request) => void) => {
  let buffer = Buffer.alloc(0)
  const octets = framing === 'mbap' ? 12 : 8
  return (chunk: Uint8Array): void => {
    buffer = Buffer.concat([buffer, chunk])
    while (buffer.length >= octets) {
      const at = framing === 'mbap' ? 6 : 0
      const request = {
        transaction: framing === 'mbap' ? buffer.readUInt16BE(0) : 0,
        unit: buffer.readUInt8(at),
        code: buffer.readUInt8(at + 1),
        address: buffer.readUInt16BE(at + 2),
        count: buffer.readUInt16BE(at + 4),
        framing,
      }
      if (framing === 'rtu' && buffer.readUInt16LE(6) !== crcBitwise(buffer.subarray(0, 6)))
        throw new Error(`a request with a false checksum: ${buffer.subarray(0, 8).toString('hex')}`)
      buffer = buffer.subarray(octets)
      onRequest(request)
    }
  }
}

/** CRC-16/MODBUS, written another way than the agent's: over the bits of the message, without reflection. */
export const crcBitwise = (octets: Uint8Array): number => {
  let crc = 0xffff
  for (const octet of octets) {
    for (let bit = 0; bit < 8; bit++) {
      const top = ((crc >> 15) & 1) ^ ((octet >> bit) & 1)
      crc = (crc << 1) & 0xffff
      if (top) crc ^= 0x8005
    }
  }
  let reflected = 0
  for (let bit = 0; bit < 16; bit++) if (crc & (1 << bit)) reflected |= 1 << (15 - bit)
  return reflected
}

/** A whole frame around a PDU. */
export const frame = ({ transaction, unit, framing }: Request, pdu: readonly number[]): Uint8Array => {
  if (framing === 'mbap')
    return Uint8Array.from([transaction >> 8, transaction & 255, 0, 0, 0, pdu.length + 1, unit, ...pdu])
  const body = Uint8Array.from([unit, ...pdu])
  const crc = crcBitwise(body)
  return Uint8Array.from([...body, crc & 255, crc >> 8])
}

/** The answer that a sound server would give: every register is its own address, plus 1,000 times the unit from 2 on. */
export const goodAnswer = (request: Request): Uint8Array => {
  const base = request.unit > 1 ? request.unit * 1_000 : 0
  const words = Array.from({ length: request.count }, (_, i) => (base + request.address + i) & 0xffff)
  const data =
    request.code <= 2
      ? Array<number>(Math.ceil(request.count / 8)).fill(0xff)
      : words.flatMap(word => [word >> 8, word & 255])
  return frame(request, [request.code, data.length, ...data])
}

export const refusal = (request: Request, exception: number): Uint8Array =>
  frame(request, [request.code | 0x80, exception])
