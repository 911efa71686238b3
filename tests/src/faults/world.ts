import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { agentName, DEMO_TIMES, type DemoShop, FLEET, type Path, portOf, startPath } from '@nakama/demo'
import { MODELS } from '@nakama/simulators'
import { emptyFolder } from '../empty-folder.ts'
import { type MqttShuffler, startMqttShuffler } from '../mqtt-shuffler.ts'
import { seededRandom } from '../random.ts'
import { startTcpProxy, type TcpProxy } from '../tcp-proxy.ts'
import type { MachineEvidence } from './judge/evidence.ts'
import { createLedger, type Ledger } from './ledger.ts'
import { openPi, type Pi } from './pi/pi.ts'
import { mountSmallDisk, type SmallDisk } from './small-disk.ts'

/** The demo's path in a temporary folder, with everything in between that faults need to lay hands on. */
export interface World extends AsyncDisposable {
  readonly path: Path
  readonly ledger: Ledger
  /** Through which an agent, or ingest, reaches the broker. */
  cable(process: string): TcpProxy
  readonly shuffler: MqttShuffler
  /** Of an agent; undefined where disks cannot be mounted. */
  disk(agent: string): SmallDisk | undefined
  journalDir(agent: string): string
  /** What a process has said. */
  logFile(process: string): string
  /** What an agent runs on. */
  pi(agent: string): Pi
}

/** One shop of lathes that are polled over Modbus, one of machining centres that push over OPC UA. */
export const SHOPS = FLEET.slice(0, 2)
export const AGENTS = SHOPS.map(({ shop }) => agentName(shop))
export const TIMES = DEMO_TIMES

export const readingOf = ({ model }: DemoShop['machines'][number]): MachineEvidence['reading'] =>
  MODELS[model].protocol === 'opcua' ? 'stream' : 'each'

const AGENT_MAIN = join(import.meta.dirname, 'pi/main.ts')

/** Room for a few segments of the journal beyond what it needs at rest. */
const DISK_BYTES = 14 * 1024 * 1024
const READY_TIMEOUT_MS = 60_000
/** Per machine and simulated day: one drop-out of its network in four minutes. */
const DROP_OUTS_PER_DAY = 360
const NO_DROP_OUTS_FIRST_MS = 5_000

export interface WorldOptions {
  /** Of the machines, and of what is left to chance on the way to ingest. */
  readonly seed: number
  /** Folder for everything, kept; undefined for a temporary one, removed at the end. */
  readonly keep: string | undefined
}

export const startWorld = async ({ seed, keep }: WorldOptions): Promise<World> => {
  const stack = new AsyncDisposableStack()
  try {
    const folder =
      keep === undefined ? mkdtempSync(join(tmpdir(), 'nakama-faults-')) : emptyFolder('FAULTS_BAD_ARGUMENT', keep)
    if (keep === undefined) stack.defer(() => rmSync(folder, { recursive: true, force: true }))
    const disks = new Map<string, SmallDisk>()
    for (const agent of AGENTS) {
      const disk = mountSmallDisk(join(folder, 'data', agent), DISK_BYTES)
      if (disk === undefined) continue
      disks.set(agent, disk)
      stack.defer(() => disk.unmount())
    }
    // Where the broker listens is known once it does.
    const broker = { host: '127.0.0.1', port: 0 }
    const shuffler = await startMqttShuffler(broker, seededRandom(seed))
    stack.defer(() => shuffler.stop())
    const cables = new Map<string, TcpProxy>()
    for (const process of [...AGENTS, 'ingest']) {
      const cable = await startTcpProxy(process === 'ingest' ? { host: '127.0.0.1', port: shuffler.port } : broker)
      cables.set(process, cable)
      stack.defer(() => cable.stop())
    }
    const cable = (process: string): TcpProxy => cables.get(process) as TcpProxy
    const through = (process: string, brokerUrl: string): string => {
      broker.port = portOf(brokerUrl)
      return `mqtt://127.0.0.1:${cable(process).port}`
    }

    const pis = new Map(AGENTS.map(agent => [agent, openPi(join(folder, 'pi', agent))]))
    const pi = (agent: string): Pi => pis.get(agent) as Pi

    const ledger = createLedger(Date.now)
    const path = await startPath({
      folder,
      fleet: SHOPS,
      readyTimeoutMs: READY_TIMEOUT_MS,
      times: TIMES,
      simulation: { seed, faults: { fromMs: NO_DROP_OUTS_FIRST_MS, perDay: DROP_OUTS_PER_DAY } },
      brokerUrlFor: (shop, url) => through(agentName(shop), url),
      ingestBrokerUrl: url => through('ingest', url),
      agentMain: AGENT_MAIN,
      clockFileFor: shop => pi(agentName(shop)).clockFile,
      onEvent: ledger.heard,
    })
    stack.defer(() => path.stop())
    return {
      ...{ path, ledger, cable, shuffler, pi },
      disk: agent => disks.get(agent),
      logFile: process => join(folder, 'log', `${process}.log`),
      journalDir: agent => join(path.dataDir, agent, 'journal'),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}
