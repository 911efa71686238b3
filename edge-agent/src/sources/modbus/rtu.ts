import { dataOctets, EXCEPTION_BIT, encodeRequest, FUNCTION_OF, readAnswer } from './protocol.ts'
import { type Heard, join, NOTHING, type Question, STRAYS_MAX, type Talk } from './talk.ts'

/** MODBUS over Serial Line 1.02, section 2.5.1: unit (1), PDU, CRC (2). */
const FRAME_OCTETS = { request: 8, exception: 5, aroundData: 5 } as const
const FUNCTION_MAX = Math.max(...Object.values(FUNCTION_OF))

/**
 * Modbus RTU. A frame has neither a number nor a length of its own: its head says how long it must be, its checksum that it
 * is one. A sound frame of another unit or function is a late answer and thrown away; anything else is disorder.
 */
export const openRtuTalk = (): Talk => {
  let awaited: Question | undefined
  let buffer: Uint8Array = NOTHING
  let strays = 0
  let broken = false

  const judge = (frame: Uint8Array): Heard => {
    const [unit, code] = frame as unknown as readonly [number, number]
    const { unit: expected, request } = awaited as Question
    const ours = unit === expected && (code & ~EXCEPTION_BIT) === FUNCTION_OF[request.area]
    if (!ours) {
      strays++
      const why = `unit ${unit}, function ${code}`
      return strays > STRAYS_MAX ? disorder(`${strays} late answers in a row`) : { type: 'stray', why }
    }
    awaited = undefined
    strays = 0
    return { type: 'answer', answer: readAnswer(request, frame.subarray(1, -2)) }
  }

  const next = (): Heard | undefined => {
    if (awaited === undefined) return disorder('octets that nobody asked for')
    const length = frameLength(buffer)
    if (typeof length === 'string') return disorder(length)
    if (length === undefined || buffer.length < length) return undefined
    const frame = buffer.subarray(0, length)
    buffer = buffer.subarray(length)
    return isWhole(frame) ? judge(frame) : disorder('checksum: expected another one')
  }

  return {
    ask(unit, request) {
      awaited = { unit, request }
      const body = Uint8Array.of(unit, ...encodeRequest(request))
      const crc = crc16(body)
      return Uint8Array.of(...body, crc & 0xff, crc >> 8)
    },
    hear(octets) {
      if (broken) return []
      buffer = join(buffer, octets)
      const heard: Heard[] = []
      while (buffer.length > 0 && !broken) {
        const one = next()
        if (one === undefined) break
        heard.push(one)
        broken = one.type === 'disorder'
      }
      if (broken) buffer = NOTHING
      return heard
    },
    giveUp() {
      awaited = undefined
      return buffer.length > 0 ? 'cut' : 'clean'
    },
    reset() {
      buffer = NOTHING
      awaited = undefined
      broken = false
    },
  }
}

/** By the frame's own head; undefined: it is not all there yet; a text: no answer to anything that we ask begins so. */
const frameLength = ([, code, count]: Uint8Array): number | string | undefined => {
  if (code === undefined) return undefined
  const asked = code & ~EXCEPTION_BIT
  if (asked < 1 || asked > FUNCTION_MAX) return `function: expected 1 to ${FUNCTION_MAX}, got ${code}`
  if (code !== asked) return FRAME_OCTETS.exception
  return count === undefined ? undefined : FRAME_OCTETS.aroundData + count
}

const isWhole = (frame: Uint8Array): boolean => {
  const at = frame.length - 2
  return crc16(frame.subarray(0, at)) === ((frame[at] as number) | ((frame[at + 1] as number) << 8))
}

/** Section 6.2.2: reflected polynomial 0xA001, all ones to begin with; sent low octet first. */
export const crc16 = (octets: Uint8Array): number => {
  let crc = 0xffff
  for (const octet of octets) {
    crc ^= octet
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1
  }
  return crc
}

/** Octets of a question and its answer on the line, for how long they take. */
export const exchangeOctets = (request: Question['request']): number =>
  FRAME_OCTETS.request + FRAME_OCTETS.aroundData + dataOctets(request)

const disorder = (why: string): Heard => ({ type: 'disorder', why })
