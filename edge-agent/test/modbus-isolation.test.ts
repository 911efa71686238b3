import { describe, expect, it } from 'vitest'
import type { ModbusMachine } from '../src/settings-modbus.ts'
import {
  type Answerer,
  expectOnlyReads,
  frame,
  goodAnswer,
  modbusMachine,
  openStage,
  type Request,
  refusal,
  register,
  until,
} from './modbus-support.ts'

expectOnlyReads()

const SICK = 3
const UNITS = [1, 2, 3, 4, 5, 6, 7, 8]
const POLL_MS = 100
/** How many readings of a healthy unit its cadence is judged by. */
const READINGS = 30

/** The value 0xeeee is nowhere in a good answer: who reads it has believed something false. */
const FALSE = [0xee, 0xee, 0xee, 0xee, 0xee, 0xee]

type Hazard = (request: Request, socket: Parameters<Answerer>[1]) => Uint8Array | undefined

const spoilCrc = (request: Request): Uint8Array => {
  const bytes = goodAnswer(request)
  return bytes.with(bytes.length - 1, (bytes.at(-1) as number) ^ 0xff)
}

const OF_BOTH: { readonly [hazard: string]: Hazard } = {
  'is dead': () => undefined,
  'gives a false byte count': request => frame(request, [request.code, 4, ...FALSE]),
  'gives a true byte count of too few registers': request => frame(request, [request.code, 2, 0xee, 0xee]),
  'answers with another function': request => frame(request, [request.code - 1, 6, ...FALSE]),
  'cuts its frames off': request => goodAnswer(request).subarray(0, 8),
  'talks rubbish': () => Uint8Array.from(Array(40).fill(0xee)),
  'answers under the number of a healthy unit': request => frame({ ...request, unit: 1 }, [request.code, 6, ...FALSE]),
  'refuses under the number of a healthy unit': request => refusal({ ...request, unit: 1 }, 2),
  'resets the connection': (_request, socket) => {
    socket.resetAndDestroy()
    return undefined
  },
  'is said by the gateway not to answer': request => refusal(request, 11),
  'is busy': request => refusal(request, 6),
  'babbles on after its answer': (request, socket) => {
    setTimeout(() => socket.destroyed || socket.write(Uint8Array.from(Array(20).fill(0xee))), 5)
    return frame(request, [request.code, 4, ...FALSE])
  },
}

const OF_EACH: { readonly [framing in Request['framing']]: { readonly [hazard: string]: Hazard } } = {
  mbap: {
    ...OF_BOTH,
    'answers late': (request, socket) => {
      setTimeout(() => socket.destroyed || socket.write(frame(request, [request.code, 6, ...FALSE])), POLL_MS * 1.5)
      return undefined
    },
    'answers to a transaction that was never begun': request =>
      frame({ ...request, transaction: (request.transaction + 999) & 0xffff }, [request.code, 6, ...FALSE]),
    'has another protocol id': request => goodAnswer(request).with(3, 9),
  },
  rtu: { ...OF_BOTH, 'has a false checksum': spoilCrc },
}

const machinesAt = (port: number, framing: Request['framing']): { [id: string]: ModbusMachine } =>
  Object.fromEntries(
    UNITS.map(unit => {
      const signals = [register('a', 10), register('b', 11), register('c', 12)]
      return [`m${unit}`, modbusMachine({ port, framing, unit, pollMs: POLL_MS, timeoutMs: POLL_MS, signals })]
    }),
  )

/** Milliseconds from reading to reading, in the mean. */
const cadence = (readings: readonly { readonly at: number }[]): number => {
  const times = readings.map(({ at }) => at)
  return ((times.at(-1) as number) - (times[0] as number)) / (times.length - 1)
}

const expectOwnValues = (unit: number, readings: readonly { readonly values: object }[]): void => {
  const base = unit > 1 ? unit * 1_000 : 0
  for (const { values } of readings) expect(values).toEqual({ a: base + 10, b: base + 11, c: base + 12 })
}

// Side by side: what takes long here is waiting. Eight units ten times a second, and one of them sick.
describe.each(['mbap', 'rtu'] as const)('over %s, when one unit of eight', framing => {
  it.concurrent.for(Object.entries(OF_EACH[framing]))(
    '%s, the others keep their cadence and it is read again when it is well',
    async ([, hazard]) => {
      await using stage = openStage()
      const { run, fake } = stage
      let sick = true
      const server = await fake((request, socket) => {
        if (request.unit === SICK && sick) return hazard(request, socket)
        return goodAnswer(request)
      }, framing)
      const { of, failuresOf, stop } = run(machinesAt(server.port, framing))
      await until(() => expect(of('m8').length).toBeGreaterThan(READINGS), 15_000)
      expect(of(`m${SICK}`)).toEqual([])
      expect(failuresOf(`m${SICK}`).length).toBeGreaterThan(10)
      for (const unit of UNITS.filter(unit => unit !== SICK)) {
        expect(failuresOf(`m${unit}`)).toEqual([])
        expectOwnValues(unit, of(`m${unit}`))
        expect(cadence(of(`m${unit}`))).toBeGreaterThan(POLL_MS * 0.9)
        expect(cadence(of(`m${unit}`))).toBeLessThan(POLL_MS * 1.1)
      }
      const asked = server.requests.filter(({ unit }) => unit === SICK).length
      // Pauses double from the second failure on: 0.1, 0.2, 0.4 … 2 s here, half of it chance. Over RTU each try may be two requests.
      expect(asked).toBeLessThan(framing === 'rtu' ? 24 : 12)
      sick = false
      const well = performance.now()
      await until(() => expect(of(`m${SICK}`).length).toBeGreaterThan(1))
      expect(performance.now() - well).toBeLessThan(3_000)
      await stop()
      expectOwnValues(SICK, of(`m${SICK}`))
      expect(server.most()).toBeLessThanOrEqual(2)
    },
  )
})
