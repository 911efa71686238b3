import { join } from 'node:path'
import { fromConfigDir, type RunningService, type ServiceContext, startHealthServer } from '@nakama/service'
import { createClock } from './clock.ts'
import { DEFAULT_START, type SimulatorsConfig } from './config.ts'
import { controlRoutes } from './control.ts'
import { openFloor } from './floor.ts'
import { openServers } from './servers.ts'

/** How often time passes for machines that nobody reads, and logs are written. */
const PULSE_MS = 50
const DROP_OUTS_FROM_MS = 120_000
const DROP_OUTS_PER_DAY = 24

/** Starts every machine of the configuration, its server and its logs. */
export const startSimulators = async (context: ServiceContext<SimulatorsConfig>): Promise<RunningService> => {
  const { config, configFile, log, metrics } = context
  const startedAt = context.now()
  const start = Date.parse(config.start ?? DEFAULT_START)
  const startAt = config.startAt === undefined ? startedAt : Date.parse(config.startAt)
  const speed = config.speed ?? 1
  const clock = createClock({ start, startAt, speed, now: startedAt, monotonic: () => performance.now() })
  const truthDir = fromConfigDir(configFile, config.truthDir)
  const ticks = metrics.counter('ticks_served', 'Ticks given to readers', ['shop', 'machine'])
  const floor = openFloor(config, {
    clock,
    units: {
      seed: config.seed,
      start,
      dropOutsPerDay: config.faults?.perDay ?? DROP_OUTS_PER_DAY,
      dropOutsFrom: start + clock.toSimMs(config.faults?.fromMs ?? DROP_OUTS_FROM_MS),
    },
    present: Math.floor(start + (startedAt - startAt) * speed),
    truthDir,
    servedDir: config.servedDir === undefined ? undefined : fromConfigDir(configFile, config.servedDir),
    onServed: ({ shop, machine }) => ticks.inc({ shop, machine }),
  })
  const { machines } = floor
  const pkiDir = config.pkiDir === undefined ? join(truthDir, '.pki') : fromConfigDir(configFile, config.pkiDir)
  const servers = await openServers(config, machines, pkiDir, log)
  // Whoever is told that it runs may look into its logs.
  await floor.flush()
  const connections = (): number => servers.reduce((sum, server) => sum + server.connections, 0)
  const reachable = (): number => machines.filter(machine => machine.view().reachable).length
  metrics.gauge('connections', 'Open connections to machines', connections)
  metrics.gauge('machines_reachable', 'Machines that answer', reachable)

  const pulse = (): void => {
    floor.advance()
    for (const server of servers) server.applyOutage()
    void floor.flush()
  }
  const timer = setInterval(pulse, PULSE_MS)

  const health = () => ({
    ok: floor.logFailure() === undefined,
    ready: true,
    details: {
      simulatedTime: new Date(clock.sim()).toISOString(),
      speed,
      machines: machines.length,
      reachable: reachable(),
      connections: connections(),
      logFailure: floor.logFailure() ?? null,
      rssBytes: process.memoryUsage.rss(),
    },
  })
  const http = await startHealthServer(config.http, health, metrics, controlRoutes(machines, pulse))

  let stopping: Promise<void> | undefined
  return {
    addresses: { http: http.url, ...Object.fromEntries(servers.map(({ name, address }) => [name, address])) },
    stop() {
      stopping ??= (async () => {
        clearInterval(timer)
        await Promise.all([http.stop(), ...servers.map(server => server.stop())])
        floor.close()
        await floor.flush()
      })()
      return stopping
    },
  }
}
