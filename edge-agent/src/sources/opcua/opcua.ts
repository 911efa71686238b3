import { messageOf } from '@nakama/contract'
import { backoffMs, pause } from '@nakama/service'
import type { OpcuaMachine } from '../../settings.ts'
import type { ReadFailure, Source, SourceContext } from '../source.ts'
import { readIdentity } from './identity.ts'
import { type Outlet, openOutlet } from './outlet.ts'
import { ensureOwnCertificate } from './own-certificate.ts'
import { PACE, type Pace, runOpcuaSession, type SessionOptions } from './session.ts'
import { openTrustStore } from './trust-store.ts'

/** A machine behind an OPC UA server, by its id. */
export interface OpcuaStation {
  readonly id: string
  readonly source: OpcuaMachine
}

export interface OpcuaFiles {
  /** For our key, our certificate, and those of servers. */
  readonly pkiDir: string
  /** Names of files in the configuration count from here. */
  readonly configFile: string
}

const KEYS_RETRY_MS = 5_000
const BACKOFF_FIRST_MS = 500
/** A machine is to be read within 15 s of coming back, of which a connection that began too early takes the first five. */
const BACKOFF_MAX_MS = 5_000

/**
 * Reads machines over OPC UA by subscription, one connection for all machines behind the same endpoint. A machine has a
 * reading when the server has said something: new values, or that there are none; at most every `pollMs`.
 */
export const opcuaSource = (
  stations: readonly OpcuaStation[],
  { pkiDir, configFile }: OpcuaFiles,
  context: SourceContext,
  pace: Pace = PACE,
): Source => ({
  async run(signal) {
    const library = await import('node-opcua-client')
    const keys = await untilKeys(stations, pkiDir, context, signal)
    if (keys === undefined) return
    const { certificates, own } = keys
    const trust = openTrustStore(pkiDir)
    const { monotonic, log } = context
    const endpoints = Map.groupBy(stations, ({ source }) => accessKey(source))
    await Promise.all(
      [...endpoints.values()].map(group => {
        const { endpoint, security, trust: trusted, identity } = (group[0] as OpcuaStation).source
        const kit = {
          ...{ library, certificates, own, trust, endpoint, security, monotonic, log, pace },
          isFirstUseTrusted: trusted === 'first-use',
          identity: () => readIdentity(library, identity, configFile),
        }
        return runEndpoint(group, kit, context, signal)
      }),
    )
    await certificates.dispose()
  },
})

/** Our key and certificate. Without them nothing can be read, so a disk that refuses is tried again; undefined when aborted. */
const untilKeys = async (
  stations: readonly OpcuaStation[],
  pkiDir: string,
  { sink, now, log }: SourceContext,
  signal: AbortSignal,
) => {
  const { OPCUACertificateManager } = await import('node-opcua-certificate-manager')
  while (!signal.aborted) {
    try {
      const certificates = new OPCUACertificateManager({
        rootFolder: pkiDir,
        automaticallyAcceptUnknownCertificate: false,
        disableFileWatchers: true,
      })
      return { certificates, own: await ensureOwnCertificate(pkiDir, certificates, now(), log) }
    } catch (error) {
      const message = `no OPC UA certificate of our own: ${messageOf(error)}`
      for (const { id } of stations) sink.failure(id, { kind: 'refused', message })
      await pause(KEYS_RETRY_MS, signal)
    }
  }
  return undefined
}

/** Machines that are reached in the same way share a connection. */
const accessKey = ({ endpoint, security, trust, identity }: OpcuaMachine): string =>
  JSON.stringify([endpoint, security.mode, security.policy, trust, identity])

type Kit = Omit<
  SessionOptions,
  | 'publishMs'
  | 'keepAliveCount'
  | 'signals'
  | 'absent'
  | 'onSubscribed'
  | 'onNodes'
  | 'onValue'
  | 'onGone'
  | 'onLost'
  | 'onKeepAlive'
>

const runEndpoint = async (
  stations: readonly OpcuaStation[],
  kit: Kit,
  context: SourceContext,
  signal: AbortSignal,
): Promise<void> => {
  const { random, metrics } = context
  const publishMs = Math.min(...stations.map(({ source }) => source.publishMs))
  const pollMs = Math.min(...stations.map(({ source }) => source.pollMs))
  const outlets = stations.map(station => openOutlet(station, context, kit.pace.watchMs))
  const items = stations.flatMap(({ source }, at) =>
    source.signals.map(one => ({ signal: one, machine: source.machine, outlet: outlets[at] as Outlet })),
  )
  const absent = new Set<number>()
  const lost = new Map<string | undefined, string>()
  let attempt = 0
  let last: ReadFailure = { kind: 'connect', message: 'not yet connected' }

  // A machine that gives nothing is reported as often as it is looked after.
  const report = setInterval(() => {
    for (const [at, outlet] of outlets.entries()) {
      const why = last.kind === 'no-node' ? lost.get(stations[at]?.source.machine) : undefined
      outlet.complain(why === undefined ? last : { kind: 'no-node', message: why })
    }
  }, kit.pace.watchMs)
  while (!signal.aborted) {
    let heard = false
    const first = (): void => {
      if (heard) return
      heard = true
      attempt = 0
      last = { kind: 'no-node', message: 'the server has none of its nodes' }
      metrics.connects.inc({ source: kit.endpoint })
    }
    const withItem = (index: number, then: (name: string, outlet: Outlet) => void): void => {
      first()
      const { signal: of, outlet } = items[index] as (typeof items)[number]
      then(of.name, outlet)
    }
    lost.clear()
    const end = await runOpcuaSession(
      {
        ...{ ...kit, publishMs, signals: items, absent },
        onSubscribed: quietMs => {
          for (const outlet of outlets) outlet.allow(quietMs)
        },
        onNodes: (index, nodeIds) => withItem(index, (name, outlet) => outlet.expect(name, nodeIds)),
        onValue: (index, nodeId, one) => withItem(index, (name, outlet) => outlet.hear(name, nodeId, one)),
        onGone: index => withItem(index, (name, outlet) => outlet.lose(name, absent.has(index))),
        onLost: (machine, message) => lost.set(machine, message),
        onKeepAlive: () => {
          first()
          for (const outlet of outlets) outlet.confirm()
        },
        // A keep-alive per poll, so that a machine on which nothing changes still has its readings.
        keepAliveCount: Math.min(10, Math.max(3, Math.round(pollMs / publishMs))),
      },
      signal,
    )
    if (signal.aborted) break
    last = { kind: end.kind, message: end.message }
    for (const outlet of outlets) outlet.fail(last)
    const waitMs = backoffMs(attempt++, BACKOFF_FIRST_MS, BACKOFF_MAX_MS, random)
    await pause(Math.max(waitMs, end.notBeforeMs ?? 0), signal)
  }
  clearInterval(report)
}
