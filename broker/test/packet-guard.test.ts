import fc from 'fast-check'
import mqttPacket, { type Packet } from 'mqtt-packet'
import { describe, expect, it } from 'vitest'
import { admit, INTAKE_START, takeIn } from '../src/intake.ts'
import { type PacketLimits, type PacketScan, SCAN_START, scanPackets } from '../src/packet-guard.ts'
import { connectPacket } from './support.ts'

const LIMITS: PacketLimits = { packetMaxBytes: 2_000, controlMaxBytes: 600 }

const CONNECT = mqttPacket.generate(connectPacket('agent:a:b'))

const id = fc.integer({ min: 1, max: 65_535 })
const name = fc.stringMatching(/^[a-z/]{1,40}$/)

/** Any packet that a client may send, as another library writes it. */
const packet: fc.Arbitrary<Packet> = fc.oneof(
  fc.record({
    cmd: fc.constant('publish' as const),
    topic: name,
    payload: fc.uint8Array({ maxLength: 1_900 }).map(bytes => Buffer.from(bytes)),
    qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
    messageId: id,
    retain: fc.boolean(),
    dup: fc.constant(false),
  }),
  fc.record({
    cmd: fc.constant('subscribe' as const),
    messageId: id,
    subscriptions: fc.array(fc.record({ topic: name, qos: fc.constant(1 as const) }), { minLength: 1, maxLength: 5 }),
  }),
  fc.record({
    cmd: fc.constant('unsubscribe' as const),
    messageId: id,
    unsubscriptions: fc.array(name, { minLength: 1, maxLength: 5 }),
  }),
  fc.record({ cmd: fc.constantFrom('puback', 'pubrec', 'pubrel', 'pubcomp'), messageId: id }) as fc.Arbitrary<Packet>,
  fc.constant<Packet>({ cmd: 'pingreq' }),
  fc.constant<Packet>({ cmd: 'disconnect' }),
)

const session = fc
  .array(packet, { maxLength: 12 })
  .map(packets => [CONNECT, ...packets.map(one => mqttPacket.generate(one))])

/** The same bytes, cut anywhere. */
const cuts = fc.array(fc.nat(5_000), { maxLength: 30 })

const cut = (bytes: Buffer, at: readonly number[]): Buffer[] => {
  const places = [0, ...at.map(place => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return places.slice(1).map((place, index) => bytes.subarray(places[index], place))
}

const scanAll = (chunks: readonly Buffer[], limits = LIMITS) => {
  let scan: PacketScan = SCAN_START
  let packets = 0
  for (const [index, chunk] of chunks.entries()) {
    const result = scanPackets(scan, chunk, limits)
    scan = result.scan
    packets += result.packets
    if (result.fault !== undefined) return { scan, packets, fault: result.fault, chunk: index }
  }
  return { scan, packets, fault: undefined, chunk: undefined }
}

describe('scanning packets', () => {
  it('counts whole packets without a fault, however the stream is cut', () => {
    fc.assert(
      fc.property(session, cuts, (packets, at) => {
        const result = scanAll(cut(Buffer.concat(packets), at))
        expect(result).toMatchObject({ fault: undefined, packets: packets.length })
        expect(result.scan).toMatchObject({ place: 'type', first: false, left: 0 })
      }),
    )
  })

  it('finds what is too large at its declared length, before any of its body, wherever it stands and however it is cut', () => {
    fc.assert(
      fc.property(
        session,
        cuts,
        fc.integer({ min: 1, max: 268_435_455 }),
        fc.constantFrom(0x30, 0x82, 0xa2),
        (packets, at, length, type) => {
          const header = Buffer.from([type, ...encodeLength(length)])
          const maxBytes = type === 0x30 ? LIMITS.packetMaxBytes : LIMITS.controlMaxBytes
          const result = scanAll(cut(Buffer.concat([...packets, header]), at))
          if (header.length + length > maxBytes) expect(result.fault).toBe('packet-too-large')
          else expect(result.fault).toBeUndefined()
        },
      ),
    )
  })

  it('lets exactly the limit through', () => {
    const header = (length: number) => Buffer.from([0x30, ...encodeLength(length)])
    expect(scanAll([CONNECT, header(LIMITS.packetMaxBytes - 3)]).fault).toBeUndefined()
    expect(scanAll([CONNECT, header(LIMITS.packetMaxBytes - 2)]).fault).toBe('packet-too-large')
  })

  it('refuses anything but CONNECT first, by its first byte', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), byte => {
        const { fault } = scanAll([Buffer.from([byte])])
        expect(fault).toBe(byte >> 4 === 1 ? undefined : 'not-connect-first')
      }),
    )
  })

  it.each([0x00, 0x20, 0x90, 0xb0, 0xd0, 0xf0])('refuses what no client sends: %i', byte => {
    expect(scanAll([CONNECT, Buffer.from([byte])]).fault).toBe('not-from-client')
  })

  it('refuses a length of more than four bytes', () => {
    const wide = { packetMaxBytes: 2 ** 30, controlMaxBytes: 2 ** 30 }
    expect(scanAll([Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff])], wide).fault).toBe('malformed-length')
    expect(scanAll([Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f])], wide)).toMatchObject({
      fault: undefined,
      scan: { left: 268_435_455 },
    })
    expect(scanAll([Buffer.from([0x10, 0x80, 0x80, 0x80, 0x80])]).fault).toBe('malformed-length')
  })

  it('never throws and never loses its place, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), cuts, (bytes, at) => {
        const whole = scanAll([Buffer.from(bytes)])
        const pieces = scanAll(cut(Buffer.from(bytes), at))
        expect({ ...pieces, chunk: undefined }).toEqual({ ...whole, chunk: undefined })
      }),
    )
  })
})

describe('taking in', () => {
  const limits = { packetMaxBytes: 2_000, controlMaxBytes: 100 }

  it('allows a stranger the bytes of a CONNECT and no more, also in many packets', () => {
    const pings = Buffer.alloc(100 - CONNECT.length, Buffer.from([0xc0, 0]))
    const first = takeIn(INTAKE_START, Buffer.concat([CONNECT, pings]), limits, 0)
    expect(first).toMatchObject({ pauseMs: 0, intake: { earlyBytes: 100 } })
    expect(first.fault).toBeUndefined()
    expect(takeIn(first.intake, Buffer.from([0xc0]), limits, 0).fault).toBe('early-flood')
  })

  it('holds reading back by what is the scarcer: messages or bytes', () => {
    const traffic = { messagesPerS: 10, bytesPerS: 1_000, outgoingMaxBytes: 1 }
    const start = admit(takeIn(INTAKE_START, CONNECT, limits, 0).intake, traffic, 0)
    const pings = (count: number) => Buffer.alloc(2 * count, Buffer.from([0xc0, 0]))
    expect(takeIn(start, pings(10), limits, 0).pauseMs).toBe(0)
    expect(takeIn(start, pings(25), limits, 0).pauseMs).toBe(1_500)
    const large = mqttPacket.generate({
      cmd: 'publish',
      topic: 'a',
      payload: Buffer.alloc(1_492),
      qos: 0,
      retain: false,
      dup: false,
    })
    expect(takeIn(start, large, limits, 0).pauseMs).toBe(large.length - 1_000)
    // Half a second later half of the second's worth has come back.
    const later = takeIn(takeIn(start, pings(25), limits, 0).intake, pings(1), limits, 500)
    expect(later.pauseMs).toBe(1_100)
  })
})

function encodeLength(length: number): number[] {
  const bytes: number[] = []
  let left = length
  do {
    const more = left >= 128
    bytes.push((left % 128) | (more ? 0x80 : 0))
    left = Math.floor(left / 128)
  } while (left > 0)
  return bytes
}
