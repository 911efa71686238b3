import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pass } from 'node:timers/promises'
import { seededRandom } from '../random.ts'
import { until } from '../until.ts'
import type { FleetArgs } from './args.ts'
import { createFleet, type Fleet } from './fleet.ts'
import { complaintsOf } from './judge.ts'
import { type Meter, startMeter } from './meter.ts'
import { startFleetServer } from './server.ts'
import { lookUp } from './stored.ts'

export interface FleetResult {
  /** What it came to, in a line. */
  readonly summary: string
  /** Everything that must not be; empty when all is well. */
  readonly complaints: readonly string[]
}

const REPORT_EVERY_MS = 5_000
/** How long the last readings may take to be acknowledged. */
const DRAIN_MAX_MS = 60_000

/**
 * Starts the server and the fleet, lets them live or come back from an outage, and judges what it took and what is stored. Nothing
 * is left behind.
 *
 * @param say is told of progress, a line at a time.
 */
export const runFleet = async (args: FleetArgs, say: (line: string) => void): Promise<FleetResult> => {
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'nakama-fleet-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const server = await startFleetServer(folder, args.shops, args.machines)
  stack.defer(() => server.stop())
  const fleet = createFleet({ server, ...args, random: seededRandom(args.seed) })
  stack.defer(() => fleet.stop())
  const meter = startMeter(server)
  stack.defer(() => meter.stop())

  const { summary, statesMs, allMs } = await (args.outageMinutes > 0 ? comeBack : sendLive)(args, fleet, meter, say)
  const memory = { broker: meter.memory('broker'), ingest: meter.memory('ingest') }
  fleet.stopReading()
  await until('everything is acknowledged', () => waitingOf(fleet) === 0, { withinMs: DRAIN_MAX_MS }).catch(() => false)
  const waiting = waitingOf(fleet)
  const stored = await lookUp(server.storeFile, fleet, args.machines)
  const complaints = complaintsOf(args, { statesMs, allMs, waiting, restarts: server.restarts, ...memory, stored })
  const looked = `${stored.reduce((sum, { read }) => sum + read, 0)} readings of ${fleet.watched.size} shops looked up`
  return { summary: `fleet: ${summary}, ${waiting} batches unacknowledged, ${looked}`, complaints }
}

interface Course {
  readonly summary: string
  readonly statesMs: number
  readonly allMs: number
}

/** Live readings for a while. */
const sendLive = async (args: FleetArgs, fleet: Fleet, meter: Meter, say: (line: string) => void): Promise<Course> => {
  const connecting = performance.now()
  fleet.connect()
  await until('every agent is connected', () => fleet.connected === args.shops, { withinMs: 60_000 })
  say(`  ${args.shops} agents connected in ${((performance.now() - connecting) / 1_000).toFixed(1)} s`)
  fleet.startReading()
  // Connecting and first words are not what is measured.
  await pass(Math.min(REPORT_EVERY_MS, args.seconds * 1_000))
  meter.restart()
  fleet.latencies.clear()
  const begun = { at: performance.now(), values: fleet.values }
  const rate = (): number => ((fleet.values - begun.values) * 1_000) / (performance.now() - begun.at)
  const latency = (): string =>
    `p50 ${fleet.latencies.quantile(0.5)} ms, p99 ${fleet.latencies.quantile(0.99)} ms, ${meter.line()}`
  while (performance.now() - begun.at < args.seconds * 1_000) {
    await pass(Math.min(REPORT_EVERY_MS, args.seconds * 1_000))
    say(`  ${rate().toFixed(0)} values/s  append to ack ${latency()}`)
  }
  const scale = `${args.shops} shops, ${args.machines * args.shops} machines, ${rate().toFixed(0)} values/s`
  return { summary: `${scale}, append to ack ${latency()}`, statesMs: 0, allMs: 0 }
}

/** Everybody at once, with the history of an outage; live readings go on meanwhile. */
const comeBack = async (args: FleetArgs, fleet: Fleet, meter: Meter, say: (line: string) => void): Promise<Course> => {
  fleet.collect(args.outageMinutes * 60)
  const backlog = fleet.waiting
  say(
    `  ${args.shops} agents come back with ${args.outageMinutes} min each: ${backlog.events} + ${backlog.samples} batches`,
  )
  meter.restart()
  const [begun, connectedAt] = [performance.now(), Date.now()]
  const passedMs = (): number => performance.now() - begun
  fleet.connect()
  fleet.startReading()
  let statesMs = Number.POSITIVE_INFINITY
  let reportMs = 0
  const hasCaughtUp = (): boolean => {
    if (statesMs === Number.POSITIVE_INFINITY && fleet.isAcknowledged('events', connectedAt)) statesMs = passedMs()
    const { events, samples } = fleet.waiting
    if (passedMs() - reportMs > REPORT_EVERY_MS) {
      reportMs = passedMs()
      const now = `${(reportMs / 1_000).toFixed(0)} s  ${fleet.connected} connected`
      say(`  ${now}, waiting ${events} + ${samples} batches  ${meter.line()}`)
    }
    // What is read now is always on its way.
    return fleet.isAcknowledged('samples', connectedAt) && samples < args.shops * 3
  }
  // It may take twice as long as it should, so that one sees by how much it failed.
  const allMs = await until('everybody has caught up', hasCaughtUp, { withinMs: 2_000 * args.allWithinS, everyMs: 250 })
    .then(passedMs)
    .catch(() => Number.POSITIVE_INFINITY)
  const factor = (args.outageMinutes * 60_000) / allMs
  const [broker, ingest] = [meter.memory('broker').peak.toFixed(0), meter.memory('ingest').peak.toFixed(0)]
  return {
    summary:
      `${args.shops} shops back at once after ${args.outageMinutes} min: states in ${seconds(statesMs)}, all in ${seconds(allMs)} ` +
      `(${factor.toFixed(1)} x real time), at most ${broker} MiB in the broker and ${ingest} in ingest, ${meter.line()}`,
    ...{ statesMs, allMs },
  }
}

const waitingOf = ({ waiting: { events, samples } }: Fleet): number => events + samples

const seconds = (ms: number): string =>
  Number.isFinite(ms) ? `${(ms / 1_000).toFixed(1)} s` : 'more than was waited for'
