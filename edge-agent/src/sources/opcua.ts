import { backoffMs, pause } from '@nakama/service'
import type { DataValue } from 'node-opcua-client'
import type { OpcuaMachine } from '../settings.ts'
import { type OpcuaLibrary, PACE, type Pace, runOpcuaSession } from './opcua-session.ts'
import { fromDataValue } from './opcua-values.ts'
import type { ReadFailure, Source, SourceContext, Value } from './source.ts'

/** A machine behind an OPC UA server, by its id. */
export interface OpcuaStation {
  readonly id: string
  readonly source: OpcuaMachine
}

const BACKOFF_FIRST_MS = 500
const BACKOFF_MAX_MS = 10_000

/**
 * Reads machines over OPC UA by subscription, one connection for all machines behind the same endpoint. A machine has a
 * reading when the server has said something: new values, or that there are none; at most every `pollMs`.
 *
 * @param pkiDir folder for our key and for the certificates of servers that are trusted (none is by itself).
 */
export const opcuaSource = (
  stations: readonly OpcuaStation[],
  pkiDir: string,
  context: SourceContext,
  pace: Pace = PACE,
): Source => ({
  async run(signal) {
    const library = await import('node-opcua-client')
    const { OPCUACertificateManager } = await import('node-opcua-certificate-manager')
    const certificates = new OPCUACertificateManager({
      rootFolder: pkiDir,
      automaticallyAcceptUnknownCertificate: false,
      disableFileWatchers: true,
    })
    const endpoints = Map.groupBy(stations, ({ source }) => `${source.endpoint} ${source.security}`)
    await Promise.all(
      [...endpoints.values()].map(group => runEndpoint(group, { library, certificates, context, pace }, signal)),
    )
    await certificates.dispose()
  },
})

interface Kit {
  readonly library: OpcuaLibrary
  readonly certificates: Parameters<typeof runOpcuaSession>[0]['certificates']
  readonly context: SourceContext
  readonly pace: Pace
}

const runEndpoint = async (
  stations: readonly OpcuaStation[],
  { library, certificates, context, pace }: Kit,
  signal: AbortSignal,
): Promise<void> => {
  const { monotonic, random, log, metrics, sink } = context
  const { endpoint, security } = (stations[0] as OpcuaStation).source
  const publishMs = Math.min(...stations.map(({ source }) => source.publishMs))
  const pollMs = Math.min(...stations.map(({ source }) => source.pollMs))
  const outlets = stations.map(station => openOutlet(station, context, pace.watchMs))
  const items = stations.flatMap(({ source }, at) => source.signals.map(signal => ({ signal, outlet: outlets[at] })))
  let attempt = 0
  let last: ReadFailure = { kind: 'connect', message: 'not yet connected' }

  // A machine that gives nothing is reported as often as it is looked after.
  const report = setInterval(() => {
    for (const outlet of outlets) {
      if (!outlet.silent()) continue
      metrics.failures.inc({ machine: outlet.id, kind: last.kind })
      sink.failure(outlet.id, last)
    }
  }, pace.watchMs)
  while (!signal.aborted) {
    let heard = false
    const first = (): void => {
      if (heard) return
      heard = true
      attempt = 0
      last = { kind: 'no-node', message: 'the server has none of its nodes' }
      metrics.connects.inc({ source: endpoint })
    }
    const onValue = (index: number, value: DataValue | null): void => {
      first()
      const { signal: of, outlet } = items[index] as (typeof items)[number]
      outlet?.set(of.name, value === null ? null : fromDataValue(value, of.scale, of.offset))
    }
    const onKeepAlive = (): void => {
      first()
      for (const outlet of outlets) outlet.confirm()
    }
    const reason = await runOpcuaSession(
      {
        ...{ library, certificates, endpoint, security, publishMs, monotonic, log, pace, onValue, onKeepAlive },
        nodes: items.map(item => item.signal.node),
        // A keep-alive per poll, so that a machine on which nothing changes still has its readings.
        keepAliveCount: Math.min(10, Math.max(3, Math.round(pollMs / publishMs))),
      },
      signal,
    )
    last = reason
    for (const outlet of outlets) outlet.clear()
    await pause(backoffMs(attempt++, BACKOFF_FIRST_MS, BACKOFF_MAX_MS, random), signal)
  }
  clearInterval(report)
}

/** The latest values of one machine, and when they go out as a reading. */
interface Outlet {
  readonly id: string
  set(signal: string, value: Value): void
  /** Everything is as last heard. */
  confirm(): void
  /** Nothing is known any more. */
  clear(): void
  /** True when there was no reading for longer than there should be. */
  silent(): boolean
}

const openOutlet = (
  { id, source }: OpcuaStation,
  { sink, now, monotonic, metrics }: SourceContext,
  patienceMs: number,
): Outlet => {
  const nothing = Object.fromEntries(source.signals.map(({ name }) => [name, null]))
  let values: { [signal: string]: Value } = { ...nothing }
  let timer: NodeJS.Timeout | undefined
  let nextDue = monotonic()
  let deliveredAt = monotonic()

  const deliver = (): void => {
    timer = undefined
    if (Object.values(values).every(value => value === null)) return
    deliveredAt = monotonic()
    metrics.reads.inc({ machine: id })
    sink.reading(id, { at: now(), values: { ...values } })
  }

  /** At its next time, or now when that has passed; the values of one publish come one by one and go together. */
  const schedule = (): void => {
    if (timer !== undefined) return
    const due = Math.max(nextDue, monotonic())
    nextDue = due + source.pollMs
    timer = setTimeout(deliver, Math.max(0, due - monotonic()))
  }

  return {
    id,
    set(signal, value) {
      values[signal] = value
      schedule()
    },
    confirm: schedule,
    clear() {
      clearTimeout(timer)
      timer = undefined
      values = { ...nothing }
    },
    silent: () => monotonic() - deliveredAt > Math.max(3 * source.pollMs, patienceMs),
  }
}
