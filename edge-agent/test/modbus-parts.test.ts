import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ModbusSignal, widthOf } from '../src/settings.ts'
import { watchHeaders } from '../src/sources/mbap.ts'
import { decodeAnswer } from '../src/sources/modbus-decode.ts'
import { planRequests, splitRequest } from '../src/sources/modbus-plan.ts'

const signal = (over: Partial<ModbusSignal>): ModbusSignal => ({
  name: 'v',
  area: 'holding-register',
  address: 0,
  type: 'uint16',
  bit: 0,
  scale: 1,
  offset: 0,
  ...over,
})

const decode = (over: Partial<ModbusSignal>, ...data: (number | boolean)[]) => {
  const one = signal(over)
  return decodeAnswer({ area: one.area, address: one.address, count: data.length, signals: [one] }, data).v
}

describe('decoding', () => {
  it('reads every type, high word first', () => {
    expect(decode({ type: 'uint16' }, 0xffff)).toBe(65_535)
    expect(decode({ type: 'int16' }, 0xffff)).toBe(-1)
    expect(decode({ type: 'int16' }, 0x8000)).toBe(-32_768)
    expect(decode({ type: 'uint32' }, 0x0001, 0x0002)).toBe(65_538)
    expect(decode({ type: 'uint32' }, 0xffff, 0xffff)).toBe(4_294_967_295)
    expect(decode({ type: 'int32' }, 0xffff, 0xfffe)).toBe(-2)
    expect(decode({ type: 'int32' }, 0x8000, 0)).toBe(-2_147_483_648)
    expect(decode({ type: 'float32' }, 0x4148, 0)).toBe(12.5)
    expect(decode({ type: 'float32' }, 0xc2c8, 0x4000)).toBe(-100.125)
    expect(decode({ type: 'bit', bit: 1 }, 0b10)).toBe(true)
    expect(decode({ type: 'bit', bit: 0 }, 0b10)).toBe(false)
    expect(decode({ type: 'bit', bit: 15 }, 0x8000)).toBe(true)
    expect(decode({ type: 'bit', area: 'coil' }, true)).toBe(true)
  })

  it('gives decimals as they were meant', () => {
    expect(decode({ type: 'float32' }, 0x3dcc, 0xcccd)).toBe(0.1)
    expect(decode({ scale: 0.1 }, 123)).toBe(12.3)
    expect(decode({ type: 'int16', scale: 0.01, offset: -40 }, 0xfffe)).toBe(-40.02)
  })

  it('has no value for what is no number', () => {
    expect(decode({ type: 'float32' }, 0x7fc0, 0)).toBe(null)
    expect(decode({ type: 'float32' }, 0x7f80, 0)).toBe(null)
    expect(decode({ type: 'uint32' })).toBe(null)
  })
})

describe('planning', () => {
  const spans = (...signals: Partial<ModbusSignal>[]) =>
    planRequests(signals.map((one, at) => signal({ name: `s${at}`, ...one }))).map(
      ({ area, address, count }) => `${area} ${address}+${count}`,
    )

  it('fills small holes and leaves large ones', () => {
    expect(spans({ address: 10 }, { address: 0, type: 'uint32' })).toEqual(['holding-register 0+11'])
    expect(spans({ address: 0 }, { address: 9 })).toEqual(['holding-register 0+10'])
    expect(spans({ address: 0 }, { address: 10 })).toEqual(['holding-register 0+1', 'holding-register 10+1'])
    expect(spans({ address: 0, area: 'coil', type: 'bit' }, { address: 65, area: 'coil', type: 'bit' })).toEqual([
      'coil 0+66',
    ])
  })

  it('keeps areas apart', () =>
    expect(spans({ address: 0 }, { address: 1, area: 'input-register' })).toEqual([
      'holding-register 0+1',
      'input-register 1+1',
    ]))

  it('asks for every signal once, whole, within what one answer can carry', () => {
    const anySignal = fc.record({
      area: fc.constantFrom('coil', 'discrete-input', 'holding-register', 'input-register'),
      address: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 65_534 })),
      wide: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(anySignal, { minLength: 1, maxLength: 200 }), list => {
        const signals = list.map(({ area, address, wide }, at) => {
          const bits = area === 'coil' || area === 'discrete-input'
          return signal({
            name: `s${at}`,
            area,
            address,
            type: bits ? 'bit' : wide ? 'uint32' : 'uint16',
          } as ModbusSignal)
        })
        const requests = planRequests(signals)
        expect(requests.flatMap(request => request.signals.map(({ name }) => name)).toSorted()).toEqual(
          signals.map(({ name }) => name).toSorted(),
        )
        for (const { area, address, count, signals } of requests) {
          expect(count).toBeLessThanOrEqual(area === 'coil' || area === 'discrete-input' ? 2_000 : 125)
          for (const one of signals) {
            expect(one.area).toBe(area)
            expect(one.address).toBeGreaterThanOrEqual(address)
            expect(one.address + widthOf(one)).toBeLessThanOrEqual(address + count)
          }
        }
      }),
    )
  })

  it('splits what was refused first at its holes, then signal by signal, and then no more', () => {
    const [whole] = planRequests([
      signal({ name: 'a', address: 0 }),
      signal({ name: 'b', address: 1 }),
      signal({ name: 'c', address: 5 }),
    ])
    const parts = splitRequest(whole!)
    expect(parts.map(part => part.signals.map(({ name }) => name))).toEqual([['a', 'b'], ['c']])
    expect(parts.flatMap(splitRequest).map(part => part.signals.map(({ name }) => name))).toEqual([['a'], ['b'], ['c']])
    expect(splitRequest(parts[1]!)).toEqual([parts[1]])
  })
})

describe('the watch over headers', () => {
  const frame = (unit = 7, { protocol = 0, length = 5 } = {}) =>
    Uint8Array.from([0, 1, 0, protocol, length >> 8, length & 255, unit, ...Array(Math.max(0, length - 1)).fill(0xab)])

  it('lets good frames pass however they are cut', () => {
    const bytes = Uint8Array.from([...frame(), ...frame(7, { length: 253 }), ...frame(7, { length: 3 })])
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), sizes => {
        const watch = watchHeaders(7)
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = sizes[i % sizes.length] as number
          expect(watch.push(bytes.subarray(at, at + size))).toBe(undefined)
          at += size
        }
        expect(watch.inFrame).toBe(false)
      }),
    )
  })

  it('says what is wrong with a header', () => {
    expect(watchHeaders(7).push(frame(8))).toMatch('unit: expected 7, got 8')
    expect(watchHeaders(7).push(frame(7, { protocol: 1 }))).toMatch('protocol id: expected 0')
    expect(watchHeaders(7).push(frame(7, { length: 600 }))).toMatch('length: expected 3 to 254, got 600')
    expect(watchHeaders(7).push(frame(7, { length: 2 }))).toMatch('length')
  })

  it('knows when a frame has not ended', () => {
    const watch = watchHeaders(7)
    watch.push(frame().subarray(0, 3))
    expect(watch.inFrame).toBe(true)
    watch.push(frame().subarray(3, 9))
    expect(watch.inFrame).toBe(true)
    watch.push(frame().subarray(9))
    expect(watch.inFrame).toBe(false)
  })
})
