import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import {
  atMost,
  fromConfigDir,
  type RunningService,
  readSecret,
  type ServiceContext,
  startHealthServer,
} from '@nakama/service'
import packageJson from '../package.json' with { type: 'json' }
import { type AgentClock, openAgentClock } from './agent-clock.ts'
import { watchClock } from './clock.ts'
import type { AgentConfig } from './config.ts'
import { agentHealth, isWorking } from './health.ts'
import { type Host, readHost, synchronisedReader } from './host.ts'
import { openJournal } from './journal/journal.ts'
import { type MachineFacts, openMachines } from './machines.ts'
import { boardRoutes } from './page/board-routes.ts'
import { pageRoutes } from './page/routes.ts'
import { type MachineSettings, resolveSettings } from './settings.ts'
import { statusMachines } from './sharing.ts'
import { modbusSource } from './sources/modbus.ts'
import { type OpcuaFiles, opcuaSource } from './sources/opcua/opcua.ts'
import { pkiDirOf } from './sources/opcua/pki-dir.ts'
import { createSourceMetrics, type Source, type SourceContext } from './sources/source.ts'
import { openTaking } from './uplink/taking.ts'
import { startUplink } from './uplink/uplink.ts'

const TICK_MS = 1_000
const CLOCK_ASK_AFTER_MS = 2 * 60_000
const SOURCES_STOP_MAX_MS = 3_000

/**
 * The whole agent: machines → state → journal → broker, and its health page. It starts without a broker and without any
 * machine, and waits for neither; it cannot start without its folder.
 *
 * @param givenHost default: the system that it runs on.
 * @throws NakamaError when the folder or the journal in it cannot be used, or a secret is missing.
 */
export const startAgent = async (context: ServiceContext<AgentConfig>, givenHost?: Host): Promise<RunningService> => {
  const { config, configFile, log: bareLog, metrics, random } = context
  const { shop, agent } = config
  const log = bareLog.child({ shop, agent })
  const settings = resolveSettings(config)
  const dataDir = fromConfigDir(configFile, config.dataDir)
  const password = readSecret(config.broker.password, configFile)
  await mkdir(dataDir, { recursive: true })

  const monotonic = (): number => performance.now()
  let onClockStepped = (_byMs: number): void => {}
  const serialFile = config.board?.serialFile && fromConfigDir(configFile, config.board.serialFile)
  const host = givenHost ?? (await readHost(serialFile, random, log))
  const clock = await openAgentClock({
    sinceBootMs: host.sinceBootMs,
    wall: context.now,
    monotonic,
    isSynchronised: synchronisedReader(config.clock?.synchronised),
    askAfterMs: config.clock?.askAfterMs ?? CLOCK_ASK_AFTER_MS,
    log,
  })
  const { now } = watchClock(clock.now, monotonic, byMs => onClockStepped(byMs))
  const taking = await openTaking({ file: join(dataDir, 'taking.json'), now, log })
  const journal = await openJournal({
    dir: join(dataDir, 'journal'),
    maxBytes: settings.journalMaxBytes,
    minFreeBytes: settings.journalMinFreeBytes,
    boot: host.boot,
    boardSerial: host.boardSerial,
    ...{ now, random, log, metrics },
  })
  await clock.keepWith(journal)
  const { board, lastJournaled } = journal
  const { at: lastAt, byMachine } = lastJournaled
  const machines = openMachines({
    machines: settings.machines,
    sharing: settings.sharing,
    knownUntil: machine => byMachine.get(machine) ?? lastAt,
    append: record => journal.append(record),
    onStateChanged: () => uplink.statusChanged(),
    ...{ now, log },
  })
  const uplink = startUplink({
    ...{ shop, agent, journal, taking, now, monotonic, random, log, metrics },
    version: packageJson.version,
    mayConnect: board.settled,
    clock: askingClock(clock, journal.epoch),
    broker: { url: config.broker.url, username: config.broker.username, password },
    machines: () => statusMachines(settings.sharing, machines.status()),
    configRev: settings.configRev,
    onNewStore: () => machines.sayAgain(),
  })

  onClockStepped = machines.clockStepped
  metrics.gauge(
    'machines_clock_off',
    'Machines whose own clock is off by more than a minute',
    () => machines.explain().filter(({ clockAheadMs }) => clockAheadMs !== null).length,
  )
  metrics.gauge('machines_heard', 'Machines that are not OFFLINE', () => machines.facts().filter(isHeard).length)

  const aborter = new AbortController()
  const sources = sourcesFor(
    settings.machines,
    { pkiDir: pkiDirOf(dataDir), configFile },
    {
      sink: machines,
      metrics: createSourceMetrics(metrics),
      ...{ now, monotonic, random, log },
    },
  )
  const running = sources.map(source =>
    source.run(aborter.signal).catch(error => log.error({ err: error, code: 'SOURCE_DIED' }, 'source failed')),
  )
  let tickedAt = now()
  const ticker = setInterval(() => {
    tickedAt = now()
    machines.tick()
    const wasSynchronised = clock.synchronised
    void clock.look().then(() => {
      if (clock.synchronised !== wasSynchronised) uplink.statusChanged()
    })
  }, TICK_MS)

  const hosts = [hostname(), `${hostname()}.local`].map(name => name.toLowerCase())
  const boardPages = boardRoutes({ shop, agent, board, hosts, log, metrics })
  const statusPages = pageRoutes({
    facts: () => ({
      ...{ shop, agent, at: now(), version: packageJson.version, sharing: settings.sharing },
      broker: { connected: uplink.connected, lastAckAt: uplink.lastAckAt },
      journal: journal.stats(),
      isBoardMoved: board.isMoved,
      clockSynchronised: clock.synchronised,
      taking: taking.current,
      machines: machines.explain(),
    }),
    taking,
    hosts,
  })
  const health = await startHealthServer(
    config.http,
    () => {
      const { connected: brokerConnected, lastAckAt } = uplink
      return agentHealth(
        {
          machines: machines.facts(),
          brokerConnected,
          lastAckAt,
          journal: journal.stats(),
          disk: journal.disk,
          board,
          tickedAt,
        },
        now(),
      )
    },
    metrics,
    (request, response) => boardPages(request, response) || statusPages(request, response),
  )
  metrics.gauge('board_moved', '1 while the card is in another board and nothing is sent', () => Number(board.isMoved))
  if (board.isMoved) {
    const { serial: boardSerial, cardSerial } = board
    const toDo = `if it was moved, confirm at ${health.url}/board; if it was copied, enrol this agent anew`
    log.error(
      { boardSerial, cardSerial, code: 'BOARD_MOVED' },
      `the card is in another board and sends nothing: ${toDo}`,
    )
  }

  const stop = async (): Promise<void> => {
    aborter.abort()
    clearInterval(ticker)
    await Promise.all([atMost(SOURCES_STOP_MAX_MS, Promise.all(running)), uplink.stop()])
    // The last words of the machines go with the next start: what matters now is that they are on the card.
    machines.stop()
    await journal.close()
    await health.stop()
  }
  let stopping: Promise<void> | undefined
  return {
    addresses: { http: health.url },
    isWell: () => isWorking({ machines: machines.facts(), tickedAt }, now()),
    stop: () => {
      stopping ??= stop()
      return stopping
    },
  }
}

const askingClock = (clock: AgentClock, epoch: string) => ({
  epoch,
  get synchronised() {
    return clock.synchronised
  },
  get isAsking() {
    return clock.isAsking
  },
  hear: clock.hear,
})

const isHeard = ({ code }: MachineFacts): boolean => code !== 'OFFLINE'

const sourcesFor = (machines: readonly MachineSettings[], files: OpcuaFiles, context: SourceContext): Source[] => {
  const modbus = machines.flatMap(({ id, source }) => (source.type === 'opcua' ? [] : [{ id, source }]))
  const opcua = machines.flatMap(({ id, source }) => (source.type === 'opcua' ? [{ id, source }] : []))
  return [
    ...(modbus.length > 0 ? [modbusSource(modbus, context)] : []),
    ...(opcua.length > 0 ? [opcuaSource(opcua, files, context)] : []),
  ]
}
