import { encodeRequest, readAnswer } from './protocol.ts'
import { type Heard, join, NOTHING, type Question, STRAYS_MAX, type Talk } from './talk.ts'

/** Modbus messaging on TCP/IP 1.0b, section 3.1.3: transaction (2), protocol (2) = 0, length (2), then the unit. */
const HEADER_OCTETS = 7
/** The unit and a PDU of 2 to 253 octets. */
const LENGTH_MIN = 3
const LENGTH_MAX = 254
const TRANSACTIONS = 0x1_0000
/** An answer to one of the latest questions is late or double; to any other it was never asked for. */
const REMEMBERED = 64

/** Modbus TCP. A late answer is known by its transaction id, so it costs nothing but its octets. */
export const openMbapTalk = (): Talk => {
  let transaction = 0
  let asked = 0
  let awaited: Question | undefined
  let buffer: Uint8Array = NOTHING
  let strays = 0
  let broken = false

  const judge = (frame: Uint8Array): Heard => {
    const view = viewOf(frame)
    const [id, unit] = [view.getUint16(0), view.getUint8(6)]
    if (awaited !== undefined && id === transaction) {
      const { unit: expected, request } = awaited
      awaited = undefined
      strays = 0
      if (unit !== expected) return answer({ ok: false, problem: `unit: expected ${expected}, got ${unit}` })
      return answer(readAnswer(request, frame.subarray(HEADER_OCTETS)))
    }
    const age = (transaction - id + TRANSACTIONS) % TRANSACTIONS
    const known = age < Math.min(REMEMBERED, asked)
    if (!known) return disorder(`transaction: expected ${transaction}, got ${id}`)
    strays++
    return strays > STRAYS_MAX
      ? disorder(`${strays} late answers in a row`)
      : { type: 'stray', why: `transaction ${id}` }
  }

  return {
    ask(unit, request) {
      transaction = (transaction + 1) % TRANSACTIONS
      asked++
      awaited = { unit, request }
      const pdu = encodeRequest(request)
      const header = [transaction >> 8, transaction & 0xff, 0, 0, 0, pdu.length + 1, unit]
      return Uint8Array.of(...header, ...pdu)
    },
    hear(octets) {
      if (broken) return []
      buffer = join(buffer, octets)
      const heard: Heard[] = []
      while (buffer.length >= HEADER_OCTETS && !broken) {
        const problem = headerProblem(buffer)
        const end = 6 + viewOf(buffer).getUint16(4)
        if (problem === undefined && buffer.length < end) break
        const next = problem === undefined ? judge(buffer.subarray(0, end)) : disorder(problem)
        heard.push(next)
        broken = next.type === 'disorder'
        buffer = broken ? NOTHING : buffer.subarray(end)
      }
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

const headerProblem = (header: Uint8Array): string | undefined => {
  const view = viewOf(header)
  const [protocol, length] = [view.getUint16(2), view.getUint16(4)]
  if (protocol !== 0) return `protocol id: expected 0, got ${protocol}`
  if (length < LENGTH_MIN || length > LENGTH_MAX)
    return `length: expected ${LENGTH_MIN} to ${LENGTH_MAX}, got ${length}`
  return undefined
}

const answer = (of: Extract<Heard, { type: 'answer' }>['answer']): Heard => ({ type: 'answer', answer: of })
const disorder = (why: string): Heard => ({ type: 'disorder', why })
const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength)
