/**
 * What is asked of a unit and how its answer is judged, without the frame around it: MODBUS Application Protocol
 * Specification V1.1b3, sections 6.1 to 6.4. These four functions read; no other one exists in this package.
 */
export const FUNCTION_OF = { coil: 1, 'discrete-input': 2, 'holding-register': 3, 'input-register': 4 } as const

export type Area = keyof typeof FUNCTION_OF
export const AREAS = Object.keys(FUNCTION_OF) as Area[]

/** `count` addresses from the zero-based `address` on. */
export interface ReadRequest {
  readonly area: Area
  readonly address: number
  readonly count: number
}

export type Answer =
  /** The data as it came: two octets a register, high one first, or eight bits an octet, lowest one first. */
  | { readonly ok: true; readonly data: Uint8Array }
  /** The unit refused, with this exception code. */
  | { readonly ok: false; readonly exception: number }
  /** This is no answer to what was asked. */
  | { readonly ok: false; readonly problem: string }

/** Sections 6.1 to 6.4: what one answer can carry. */
export const MAX_REGISTERS = 125
export const MAX_BITS = 2_000

/** Section 7: set in the function code of a refusal. */
export const EXCEPTION_BIT = 0x80

export const hasBits = (area: Area): boolean => area === 'coil' || area === 'discrete-input'

/** How many octets of data the answer carries. */
export const dataOctets = ({ area, count }: ReadRequest): number => (hasBits(area) ? Math.ceil(count / 8) : count * 2)

/** The five octets of a request. */
export const encodeRequest = ({ area, address, count }: ReadRequest): Uint8Array =>
  Uint8Array.of(FUNCTION_OF[area], address >> 8, address & 0xff, count >> 8, count & 0xff)

/** @param pdu function code and data of the answer, without unit, header or checksum. */
export const readAnswer = (request: ReadRequest, pdu: Uint8Array): Answer => {
  const asked = FUNCTION_OF[request.area]
  const [code, second] = pdu
  if (code === (asked | EXCEPTION_BIT)) {
    if (pdu.length !== 2) return problem(`length of an exception: expected 2, got ${pdu.length}`)
    return { ok: false, exception: second as number }
  }
  if (code !== asked) return problem(`function: expected ${asked}, got ${code}`)
  const expected = dataOctets(request)
  if (second !== expected) return problem(`byte count: expected ${expected}, got ${second}`)
  if (pdu.length !== 2 + expected) return problem(`length: expected ${2 + expected}, got ${pdu.length}`)
  return { ok: true, data: pdu.subarray(2) }
}

const problem = (text: string): Answer => ({ ok: false, problem: text })

/** Section 7, for people. */
export const exceptionText = (code: number): string => {
  const text = EXCEPTIONS[code]
  return text === undefined ? `exception ${code}` : `exception ${code} (${text})`
}

const EXCEPTIONS: { readonly [code: number]: string } = {
  1: 'illegal function',
  2: 'illegal data address',
  3: 'illegal data value',
  4: 'server device failure',
  5: 'acknowledge',
  6: 'server device busy',
  8: 'memory parity error',
  10: 'gateway path unavailable',
  11: 'gateway target device failed to respond',
}
