import { describe, expect, it } from 'vitest'
import type { ModbusMachine } from '../src/settings-modbus.ts'
import { findSocat, openPty, serveSerial } from './modbus-pty.ts'
import {
  expectCadence,
  expectOnlyReads,
  frame,
  goodAnswer,
  modbusMachine,
  type Request,
  register,
  stage,
  until,
} from './modbus-support.ts'

const socat = findSocat()
if (socat === undefined) {
  process.stdout.write('modbus-serial: no socat found, so its tests are left out (Debian: apt-get install socat)\n')
}

const { run, fake, defer } = stage()
const POLL_MS = 500
const UNITS = [1, 2, 3, 4, 5, 6, 7, 8]
const SIGNALS = [register('a', 10), register('b', 11)]

const onLine = (path: string, unit: number, over: Partial<ModbusMachine> = {}): ModbusMachine =>
  modbusMachine({
    type: 'modbus-rtu',
    bus: { transport: 'serial', path, baudRate: 115_200, parity: 'even', stopBits: 1 },
    ...{ unit, pollMs: POLL_MS, timeoutMs: 250, signals: SIGNALS },
    ...over,
  })

const valuesOf = (unit: number) => ({ a: (unit > 1 ? unit * 1_000 : 0) + 10, b: (unit > 1 ? unit * 1_000 : 0) + 11 })

const line = async (answer: (request: Request) => Uint8Array | undefined) => {
  const pty = await openPty(socat as string)
  defer(pty.stop)
  const far = await serveSerial(pty.far, answer)
  defer(far.stop)
  return { pty, far }
}

describe.runIf(socat !== undefined)('a serial line', () => {
  expectOnlyReads()

  it('with eight units, three of them dead: the others keep their cadence within 10 %, the dead are read when they live', async () => {
    const dead = [2, 5, 7]
    let asleep = true
    const { pty, far } = await line(request =>
      asleep && dead.includes(request.unit) ? undefined : goodAnswer(request),
    )
    const healthy = await fake(goodAnswer)
    const twin = modbusMachine({ port: healthy.port, pollMs: POLL_MS, timeoutMs: 250 })
    const line8 = UNITS.map(unit => [`m${unit}`, onLine(pty.near, unit)])
    const { of, connects } = run({ ...Object.fromEntries(line8), twin })
    await until(() => expect(of('m8').length).toBeGreaterThan(15), 15_000)
    for (const unit of UNITS.filter(unit => !dead.includes(unit))) {
      const readings = of(`m${unit}`)
      for (const { values } of readings) expect(values).toEqual(valuesOf(unit))
    }
    const living = UNITS.filter(unit => !dead.includes(unit))
    const pairs = living.map(unit => [of(`m${unit}`), of('twin')] as const)
    expectCadence(pairs, POLL_MS)
    for (const unit of dead) expect(of(`m${unit}`)).toEqual([])
    asleep = false
    await until(() => expect(Math.min(...dead.map(unit => of(`m${unit}`).length))).toBeGreaterThan(1), 4_000)
    for (const unit of dead) for (const { values } of of(`m${unit}`)) expect(values).toEqual(valuesOf(unit))
    // A dead unit is no fault of the line, which stayed open, or was opened anew after three failures in a row.
    expect(connects.filter(name => name === pty.near).length).toBeLessThan(4)
    // 3.5 characters of silence, at least 1.75 ms, before each question.
    const gaps = far.requests.slice(1).map(({ at }, i) => at - (far.requests[i]?.at as number))
    expect(Math.min(...gaps)).toBeGreaterThan(1.5)
  })

  it('whose unit answers late or rubbish is drained: no octet of it is taken for another answer', async () => {
    let nth = 0
    const { pty, far } = await line(request => {
      if (request.unit !== 2) return goodAnswer(request)
      nth++
      if (nth % 2 === 0) return Uint8Array.from(Array(30).fill(0xee))
      const late = frame(request, [request.code, request.count * 2, ...Array(request.count * 2).fill(0xee)])
      setTimeout(() => far.write(late), 130)
      return undefined
    })
    const { of, failuresOf } = run({
      good: onLine(pty.near, 1, { pollMs: 100, timeoutMs: 100 }),
      bad: onLine(pty.near, 2, { pollMs: 100, timeoutMs: 100 }),
    })
    await until(() => expect(nth).toBeGreaterThan(6), 10_000)
    await until(() => expect(of('good').length).toBeGreaterThan(40), 10_000)
    for (const { values } of of('good')) expect(values).toEqual(valuesOf(1))
    expect(of('bad')).toEqual([])
    // The line was drained and stayed open: a failure of the good one was a late octet in its time, not more.
    expect(failuresOf('good').length).toBeLessThan(of('good').length / 10)
  })

  // Where pieces of the babble come late, silence is heard where there is none: again then.
  it('is not spoken on while a unit babbles', { retry: 2 }, async () => {
    // When each piece of its babble was written.
    const pieces: number[] = []
    let babbles = 0
    const { pty, far } = await line(request => {
      if (request.unit === 1) return goodAnswer(request)
      babbles++
      let left = 5
      const timer = setInterval(() => {
        pieces.push(performance.now())
        far.write(Uint8Array.from(Array(12).fill(0xee)))
        if (--left === 0) clearInterval(timer)
      }, 20)
      return undefined
    })
    const { of, failuresOf } = run({
      good: onLine(pty.near, 1, { pollMs: 50, timeoutMs: 60 }),
      babbler: onLine(pty.near, 2, { pollMs: 50, timeoutMs: 60 }),
    })
    await until(() => expect(babbles).toBeGreaterThan(4), 10_000)
    await until(() => expect(of('good').length).toBeGreaterThan(40), 10_000)
    const asked = far.requests.filter(({ unit }) => unit === 1)
    const spokenOver = pieces.slice(1).filter((piece, at) => {
      const before = pieces[at] as number
      return piece - before < 40 && asked.some(({ at }) => at > before && at < piece)
    })
    // None, but on a machine so busy that the pieces came late. Not drained, each babble is spoken over once or twice.
    expect(spokenOver.length).toBeLessThanOrEqual(babbles / 4)
    expect(failuresOf('good').length).toBeLessThanOrEqual(babbles / 4)
  })

  it('that answers with the reply before gives no value of the past', async () => {
    let late = true
    let held: Uint8Array | undefined
    let nth = 0
    const { pty } = await line(request => {
      nth++
      const now = frame(request, [request.code, request.count * 2, ...Array(request.count).fill([0, nth]).flat()])
      const sent = late ? held : now
      held = now
      return sent
    })
    const { of, failuresOf } = run({ m: onLine(pty.near, 1, { pollMs: 50, timeoutMs: 60 }) })
    await until(() => expect(failuresOf('m').length).toBeGreaterThan(30), 10_000)
    expect(of('m')).toEqual([])
    late = false
    const from = nth
    await until(() => expect(of('m').length).toBeGreaterThan(2))
    for (const { values } of of('m')) expect(values.a).toBeGreaterThan(from)
  })

  it('that is unplugged is opened again when it is back, under the same name', async () => {
    const { pty, far } = await line(goodAnswer)
    const { of, failuresOf } = run({ m: onLine(pty.near, 1, { pollMs: 50, timeoutMs: 60 }) })
    await until(() => expect(of('m').length).toBeGreaterThan(3))
    await pty.unplug()
    await far.stop()
    await until(() => expect(failuresOf('m').at(-1)?.message).toMatch('No such file'))
    const read = of('m').length
    await pty.plug()
    const again = await serveSerial(pty.far, goodAnswer)
    defer(again.stop)
    await until(() => expect(of('m').length).toBeGreaterThan(read + 3))
  })

  it('that is not there does not keep another machine waiting', async () => {
    const { pty } = await line(goodAnswer)
    const { of, failuresOf } = run({ here: onLine(pty.near, 1, { pollMs: 50 }), gone: onLine(`${pty.near}-not`, 1) })
    await until(() => expect(of('here').length).toBeGreaterThan(3))
    expect(failuresOf('gone')[0]).toMatchObject({ kind: 'connect' })
  })

  it('is closed when the agent stops, with a request outstanding too', async () => {
    const { pty, far } = await line(() => undefined)
    const { stop } = run({ m: onLine(pty.near, 1, { timeoutMs: 10_000 }) })
    await until(() => expect(far.requests.length).toBe(1))
    const before = performance.now()
    await stop()
    expect(performance.now() - before).toBeLessThan(1_500)
    const { of } = run({ m: onLine(pty.near, 1, { pollMs: 50 }) })
    await until(() => expect(far.requests.length).toBeGreaterThan(1))
    expect(of('m')).toEqual([])
  })
})
