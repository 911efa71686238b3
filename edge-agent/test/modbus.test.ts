import { describe, expect, it } from 'vitest'
import {
  expectOnlyReads,
  frame,
  goodAnswer,
  modbusMachine,
  type Request,
  register,
  stage,
  until,
} from './modbus-support.ts'
import { freePort, startModbusServer } from './support.ts'

expectOnlyReads()
const { run, fake, defer } = stage()

describe('a machine that answers', () => {
  it('is read in all four areas, with every unit on one port under its own name', async () => {
    const server = await startModbusServer({
      bits: (address, unit) => address === unit,
      words: (address, unit) => unit * 1_000 + address,
    })
    defer(server.stop)
    const signals = [
      register('word', 7),
      register('held', 8, { area: 'holding-register' }),
      register('input', 1, { area: 'discrete-input', type: 'bit' }),
      register('coil', 2, { area: 'coil', type: 'bit' }),
      register('wide', 20, { type: 'uint32' }),
    ]
    const { port } = server
    const { of } = run({
      one: modbusMachine({ port, unit: 1, signals }),
      two: modbusMachine({ port, unit: 2, signals }),
    })
    await until(() => expect(Math.min(of('one').length, of('two').length)).toBeGreaterThan(2))
    const wide = (unit: number): number => (unit * 1_000 + 20) * 65_536 + unit * 1_000 + 21
    for (const { values } of of('one'))
      expect(values).toEqual({ word: 1_007, held: 1_008, input: true, coil: false, wide: wide(1) })
    for (const { values } of of('two'))
      expect(values).toEqual({ word: 2_007, held: 2_008, input: false, coil: true, wide: wide(2) })
  })

  it('is read on a fixed grid, without drift', async () => {
    const server = await fake(goodAnswer)
    const { of } = run({ m: modbusMachine({ port: server.port, pollMs: 50 }) })
    await until(() => expect(of('m').length).toBeGreaterThan(20))
    const [first, ...later] = of('m').map(({ at }) => at) as [number, ...number[]]
    const phases = later.map(at => (at - first) % 50)
    const off = phases.map(phase => Math.min(phase, 50 - phase))
    // A chain of timers would be late by the sum of its delays; a busy machine may still delay single ones.
    expect(off.toSorted((a, b) => a - b)[Math.floor(off.length / 2)]).toBeLessThan(15)
  })

  it('sends one request at a time, though several machines share the unit', async () => {
    let outstanding = 0
    const server = await fake((request, socket) => {
      outstanding++
      expect(outstanding).toBe(1)
      setImmediate(() => {
        outstanding--
        socket.write(goodAnswer(request))
      })
      return undefined
    })
    const { port } = server
    const { of } = run({
      one: modbusMachine({ port, signals: [register('a', 1), register('b', 50)] }),
      two: modbusMachine({ port, signals: [register('a', 2), register('b', 60)] }),
    })
    await until(() => expect(Math.min(of('one').length, of('two').length)).toBeGreaterThan(3))
    for (const { values } of of('one')) expect(values).toEqual({ a: 1, b: 50 })
    for (const { values } of of('two')) expect(values).toEqual({ a: 2, b: 60 })
    expect(server.accepted()).toBe(1)
  })

  it('stops at once when told to, with a request outstanding too', async () => {
    const server = await fake(() => undefined)
    const { stop } = run({ m: modbusMachine({ port: server.port, timeoutMs: 10_000 }) })
    await until(() => expect(server.requests.length).toBe(1))
    const before = performance.now()
    await stop()
    expect(performance.now() - before).toBeLessThan(500)
    await until(() => expect(server.open()).toBe(0))
  })
})

describe('a machine that misbehaves', () => {
  const bad = {
    'gives a false byte count': request =>
      // The length is right, the count says one register fewer than there are.
      frame(request, [request.code, (request.count - 1) * 2, ...Array(request.count * 2).fill(0xee)]),
    'answers with another length': request => frame(request, [request.code, 2, 0xee, 0xee]),
    'talks rubbish': () => Uint8Array.from(Array(40).fill(0xee)),
    'has another protocol id': request => {
      const bytes = goodAnswer({ ...request, address: 0xee })
      bytes[3] = 9
      return bytes
    },
    'answers for another unit': request => frame({ ...request, unit: 99 }, [request.code, 4, 0xee, 0xee, 0xee, 0xee]),
    'refuses for another unit': request => frame({ ...request, unit: 99 }, [request.code | 0x80, 2]),
    'answers with another function': request => frame(request, [request.code - 1, 4, 0xee, 0xee, 0xee, 0xee]),
    'cuts its frames off': request => goodAnswer(request).subarray(0, 9),
  } satisfies { [name: string]: (request: Request) => Uint8Array }

  for (const [name, answer] of Object.entries(bad)) {
    it(`${name}: gives no value, gets a new connection, and is read as soon as it is sound`, async () => {
      let sound = false
      const server = await fake(request => (sound ? goodAnswer(request) : answer(request)))
      const { of, failuresOf } = run({ m: modbusMachine({ port: server.port }) })
      await until(() => expect(server.accepted()).toBeGreaterThan(1))
      expect(of('m')).toEqual([])
      expect(failuresOf('m').map(failure => failure.kind)).toContain('protocol')
      sound = true
      await until(() => expect(of('m').length).toBeGreaterThan(2))
      for (const { values } of of('m')) expect(values).toEqual({ a: 10, b: 11 })
      expect(server.most()).toBeLessThanOrEqual(2)
    })
  }

  it('never answers: three timeouts, then a new connection', async () => {
    const server = await fake(() => undefined)
    const { failuresOf } = run({ m: modbusMachine({ port: server.port }) })
    await until(() => expect(server.accepted()).toBe(2))
    expect(server.requests.filter((_, nth) => nth < 3).length).toBe(3)
    expect(
      failuresOf('m')
        .slice(0, 3)
        .map(failure => failure.kind),
    ).toEqual(['timeout', 'timeout', 'timeout'])
  })

  it('answers late: no answer is taken for that of the next request', async () => {
    const held: (() => void)[] = []
    const server = await fake((request, socket) => {
      const [release] = held.splice(0, 1)
      release?.()
      held.push(() => socket.write(frame(request, [request.code, 4, 0, server.requests.length, 0, 0])))
      return undefined
    })
    const { of, failuresOf } = run({ m: modbusMachine({ port: server.port }) })
    await until(() => expect(failuresOf('m').length).toBeGreaterThan(5))
    expect(of('m')).toEqual([])
  })

  it('has another transaction id: no value', async () => {
    const server = await fake(request => goodAnswer({ ...request, transaction: request.transaction + 40 }))
    const { of } = run({ m: modbusMachine({ port: server.port }) })
    await until(() => expect(server.accepted()).toBeGreaterThan(1))
    expect(of('m')).toEqual([])
  })

  it('resets every request: is tried less and less often, and never twice at once', async () => {
    const server = await fake((_request, socket) => {
      socket.resetAndDestroy()
      return undefined
    })
    const { failuresOf } = run({ m: modbusMachine({ port: server.port }) })
    await until(() => expect(failuresOf('m').length).toBeGreaterThan(25))
    // In the time of 25 polls, half a second, there is room for back-offs of up to 25, 50, 100, 200 and 400 ms.
    expect(server.accepted()).toBeLessThan(9)
    expect(server.most()).toBe(1)
  })

  it('refuses addresses in a hole: is asked in finer pieces, and gives null only for what it does not have', async () => {
    const server = await fake(request => {
      const touches = (address: number): boolean =>
        request.address <= address && address < request.address + request.count
      return touches(12) || touches(16) ? frame(request, [request.code | 0x80, 2]) : goodAnswer(request)
    })
    const signals = [register('a', 10), register('b', 11), register('c', 14), register('none', 16)]
    const { of } = run({ m: modbusMachine({ port: server.port, signals }) })
    await until(() => expect(of('m').at(-1)?.values).toEqual({ a: 10, b: 11, c: 14, none: null }))
    expect(server.accepted()).toBe(1)
  })
})

describe('a machine that is away', () => {
  it('is read when it comes, and again when it comes back', async () => {
    const port = await freePort()
    const { of, failuresOf } = run({ m: modbusMachine({ port }) })
    await until(() => expect(failuresOf('m').length).toBeGreaterThan(1))
    expect(failuresOf('m')[0]).toMatchObject({ kind: 'connect' })
    const registers = { bits: () => false, words: (address: number) => address }
    const first = await startModbusServer(registers, port)
    await until(() => expect(of('m').length).toBeGreaterThan(2))
    await first.stop()
    const failed = failuresOf('m').length
    await until(() => expect(failuresOf('m').length).toBeGreaterThan(failed + 1))
    const read = of('m').length
    const second = await startModbusServer(registers, port)
    defer(second.stop)
    await until(() => expect(of('m').length).toBeGreaterThan(read + 2))
  })
})
