import { pause } from '@nakama/service'
import type { ModbusMachine } from '../settings.ts'
import { decodeAnswer } from './modbus-decode.ts'
import { type ModbusLink, openModbusLink } from './modbus-link.ts'
import { type ModbusRequest, planRequests, splitRequest } from './modbus-plan.ts'
import type { ReadFailure, Reading, Source, SourceContext, Value } from './source.ts'

/** A machine behind Modbus TCP, by its id. */
export interface ModbusStation {
  readonly id: string
  readonly source: ModbusMachine
}

/**
 * Reads machines over Modbus TCP, each on its own grid of times. Every unit at every address has a connection of its own, so
 * that one that is dead, slow or talks rubbish takes no time from another; machines on the same unit take turns on it.
 */
export const modbusSource = (stations: readonly ModbusStation[], context: SourceContext): Source => ({
  async run(signal) {
    const links = new Map<string, ModbusLink>()
    for (const { source } of stations) {
      const { host, port, unit } = source
      const key = `${host}:${port}/${unit}`
      if (links.has(key)) continue
      const sharing = stations.filter(other => keyOf(other.source) === key)
      const timeoutMs = Math.max(...sharing.map(other => other.source.timeoutMs))
      const onConnect = (): void => context.metrics.connects.inc({ source: key })
      links.set(key, openModbusLink({ host, port, unit, timeoutMs, random: context.random, onConnect }))
    }
    await Promise.all([
      ...[...links.values()].map(link => link.run(signal)),
      ...stations.map(station => poll(station, links.get(keyOf(station.source)) as ModbusLink, context, signal)),
    ])
  },
})

const keyOf = ({ host, port, unit }: ModbusMachine): string => `${host}:${port}/${unit}`

/** Slots are counted from the start, so neither a slow answer nor a late timer shifts those that follow; missed ones are left out. */
const poll = async (
  { id, source }: ModbusStation,
  link: ModbusLink,
  context: SourceContext,
  signal: AbortSignal,
): Promise<void> => {
  const { monotonic, sink, metrics } = context
  let plan = { requests: planRequests(source.signals), connection: 0 }
  await link.tried
  const start = monotonic()
  let slot = 0
  while (!signal.aborted) {
    // A control that refused everything while it started must not be read one by one for ever.
    if (plan.connection !== link.connections)
      plan = { requests: planRequests(source.signals), connection: link.connections }
    const outcome = await readOnce(plan.requests, link)
    if (signal.aborted) return
    plan = { ...plan, requests: outcome.requests }
    if (outcome.values === undefined) {
      metrics.failures.inc({ machine: id, kind: outcome.failure.kind })
      sink.failure(id, outcome.failure)
    } else {
      metrics.reads.inc({ machine: id })
      const reading: Reading = { at: context.now(), values: outcome.values }
      sink.reading(id, reading)
    }
    slot = Math.max(slot, Math.floor((monotonic() - start) / source.pollMs)) + 1
    await pause(start + slot * source.pollMs - monotonic(), signal)
  }
}

type Outcome =
  | { readonly values: { readonly [signal: string]: Value }; readonly requests: ModbusRequest[] }
  | { readonly values: undefined; readonly failure: ReadFailure; readonly requests: ModbusRequest[] }

/** Modbus exception codes 2 and 3: the unit answers but has no such addresses, or not so many at once. */
const REFUSALS = [2, 3]

/**
 * All requests of one machine. What the unit refuses is null in the reading, and is asked for in finer pieces from the next
 * time on; one request without any answer makes it no reading at all, as its parts would be of different times.
 */
const readOnce = async (requests: readonly ModbusRequest[], link: ModbusLink): Promise<Outcome> => {
  const next: ModbusRequest[] = []
  let values: { [signal: string]: Value } = {}
  let good = false
  let refused: ReadFailure | undefined
  for (const request of requests) {
    const result = await link.read(request)
    if (result.ok) {
      good = true
      values = { ...values, ...decodeAnswer(request, result.data) }
      next.push(request)
    } else if (result.exception !== undefined) {
      refused = result.failure
      for (const { name } of request.signals) values[name] = null
      next.push(...(REFUSALS.includes(result.exception) ? splitRequest(request) : [request]))
    } else return { values: undefined, failure: result.failure, requests: [...requests] }
  }
  if (good) return { values, requests: next }
  return { values: undefined, failure: refused ?? { kind: 'protocol', message: 'nothing to read' }, requests: next }
}
