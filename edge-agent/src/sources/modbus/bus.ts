import { pause } from '@nakama/service'
import type { SourceContext } from '../source.ts'
import { type Link, openLink } from './link.ts'
import { createSchedule } from './schedule.ts'
import { dialSerial, lineMs, type SerialAddress, silenceMs } from './serial.ts'
import type { Outcome, Station } from './station.ts'
import { dialTcp, type TcpAddress } from './tcp.ts'
import type { Pace } from './unit-health.ts'

export type BusAddress =
  | ({ readonly transport: 'tcp' } & TcpAddress)
  | ({ readonly transport: 'serial' } & SerialAddress)

/** One connection and everything behind it. */
export interface Bus {
  /** For people. */
  readonly name: string
  readonly address: BusAddress
  readonly stations: readonly Station[]
  readonly dutyMax: number
  readonly pauseMs: number
}

/**
 * Reads the machines of one bus, one request at a time, until aborted; resolves when the connection is closed. Should our
 * own code fail, it begins anew: nobody is there to do it.
 */
export const runBus = async (bus: Bus, context: SourceContext, pace: Pace, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    const own = new AbortController()
    const stop = (): void => own.abort()
    signal.addEventListener('abort', stop, { once: true })
    const link = openBusLink(bus, context, pace)
    const connecting = link.run(own.signal)
    try {
      await link.tried
      await pollAll(bus, link, context, pace, signal)
    } catch (error) {
      context.log.error({ err: error, code: 'BUS_FAILED', bus: bus.name }, 'polling failed; beginning anew')
      await pause(pace.restartMs, signal)
    }
    own.abort()
    signal.removeEventListener('abort', stop)
    await connecting
  }
}

const pollAll = async (
  bus: Bus,
  link: Link,
  context: SourceContext,
  pace: Pace,
  signal: AbortSignal,
): Promise<void> => {
  const { monotonic, random, metrics } = context
  const { address } = bus
  const serial = address.transport === 'serial' ? address : undefined
  const schedule = createSchedule({
    stations: bus.stations,
    dutyMax: bus.dutyMax,
    gapMs: Math.max(bus.pauseMs, serial === undefined ? 0 : silenceMs(serial.baudRate)),
    unnumbered: serial !== undefined || (address.transport === 'tcp' && address.framing === 'rtu'),
    lineMs: request => (serial === undefined ? 0 : lineMs(request, serial.baudRate)),
    random,
    pace,
  })
  for (const { id, pollMs } of bus.stations) metrics.period.set({ machine: id }, pollMs / 1_000)
  while (!signal.aborted) {
    const { outcomes, turn, wakeAt } = schedule.next(monotonic())
    for (const outcome of outcomes) deliver(outcome, context)
    if (turn === undefined) {
      await pause(wakeAt - monotonic(), signal)
      continue
    }
    const result = await link.ask(turn.unit, turn.request, turn.timeoutMs)
    if (signal.aborted) return
    for (const outcome of schedule.settle(turn, result, monotonic())) deliver(outcome, context)
  }
}

const openBusLink = ({ name, address, stations }: Bus, { random, metrics, log }: SourceContext, pace: Pace): Link => {
  let told = false
  const noDriver = (error: unknown): void => {
    if (told) return
    told = true
    log.error(
      { err: error, code: 'SERIAL_DRIVER_MISSING', bus: name },
      'no driver for serial lines: expected a build of @serialport/bindings-cpp for this system; install the agent anew, or put a serial device server between (modbus-rtu-tcp)',
    )
  }
  const timeoutMs = Math.max(...stations.map(station => station.timeoutMs))
  const dial = address.transport === 'tcp' ? dialTcp(address, timeoutMs) : dialSerial(address, noDriver)
  return openLink(dial, pace, random, () => metrics.connects.inc({ source: name }))
}

const deliver = (outcome: Outcome, { sink, metrics, now, log }: SourceContext): void => {
  const { station: machine } = outcome
  if (outcome.type === 'reading') {
    metrics.reads.inc({ machine })
    sink.reading(machine, { at: now(), values: outcome.values })
  } else if (outcome.type === 'failure') {
    metrics.failures.inc({ machine, kind: outcome.failure.kind })
    sink.failure(machine, outcome.failure)
  } else {
    metrics.period.set({ machine }, outcome.periodMs / 1_000)
    log.debug({ machine, periodMs: outcome.periodMs }, 'polled at another pace')
  }
}
