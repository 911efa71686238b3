import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openMbapTalk } from '../src/sources/modbus/mbap.ts'
import { type Area, encodeRequest, FUNCTION_OF, hasBits, readAnswer } from '../src/sources/modbus/protocol.ts'
import { crc16, openRtuTalk } from '../src/sources/modbus/rtu.ts'
import type { Heard, Talk } from '../src/sources/modbus/talk.ts'
import { crcBitwise, frame, goodAnswer, type Request } from './modbus-support.ts'

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex')
const octets = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))

describe('the examples of the specification (V1.1b3, section 6)', () => {
  it.each([
    ['6.1', 'coil', 19, 19, '0100130013', '0103cd6b05', 'cd6b05'],
    ['6.2', 'discrete-input', 196, 22, '0200c40016', '0203acdb35', 'acdb35'],
    ['6.3', 'holding-register', 107, 3, '03006b0003', '0306022b00000064', '022b00000064'],
    ['6.4', 'input-register', 8, 1, '0400080001', '0402000a', '000a'],
  ] as const)('%s: %s', (_section, area, address, count, asked, answered, data) => {
    const request = { area, address, count }
    expect(hex(encodeRequest(request))).toBe(asked)
    expect(readAnswer(request, octets(answered))).toEqual({ ok: true, data: octets(data) })
  })

  it('has the checksum of the serial line document (1.02, appendix B: 02 07 gives 41 12)', () => {
    expect(crc16(octets('0207'))).toBe(0x1241)
  })

  it('has the checksum of another way to compute it', () =>
    fc.assert(fc.property(fc.uint8Array({ maxLength: 260 }), any => void expect(crc16(any)).toBe(crcBitwise(any)))))
})

describe('an answer', () => {
  const request = { area: 'holding-register', address: 7, count: 2 } as const
  it.each([
    ['has another function', '0404aaaabbbb', 'function: expected 3, got 4'],
    ['refuses another function', '8402', 'function: expected 3, got 132'],
    ['counts fewer octets than there are', '0302aaaabbbb', 'byte count: expected 4, got 2'],
    ['is shorter than it counts', '0304aaaa', 'length: expected 6, got 4'],
    ['is longer than it counts', '0304aaaabbbbcc', 'length: expected 6, got 7'],
    ['is a refusal with more behind', '830200', 'length of an exception: expected 2, got 3'],
  ])('that %s is none', (_what, pdu, problem) =>
    expect(readAnswer(request, octets(pdu))).toEqual({ ok: false, problem }),
  )

  it('that refuses says why', () => expect(readAnswer(request, octets('8302'))).toEqual({ ok: false, exception: 2 }))
})

const TALKS = { mbap: openMbapTalk, rtu: openRtuTalk } as const

const anyRequest = fc
  .record({
    area: fc.constantFrom(...(Object.keys(FUNCTION_OF) as Area[])),
    address: fc.integer({ min: 0, max: 60_000 }),
    count: fc.integer({ min: 1, max: 125 }),
    unit: fc.integer({ min: 1, max: 247 }),
  })
  .map(({ unit, ...request }) => ({ unit, request }))

/** As a server sees what was asked. */
const seen = (asked: Uint8Array, framing: Request['framing']): Request => {
  const at = framing === 'mbap' ? 6 : 0
  const view = new DataView(asked.buffer, asked.byteOffset, asked.byteLength)
  const [unit, code, address, count] = [
    view.getUint8(at),
    view.getUint8(at + 1),
    view.getUint16(at + 2),
    view.getUint16(at + 4),
  ]
  return { transaction: framing === 'mbap' ? view.getUint16(0) : 0, unit, code, address, count, framing }
}

const hearInPieces = (talk: Talk, all: Uint8Array, sizes: readonly number[]): Heard[] => {
  const heard: Heard[] = []
  for (let at = 0, i = 0; at < all.length; i++) {
    const size = sizes[i % sizes.length] as number
    heard.push(...talk.hear(all.slice(at, at + size)))
    at += size
  }
  return heard
}

describe.each(['mbap', 'rtu'] as const)('a conversation over %s', framing => {
  const open = TALKS[framing]

  it('takes answers the same however they are cut', () =>
    fc.assert(
      fc.property(
        fc.array(anyRequest, { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 10 }),
        (questions, sizes) => {
          const talk = open()
          for (const { unit, request } of questions) {
            const asked = seen(talk.ask(unit, request), framing)
            const good = goodAnswer(asked)
            const data = good.subarray(framing === 'mbap' ? 9 : 3, framing === 'mbap' ? undefined : -2)
            expect(hearInPieces(talk, good, sizes)).toEqual([{ type: 'answer', answer: { ok: true, data } }])
          }
          expect(talk.giveUp()).toBe('clean')
        },
      ),
    ))

  it('never takes for an answer what is not one, and reads nothing behind a disorder', () =>
    fc.assert(
      fc.property(
        anyRequest,
        fc.uint8Array({ minLength: 1, maxLength: 600 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 10 }),
        ({ unit, request }, rubbish, sizes) => {
          const talk = open()
          const asked = seen(talk.ask(unit, request), framing)
          const heard = hearInPieces(talk, Uint8Array.from([...rubbish, ...goodAnswer(asked)]), sizes)
          expect(heard.filter(({ type }) => type === 'disorder').length).toBeLessThanOrEqual(1)
          const end = heard.findIndex(({ type }) => type === 'disorder')
          if (end >= 0) expect(end).toBe(heard.length - 1)
          for (const one of heard) if (one.type === 'answer') expect(one.answer.ok).toBe(false)
        },
      ),
    ))

  it('hears the same of any octets however they are cut', () =>
    fc.assert(
      fc.property(
        anyRequest,
        fc.array(
          fc.oneof(
            fc.constant('good'),
            fc.constant('foreign'),
            fc.constant('refusal'),
            fc.uint8Array({ minLength: 1, maxLength: 20 }),
          ),
          { maxLength: 5 },
        ),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 }),
        ({ unit, request }, parts, sizes) => {
          const hear = (cuts: readonly number[]): Heard[] => {
            const talk = open()
            const asked = seen(talk.ask(unit, request), framing)
            const all = parts.flatMap(part => {
              if (part === 'good') return [...goodAnswer(asked)]
              if (part === 'foreign')
                return [...goodAnswer({ ...asked, unit: (unit % 247) + 1, transaction: asked.transaction - 1 })]
              if (part === 'refusal') return [...frame(asked, [asked.code | 0x80, 2])]
              return [...part]
            })
            return hearInPieces(talk, Uint8Array.from(all), cuts)
          }
          expect(hear(sizes)).toEqual(hear([10_000]))
        },
      ),
    ))

  it('gives up half a frame as what it is', () => {
    const talk = open()
    const asked = seen(talk.ask(7, { area: 'coil', address: 0, count: 3 }), framing)
    talk.hear(goodAnswer(asked).subarray(0, 4))
    expect(talk.giveUp()).toBe('cut')
  })

  it('takes an answer of another unit for none of this', () => {
    const talk = open()
    const asked = seen(talk.ask(7, { area: 'coil', address: 0, count: 3 }), framing)
    const heard = talk.hear(goodAnswer({ ...asked, unit: 8 }))
    // Over MBAP the transaction says that it is the answer, and a false one; a serial line may carry a late one of unit 8.
    expect(heard.map(({ type }) => type)).toEqual([framing === 'mbap' ? 'answer' : 'stray'])
    if (heard[0]?.type === 'answer') expect(heard[0].answer).toEqual({ ok: false, problem: 'unit: expected 7, got 8' })
  })

  it('takes many strays for babbling', () => {
    const talk = open()
    const first = seen(talk.ask(7, { area: 'coil', address: 0, count: 3 }), framing)
    talk.giveUp()
    talk.ask(8, { area: 'coil', address: 0, count: 3 })
    const types = Array.from({ length: 40 }, () => talk.hear(goodAnswer(first)).map(({ type }) => type)).flat()
    expect(types.slice(0, 32)).toEqual(Array(32).fill('stray'))
    expect(types.slice(32)).toEqual(['disorder'])
  })
})

describe('over MBAP', () => {
  const REQUEST = { area: 'holding-register', address: 0, count: 1 } as const
  const ask = (talk: Talk, unit = 7): Request => seen(talk.ask(unit, REQUEST), 'mbap')

  it('knows a late answer by its transaction, and takes the right one behind it', () => {
    const talk = openMbapTalk()
    const late = ask(talk)
    talk.giveUp()
    const now = ask(talk, 8)
    expect(talk.hear(goodAnswer(late))).toEqual([{ type: 'stray', why: `transaction ${late.transaction}` }])
    expect(talk.hear(goodAnswer(now))).toMatchObject([{ type: 'answer', answer: { ok: true } }])
    expect(talk.hear(goodAnswer(now))).toMatchObject([{ type: 'stray' }])
  })

  it('goes on counting over the end of its transactions', () => {
    const talk = openMbapTalk()
    for (let i = 0; i < 65_536 + 3; i++) {
      const asked = ask(talk)
      if (i % 1_000 === 0 || i > 65_530) expect(talk.hear(goodAnswer(asked))).toMatchObject([{ type: 'answer' }])
      else talk.giveUp()
    }
  })

  it.each([
    ['protocol id', (bytes: Uint8Array) => bytes.with(3, 1), 'protocol id: expected 0, got 1'],
    ['length', (bytes: Uint8Array) => bytes.with(4, 2), 'length: expected 3 to 254, got 517'],
    ['length', (bytes: Uint8Array) => bytes.with(5, 2), 'length: expected 3 to 254, got 2'],
    ['transaction', (bytes: Uint8Array) => bytes.with(0, 9), 'transaction: expected 1, got 2305'],
  ])('a false %s is disorder', (_what, spoil, why) => {
    const talk = openMbapTalk()
    expect(talk.hear(spoil(goodAnswer(ask(talk))))).toEqual([{ type: 'disorder', why }])
    expect(talk.hear(goodAnswer(ask(talk)))).toEqual([])
  })
})

describe('over RTU', () => {
  it('a false checksum, and octets that nobody asked for, are disorder', () => {
    const talk = openRtuTalk()
    const asked = seen(talk.ask(7, { area: 'coil', address: 0, count: 3 }), 'rtu')
    const good = goodAnswer(asked)
    expect(talk.hear(good.with(3, 0xee))).toEqual([{ type: 'disorder', why: 'checksum: expected another one' }])
    talk.reset()
    expect(talk.hear(good)).toEqual([{ type: 'disorder', why: 'octets that nobody asked for' }])
    talk.reset()
    talk.ask(7, { area: 'coil', address: 0, count: 3 })
    expect(talk.hear(good)).toMatchObject([{ type: 'answer', answer: { ok: true } }])
  })

  it('an answer of another length is no answer, late or false', () => {
    const talk = openRtuTalk()
    const late = seen(talk.ask(7, { area: 'holding-register', address: 0, count: 4 }), 'rtu')
    talk.giveUp()
    talk.ask(7, { area: 'holding-register', address: 0, count: 1 })
    const problem = 'byte count: expected 2, got 8'
    expect(talk.hear(goodAnswer(late))).toEqual([{ type: 'answer', answer: { ok: false, problem } }])
  })

  it('cannot ask for more than one answer can carry', () => {
    expect(Object.keys(FUNCTION_OF).filter(area => hasBits(area as Area))).toEqual(['coil', 'discrete-input'])
    expect(Object.values(FUNCTION_OF).toSorted()).toEqual([1, 2, 3, 4])
  })
})
