import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pass } from 'node:timers/promises'
import { NakamaError } from '@nakama/contract'
import { type Usage, usageOf } from '../process-usage.ts'
import { seededRandom } from '../random.ts'
import { until } from '../until.ts'
import { type FleetArgs, parseFleetArgs, USAGE } from './args.ts'
import { createFleet, type Fleet } from './fleet.ts'
import { type FleetServer, startFleetServer } from './server.ts'

const say = (line: string): void => void process.stderr.write(`${line}\n`)
const MIB = 1024 * 1024
const PARTS = ['broker', 'ingest', 'coordinator'] as const
const REPORT_EVERY_MS = 5_000
/** How long the last readings may take to be acknowledged. */
const DRAIN_MAX_MS = 20 * 60_000

const run = async (args: FleetArgs): Promise<boolean> => {
  const folder = mkdtempSync(join(tmpdir(), 'nakama-fleet-'))
  let server: FleetServer | undefined
  let fleet: Fleet | undefined
  try {
    server = await startFleetServer(folder, args.shops, args.machines)
    fleet = createFleet({ server, ...args, random: seededRandom(args.seed) })
    return args.outageMinutes > 0 ? await comeBack(args, server, fleet) : await sendLive(args, server, fleet)
  } finally {
    await fleet?.stop()
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Live readings for a while; then everything must be acknowledged. */
const sendLive = async (args: FleetArgs, server: FleetServer, fleet: Fleet): Promise<boolean> => {
  await connect(args, fleet)
  fleet.startReading()
  const meter = createMeter(server)
  // Connecting and first words are not what is measured.
  await pass(REPORT_EVERY_MS)
  meter.restart()
  fleet.latencies.clear()
  const begun = { at: performance.now(), values: fleet.values }
  const rate = (): number => ((fleet.values - begun.values) * 1_000) / (performance.now() - begun.at)
  while (performance.now() - begun.at < args.seconds * 1_000) {
    await pass(Math.min(REPORT_EVERY_MS, args.seconds * 1_000))
    say(
      `  ${rate().toFixed(0)} values/s  ack p50 ${fleet.latencies.quantile(0.5)} p99 ${fleet.latencies.quantile(0.99)} ms  ${meter.line()}`,
    )
  }
  const [p50, p99] = [fleet.latencies.quantile(0.5), fleet.latencies.quantile(0.99)]
  const [perS, cost] = [rate(), meter.line()]
  fleet.stopReading()
  const isDrained = await drained(fleet)
  const lost = fleet.waiting.events + fleet.waiting.samples
  const scale = `${args.shops} shops, ${args.machines * args.shops} machines, ${perS.toFixed(0)} values/s`
  process.stdout.write(
    `fleet: ${scale}, append to ack p50 ${p50} ms, p99 ${p99} ms, ${cost}, ${lost} batches unacknowledged\n`,
  )
  return isDrained
}

/** Everybody at once, with the history of an outage; live readings go on meanwhile. */
const comeBack = async (args: FleetArgs, server: FleetServer, fleet: Fleet): Promise<boolean> => {
  fleet.collect(args.outageMinutes * 60)
  const backlog = fleet.waiting
  say(
    `  ${args.shops} agents come back with ${args.outageMinutes} min each: ${backlog.events} + ${backlog.samples} batches`,
  )
  const meter = createMeter(server)
  meter.restart()
  const begun = performance.now()
  fleet.connect()
  fleet.startReading()
  let statesMs: number | undefined
  let peakBytes = 0
  let reportAt = begun
  const isDone = await until(
    'everything is acknowledged',
    () => {
      peakBytes = Math.max(peakBytes, meter.rssBytes())
      const { events, samples } = fleet.waiting
      // What is read now is always on its way.
      if (statesMs === undefined && events < args.shops / 10) statesMs = performance.now() - begun
      if (performance.now() - reportAt > REPORT_EVERY_MS) {
        reportAt = performance.now()
        say(
          `  ${((reportAt - begun) / 1_000).toFixed(0)} s  ${fleet.connected} connected, waiting ${events} + ${samples} batches  ${meter.line()}`,
        )
      }
      return samples < args.shops * 3
    },
    { withinMs: DRAIN_MAX_MS, everyMs: 250 },
  ).catch(() => false)
  const allMs = performance.now() - begun
  const factor = (args.outageMinutes * 60_000) / allMs
  const seconds = (ms: number | undefined): string => (ms === undefined ? 'never' : `${(ms / 1_000).toFixed(0)} s`)
  const what = `${args.shops} shops back at once after ${args.outageMinutes} min`
  process.stdout.write(
    `fleet: ${what}: states in ${seconds(statesMs)}, all in ${seconds(allMs)} (${factor.toFixed(1)} x real time), ` +
      `peak ${(peakBytes / MIB).toFixed(0)} MiB in broker and ingest, ${meter.line()}\n`,
  )
  return isDone !== false
}

const connect = async (args: FleetArgs, fleet: Fleet): Promise<void> => {
  const begun = performance.now()
  fleet.connect()
  await until('every agent is connected', () => fleet.connected === args.shops, { withinMs: 60_000 })
  say(`  ${args.shops} agents connected in ${((performance.now() - begun) / 1_000).toFixed(1)} s`)
}

const drained = (fleet: Fleet): Promise<boolean> =>
  until('everything is acknowledged', () => fleet.waiting.events + fleet.waiting.samples === 0, {
    withinMs: DRAIN_MAX_MS,
  })
    .then(() => true)
    .catch(() => false)

/** What the server's processes and this one cost since `restart`. */
const createMeter = (server: FleetServer) => {
  const pids = { ...Object.fromEntries(PARTS.map(name => [name, server.pid(name)])), fleet: process.pid }
  let begun = performance.now()
  let before = new Map<string, Usage>()
  const restart = (): void => {
    begun = performance.now()
    before = new Map(Object.entries(pids).map(([name, pid]) => [name, usageOf(pid)]))
  }
  restart()
  return {
    restart,
    line: () =>
      Object.entries(pids)
        .map(([name, pid]) => {
          const { cpuMs, rssBytes } = usageOf(pid)
          const share = (cpuMs - (before.get(name)?.cpuMs ?? 0)) / (performance.now() - begun)
          return `${name} ${(share * 100).toFixed(0)} % ${(rssBytes / MIB).toFixed(0)} MiB`
        })
        .join(', '),
    rssBytes: () => usageOf(server.pid('broker')).rssBytes + usageOf(server.pid('ingest')).rssBytes,
  }
}

try {
  const args = parseFleetArgs(process.argv.slice(2))
  if (args.help) process.stdout.write(USAGE)
  else if (!(await run(args))) process.exitCode = 1
} catch (error) {
  if (!(error instanceof NakamaError)) throw error
  say(`${error.code}: ${error.message}`)
  process.exitCode = 2
}
