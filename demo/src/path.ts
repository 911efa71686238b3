import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type AgentTimes,
  agentConfig,
  brokerConfig,
  coordinatorConfig,
  ingestConfig,
  passwordFile,
  type SimulationOptions,
  simulatorsConfig,
  usernames,
} from './configs.ts'
import { type DemoShop, FLEET } from './fleet.ts'
import {
  type Addresses,
  type ProcessSpec,
  type Supervisor,
  type SupervisorOptions,
  superviseProcesses,
} from './supervisor.ts'

export interface PathOptions extends Pick<SupervisorOptions, 'onEvent' | 'readyTimeoutMs'> {
  /** For configurations, logs and everything that the processes keep. */
  readonly folder: string
  readonly fleet?: readonly DemoShop[]
  /** 0: any free one. */
  readonly httpPort?: number
  readonly mqttPort?: number
  readonly simulation?: Partial<SimulationOptions>
  readonly times?: Partial<AgentTimes>
  /** Bound on the disk of each agent's journal. */
  readonly journalMaxBytes?: number
  /** By which address a shop's agent reaches the broker, when not directly: for a cable with a switch in between. */
  readonly brokerUrlFor?: (shop: string, brokerUrl: string) => string
  /** The same for ingest. */
  readonly ingestBrokerUrl?: (brokerUrl: string) => string
  /** The `main.ts` that runs as an agent, when it is not the agent's own. */
  readonly agentMain?: string
  /** For a shop's agent: the file that is there once the clock is right. Without it the agent finds out as it does by default. */
  readonly clockFileFor?: (shop: string) => string
}

export interface Path extends Supervisor {
  readonly fleet: readonly DemoShop[]
  readonly dataDir: string
  /** Of the board and the API. */
  readonly url: string
}

/** Short waiting times, so that a visitor sees a machine become free within half a minute. */
export const DEMO_TIMES: AgentTimes = { pollMs: 1_000, timing: { idleAfterMs: 20_000 } }

const POLL_MIN_MS = 100

/** The demo's waiting times for simulated time that runs so many times faster. */
export const timesAt = (speed: number): AgentTimes => {
  if (speed === 1) return DEMO_TIMES
  const pollMs = Math.max(POLL_MIN_MS, Math.round(DEMO_TIMES.pollMs / speed))
  const waits = {
    runningGapMs: 10_000,
    alarmAfterMs: 2_000,
    alarmClearedMs: 5_000,
    doneAfterMs: 10_000,
    ...DEMO_TIMES.timing,
  }
  const timing = Object.fromEntries(Object.entries(waits).map(([name, ms]) => [name, Math.round(ms / speed)]))
  return { pollMs, timing: { ...timing, offlineAfterMs: Math.max(3 * pollMs, Math.round(30_000 / speed)) } }
}

/**
 * Starts the whole path, each part a process of its own: machines, their agents, broker, ingest, coordinator.
 *
 * @throws NakamaError `DEMO_START_FAILED`; then nothing is left running.
 */
export const startPath = async (options: PathOptions): Promise<Path> => {
  const { folder, fleet = FLEET } = options
  const dataDir = join(folder, 'data')
  mkdirSync(join(folder, 'config'), { recursive: true })
  mkdirSync(dataDir, { recursive: true })
  for (const username of usernames(fleet)) {
    writeFileSync(join(folder, 'config', passwordFile(username)), randomBytes(24).toString('base64url'), {
      mode: 0o600,
    })
  }
  const supervisor = await superviseProcesses(specsOf(options, fleet, dataDir), {
    folder,
    ...(options.onEvent === undefined ? {} : { onEvent: options.onEvent }),
    ...(options.readyTimeoutMs === undefined ? {} : { readyTimeoutMs: options.readyTimeoutMs }),
  })
  return Object.assign(supervisor, { fleet, dataDir, url: supervisor.addresses('coordinator').http as string })
}

/** Halves the memory that loading OPC UA takes at first; a Pi has none to spare. */
const SMALL = ['--max-semi-space-size=1']

/** Under load it would otherwise hold three times as much for what is young, and never give it back. */
const MODEST = ['--max-semi-space-size=16']

export const agentName = (shop: string): string => `agent-${shop}`

const specsOf = (options: PathOptions, fleet: readonly DemoShop[], dataDir: string): ProcessSpec[] => {
  const simulation: SimulationOptions = {
    seed: 1,
    speed: 1,
    startAt: new Date().toISOString(),
    faults: {},
    ...options.simulation,
  }
  const times = { ...DEMO_TIMES, ...options.times }
  const mqtt = (of: (name: string) => Addresses): string => of('broker').mqtt as string
  return [
    {
      ...{ name: 'simulators', main: mainOf('simulators'), nodeFlags: SMALL, needs: [] },
      config: (_of, own) => simulatorsConfig(fleet, dataDir, simulation, own),
    },
    {
      ...{ name: 'broker', main: mainOf('broker'), needs: [] },
      config: (_of, own) => brokerConfig(fleet, options.mqttPort ?? 0, own),
    },
    {
      ...{ name: 'ingest', main: mainOf('ingest'), nodeFlags: MODEST, needs: ['broker'] },
      config: (of, own) => ingestConfig((options.ingestBrokerUrl ?? (url => url))(mqtt(of)), dataDir, own),
    },
    {
      ...{ name: 'coordinator', main: mainOf('coordinator'), needs: ['broker'] },
      config: (of, own) =>
        coordinatorConfig(fleet, { brokerUrl: mqtt(of), dataDir, httpPort: options.httpPort ?? 0 }, own),
    },
    ...fleet.map((shop): ProcessSpec => {
      const brokerUrlFor = options.brokerUrlFor ?? ((_shop, url) => url)
      return {
        ...{
          name: agentName(shop.shop),
          main: options.agentMain ?? mainOf('edge-agent'),
          nodeFlags: SMALL,
          needs: ['broker', 'simulators'],
        },
        config: (of, own) => {
          const brokerUrl = brokerUrlFor(shop.shop, mqtt(of))
          const clockFile = options.clockFileFor?.(shop.shop)
          const where = { brokerUrl, dataDir, simulators: of('simulators'), clockFile }
          return agentConfig(shop, where, times, own, options.journalMaxBytes)
        },
      }
    }),
  ]
}

const mainOf = (room: string): string => fileURLToPath(new URL(`../../${room}/src/main.ts`, import.meta.url))
