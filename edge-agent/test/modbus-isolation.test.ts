import { describe, expect, it } from 'vitest'
import type { ModbusMachine } from '../src/settings-modbus.ts'
import {
  type Answerer,
  expectCadence,
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
const HEALTHY = UNITS.filter(unit => unit !== SICK)
const POLL_MS = 250
/** How many readings of a healthy unit its cadence is judged by. */
const READINGS = 20

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

/** What comes at any time may come into the time of another unit, once a pause; all else costs the others no poll. */
const STRAYING = ['babbles on after its answer', 'answers late']

const machinesAt = (port: number, framing: Request['framing'], name: string): { [id: string]: ModbusMachine } =>
  Object.fromEntries(
    UNITS.map(unit => {
      const signals = [register('a', 10), register('b', 11), register('c', 12)]
      return [`${name}${unit}`, modbusMachine({ port, framing, unit, pollMs: POLL_MS, timeoutMs: POLL_MS, signals })]
    }),
  )

const expectOwnValues = (unit: number, readings: readonly { readonly values: object }[]): void => {
  const base = unit > 1 ? unit * 1_000 : 0
  for (const { values } of readings) expect(values).toEqual({ a: base + 10, b: base + 11, c: base + 12 })
}

// Side by side: what takes long here is waiting. Eight units four times a second, and one of them sick; and their eight healthy twins.
describe.each(['mbap', 'rtu'] as const)('over %s, when one unit of eight', framing => {
  it.concurrent.for(Object.entries(OF_EACH[framing]))(
    '%s, the others keep their cadence and it is read again when it is well',
    async ([name, hazard]) => {
      await using stage = openStage()
      const { run, fake } = stage
      let sick = true
      const server = await fake((request, socket) => {
        if (request.unit === SICK && sick) return hazard(request, socket)
        return goodAnswer(request)
      }, framing)
      const twin = await fake(goodAnswer, framing)
      const { of, failuresOf, stop } = run({
        ...machinesAt(server.port, framing, 'm'),
        ...machinesAt(twin.port, framing, 'twin'),
      })
      const begun = performance.now()
      await until(() => expect(of('m8').length).toBeGreaterThan(READINGS), 15_000)
      const ranMs = performance.now() - begun
      expect(of(`m${SICK}`)).toEqual([])
      expect(failuresOf(`m${SICK}`).length).toBeGreaterThan(10)
      const pairs = HEALTHY.map(unit => [of(`m${unit}`), of(`twin${unit}`)] as const)
      const isOnTime = expectCadence(pairs, POLL_MS)
      for (const unit of HEALTHY) {
        expectOwnValues(unit, of(`m${unit}`))
        if (isOnTime) expect(failuresOf(`m${unit}`).length).toBeLessThanOrEqual(STRAYING.includes(name) ? 1 : 0)
      }
      const asked = server.requests.filter(({ unit }) => unit === SICK).length
      // Pauses double from the second failure on: 0.1, 0.2, 0.4 … 2 s here, half of it chance. Over RTU each try may be two requests.
      expect(asked).toBeLessThan((framing === 'rtu' ? 2 : 1) * (8 + ranMs / 1_000))
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
