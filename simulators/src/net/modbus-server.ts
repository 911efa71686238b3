import type { Socket } from 'node:net'
import { MODELS, type ModbusSignal } from '../catalogue.ts'
import type { Machine } from '../floor.ts'
import { answerPdu } from './modbus-answer.ts'

const MBAP_BYTES = 7
/** Unit and PDU, by the length field of the header: V1.1b3 allows a PDU of 253 bytes. */
const LENGTH_MAX = 254
/** A peer that asks and never reads. */
const UNREAD_MAX_BYTES = 64 * 1024
/** V1.1b3 section 7, for a unit that is not there. */
const GATEWAY_TARGET_FAILED = 0x0b

/** Answers the requests of one connection (Modbus TCP, MBAP) about one machine. */
export const serveModbus =
  (machine: Machine, unit: number) =>
  (socket: Socket): void => {
    const { signals } = MODELS[machine.entry.model] as { signals: readonly ModbusSignal[] }
    let buffered: Buffer = Buffer.alloc(0)

    const answer = (frame: Buffer): void => {
      // The network may have gone between the last look at it and this request.
      if (machine.portOutage() !== null) return
      if (frame[6] !== unit) {
        socket.write(reply(frame, Buffer.from([(frame[MBAP_BYTES] ?? 0) | 0x80, GATEWAY_TARGET_FAILED])))
        return
      }
      const { values, tick } = machine.read()
      const { pdu, contains } = answerPdu(frame.subarray(MBAP_BYTES), signals, { ...values, tick })
      socket.write(reply(frame, pdu))
      if (contains.includes('tick')) machine.served(tick)
    }

    socket.on('data', chunk => {
      buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk])
      while (buffered.length >= MBAP_BYTES) {
        const length = buffered.readUInt16BE(4)
        // Whoever has lost the thread does not find it again: MBAP has nothing to synchronise on.
        if (buffered.readUInt16BE(2) !== 0 || length < 2 || length > LENGTH_MAX) return void socket.destroy()
        if (buffered.length < 6 + length) return
        answer(buffered.subarray(0, 6 + length))
        buffered = buffered.subarray(6 + length)
      }
      if (socket.writableLength > UNREAD_MAX_BYTES) socket.destroy()
    })
  }

const reply = (request: Buffer, pdu: Buffer): Buffer => {
  const header = Buffer.alloc(MBAP_BYTES)
  request.copy(header, 0, 0, 4)
  header.writeUInt16BE(pdu.length + 1, 4)
  header[6] = request[6] ?? 0
  return Buffer.concat([header, pdu])
}
