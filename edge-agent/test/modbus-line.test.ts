import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import {
  expectCadence,
  expectOnlyReads,
  FAST,
  frame,
  goodAnswer,
  modbusMachine,
  refusal,
  register,
  stage,
  until,
} from './modbus-support.ts'
import { recorder } from './support.ts'

expectOnlyReads()
const { run, fake, defer } = stage()

/** A server as a process, to be stopped and continued as a whole. */
const startProcess = async (): Promise<{ readonly child: ChildProcess; readonly port: number }> => {
  const file = join(import.meta.dirname, 'modbus-frozen-server.ts')
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = once(child, 'exit')
  defer(() => {
    child.kill('SIGKILL')
    return gone
  })
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  return { child, port: Number(line.toString()) }
}

const openSockets = (): number => process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap').length

describe('the late reply of a serial line', () => {
  it('is never taken for the answer to a later question, on a new connection neither', async () => {
    // Every answer comes when the next question has been asked: of the right unit, function and length, and of the past.
    let late = true
    let held: Uint8Array | undefined
    let nth = 0
    const server = await fake(request => {
      nth++
      const now = frame(request, [
        request.code,
        request.count * 2,
        ...Array(request.count)
          .fill([nth >> 8, nth & 255])
          .flat(),
      ])
      const sent = late ? held : now
      held = now
      return sent
    }, 'rtu')
    const signals = [register('a', 10), register('b', 11)]
    const { of, failuresOf } = run({ m: modbusMachine({ port: server.port, framing: 'rtu', signals }) })
    await until(() => expect(failuresOf('m').length).toBeGreaterThan(60), 15_000)
    expect(of('m')).toEqual([])
    late = false
    const from = nth
    await until(() => expect(of('m').length).toBeGreaterThan(2))
    for (const { values } of of('m')) expect(values.a).toBeGreaterThan(from)
  })

  it('of another unit is thrown away', async () => {
    const held: Uint8Array[] = []
    const server = await fake(request => {
      if (request.unit === 2) {
        held.push(frame(request, [request.code, 4, 0xee, 0xee, 0xee, 0xee]))
        return undefined
      }
      return Uint8Array.from([...(held.shift() ?? []), ...goodAnswer(request)])
    }, 'rtu')
    const of = run({
      good: modbusMachine({ port: server.port, framing: 'rtu' }),
      slow: modbusMachine({ port: server.port, framing: 'rtu', unit: 2 }),
    }).of
    await until(() => expect(of('good').length).toBeGreaterThan(60))
    for (const { values } of of('good')) expect(values).toEqual({ a: 10, b: 11 })
    expect(of('slow')).toEqual([])
  })
})

describe('a line without numbers', () => {
  it('is another connection after each timeout, at once', async () => {
    let nth = 0
    const server = await fake(request => (nth++ === 5 ? undefined : goodAnswer(request)), 'rtu')
    const { of, failuresOf } = run({ m: modbusMachine({ port: server.port, framing: 'rtu' }) })
    await until(() => expect(of('m').length).toBeGreaterThan(10))
    expect(failuresOf('m').map(({ kind }) => kind)).toEqual(['timeout'])
    expect(server.accepted()).toBe(2)
  })
})

describe('a peer as a whole', () => {
  it('that closes whatever is opened is not hammered', async () => {
    let opened = 0
    const server = createServer(socket => {
      opened++
      socket.on('error', () => {}).resetAndDestroy()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    defer(async () => void server.close())
    const { port } = server.address() as AddressInfo
    const { failuresOf } = run(
      { m: modbusMachine({ port }) },
      { ...FAST, reconnectFirstMs: 500, reconnectMaxMs: 5_000 },
    )
    // Fifty polls are a second: room for pauses of 25, 50, 100, 200, 250 and 250 ms, as chance has it here.
    await until(() => expect(failuresOf('m').length).toBeGreaterThan(50))
    expect(opened).toBeLessThan(10)
  })

  it('that is frozen gets a new connection after three timeouts, piles up nothing, and is read when it thaws', async () => {
    const { child, port } = await startProcess()
    const units = [1, 2, 3, 4]
    const { of, failuresOf, connects } = run(
      Object.fromEntries(units.map(unit => [`m${unit}`, modbusMachine({ port, unit, pollMs: 50 })])),
    )
    await until(() => expect(of('m4').length).toBeGreaterThan(5))
    expect(connects.length).toBe(1)
    child.kill('SIGSTOP')
    await until(() => expect(connects.length).toBeGreaterThan(1))
    expect(failuresOf('m1').filter(({ kind }) => kind === 'timeout').length).toBeLessThanOrEqual(3)
    await until(() => expect(failuresOf('m1').length).toBeGreaterThan(60), 15_000)
    const connections = connects.length
    expect(connections).toBeLessThan(20)
    const read = of('m1').length
    child.kill('SIGCONT')
    const thawed = performance.now()
    await until(() => expect(Math.min(...units.map(unit => of(`m${unit}`).length))).toBeGreaterThan(read + 5))
    expect(performance.now() - thawed).toBeLessThan(3_000)
  })

  it('that swallows SYNs costs no descriptor per try, and is read when it answers', async () => {
    const { child, port } = await startProcess()
    child.kill('SIGSTOP')
    // The kernel completes as many connections as may wait; from then on it drops what comes.
    const fillers: Socket[] = Array.from({ length: 2 }, () =>
      connect({ host: '127.0.0.1', port }).on('error', () => {}),
    )
    defer(async () => {
      for (const filler of fillers) filler.destroy()
    })
    for (const filler of fillers) await once(filler, 'connect')
    const before = openSockets()
    const { of, failuresOf } = run({ m: modbusMachine({ port, timeoutMs: 100, pollMs: 50 }) })
    await until(() => expect(failuresOf('m').length).toBeGreaterThan(40))
    for (const { kind, message } of failuresOf('m').slice(1)) expect(`${kind} ${message}`).toMatch('connect 127.0.0.1')
    expect(openSockets() - before).toBeLessThanOrEqual(1)
    child.kill('SIGCONT')
    await until(() => expect(of('m').length).toBeGreaterThan(2))
  })

  it('that is half open (it hears nothing more, and says so to nobody) is connected to anew', async () => {
    let dead: Socket | undefined
    const server = await fake((request, socket, nth) => {
      if (nth > 5) dead ??= socket
      return socket === dead ? undefined : goodAnswer(request)
    })
    const { of } = run({ m: modbusMachine({ port: server.port }) })
    await until(() => expect(of('m').length).toBeGreaterThan(10))
    expect(server.accepted()).toBe(2)
    expect(server.open()).toBe(1)
  })

  it('that closes after every answer is read all the same', async () => {
    const server = await fake((request, socket) => {
      socket.end(goodAnswer(request))
      return undefined
    })
    const { of, failuresOf } = run({ m: modbusMachine({ port: server.port, pollMs: 50 }) })
    await until(() => expect(of('m').length).toBeGreaterThan(20))
    expect(failuresOf('m').length).toBe(0)
  })

  it('that takes one connection only serves all its units over it', async () => {
    const server = await fake((request, socket) => {
      if (server.most() > 1) socket.destroy()
      return goodAnswer(request)
    })
    const units = [1, 2, 3]
    const { of } = run(Object.fromEntries(units.map(unit => [`m${unit}`, modbusMachine({ port: server.port, unit })])))
    await until(() => expect(Math.min(...units.map(unit => of(`m${unit}`).length))).toBeGreaterThan(5))
    expect(server.most()).toBe(1)
  })

  it('that wants a connection for each unit gets one where it is told so', async () => {
    const unitOf = new Map<Socket, number>()
    const server = await fake((request, socket) => {
      const first = unitOf.get(socket) ?? request.unit
      unitOf.set(socket, first)
      return request.unit === first ? goodAnswer(request) : refusal(request, 11)
    })
    const units = [1, 2, 3]
    const machines = units.map(unit => [`m${unit}`, modbusMachine({ port: server.port, unit, ownConnection: true })])
    const { of, failuresOf } = run(Object.fromEntries(machines))
    await until(() => expect(Math.min(...units.map(unit => of(`m${unit}`).length))).toBeGreaterThan(5))
    expect(server.most()).toBe(3)
    for (const unit of units) expect(failuresOf(`m${unit}`)).toEqual([])
  })
})

describe('three dead of eight', () => {
  it('leave the others their cadence within 10 %, though a timeout is as long as a poll', async () => {
    const dead = [2, 5, 8]
    let asleep = true
    const server = await fake(request => (asleep && dead.includes(request.unit) ? undefined : goodAnswer(request)))
    const units = [1, 2, 3, 4, 5, 6, 7, 8]
    const healthy = await fake(goodAnswer)
    const at = (port: number, name: string) =>
      units.map(unit => [`${name}${unit}`, modbusMachine({ port, unit, pollMs: 100, timeoutMs: 100 })])
    const { of } = run(Object.fromEntries([...at(server.port, 'm'), ...at(healthy.port, 'twin')]))
    await until(() => expect(of('m1').length).toBeGreaterThan(50), 12_000)
    const healthyUnits = units.filter(unit => !dead.includes(unit))
    const pairs = healthyUnits.map(unit => [of(`m${unit}`), of(`twin${unit}`)] as const)
    expectCadence(pairs, 100)
    asleep = false
    await until(() => expect(Math.min(...dead.map(unit => of(`m${unit}`).length))).toBeGreaterThan(0), 3_000)
  })
})

describe('a fault of our own', () => {
  it('that keeps this process busy beyond a timeout is not taken for the silence of a machine', async () => {
    const { port } = await startProcess()
    const seen = recorder()
    let busy = 0
    const block = (): void => {
      busy++
      const end = performance.now() + 90
      while (performance.now() < end);
    }
    // Time is asked for right before each question: so the process is busy from when it is sent until long after its timeout.
    const monotonic = (): number => {
      setImmediate(block)
      return performance.now()
    }
    const context = { ...seen.context, monotonic }
    const { of, failuresOf } = run({ m: modbusMachine({ port, pollMs: 20, timeoutMs: 60 }) }, FAST, {
      ...seen,
      context,
    })
    await until(() => expect(of('m').length).toBeGreaterThan(5))
    expect(busy).toBeGreaterThan(5)
    expect(failuresOf('m')).toEqual([])
  })

  it('ends no bus for good: polling begins anew', async () => {
    const server = await fake(goodAnswer)
    const seen = recorder()
    const lines: { code?: string }[] = []
    const log = pino({ level: 'error' }, { write: (text: string) => void lines.push(JSON.parse(text)) })
    let faults = 0
    const sink = {
      ...seen.context.sink,
      reading(...told: Parameters<typeof seen.context.sink.reading>) {
        if (seen.of('m').length === 3 && faults++ < 2) throw new Error('a fault')
        seen.context.sink.reading(...told)
      },
    }
    const context = { ...seen.context, sink, log }
    run({ m: modbusMachine({ port: server.port }) }, FAST, { ...seen, context })
    await until(() => expect(seen.of('m').length).toBeGreaterThan(10))
    expect(lines.map(({ code }) => code)).toEqual(['BUS_FAILED', 'BUS_FAILED'])
    expect(server.open()).toBe(1)
  })
})
