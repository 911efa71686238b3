import { MODELS, type SimulatorsConfig, serverName, signalsOf } from '@nakama/simulators'
import { type DemoMachine, type DemoShop, registerOf } from './fleet.ts'
import type { Addresses } from './supervisor.ts'

/** Everybody's configuration, as an installer would write it: pure functions from the fleet and from who listens where. */

const LOOPBACK = '127.0.0.1'

/** Any free port the first time; a process that is started again is found where it was. */
const listen = (own: Addresses | undefined, protocol: string, wanted = 0) => {
  const address = own?.[protocol]
  return { host: LOOPBACK, port: address === undefined ? wanted : portOf(address) }
}

export const portOf = (address: string): number => Number(new URL(address).port)

export const usernameOf = ({ shop, agent }: Pick<DemoShop, 'shop' | 'agent'>): string => `agent:${shop}:${agent}`
export const INGEST = 'ingest:main'
export const COORDINATOR = 'coordinator:main'
/** Everybody who may connect to the broker. */
export const usernames = (fleet: readonly DemoShop[]): string[] => [INGEST, COORDINATOR, ...fleet.map(usernameOf)]

/** Name of the file, in the folder of the configurations, that holds a password. */
export const passwordFile = (username: string): string => `${username.replaceAll(':', '.')}.password`
const password = (username: string) => ({ file: passwordFile(username) })

const brokerAccess = (url: string, username: string) => ({ url, username, password: password(username) })

export const brokerConfig = (fleet: readonly DemoShop[], mqttPort: number, own: Addresses | undefined) => ({
  listen: listen(own, 'mqtt', mqttPort),
  http: listen(own, 'http'),
  credentials: usernames(fleet).map(username => ({ username, password: password(username) })),
})

export const ingestConfig = (brokerUrl: string, dataDir: string, own: Addresses | undefined) => ({
  id: 'main',
  broker: brokerAccess(brokerUrl, INGEST),
  http: listen(own, 'http'),
  dataDir: `${dataDir}/ingest`,
  store: { type: 'embedded', file: storeFile(dataDir) },
})

export const storeFile = (dataDir: string): string => `${dataDir}/nakama.db`

export const coordinatorConfig = (
  fleet: readonly DemoShop[],
  { brokerUrl, dataDir, httpPort }: { readonly brokerUrl: string; readonly dataDir: string; readonly httpPort: number },
  own: Addresses | undefined,
) => ({
  id: 'main',
  broker: brokerAccess(brokerUrl, COORDINATOR),
  http: listen(own, 'http', httpPort),
  dataDir: `${dataDir}/coordinator`,
  store: { type: 'embedded', file: storeFile(dataDir) },
  register: registerOf(fleet),
})

export interface SimulationOptions {
  readonly seed: number
  /** Simulated time runs so many times faster than the clock. */
  readonly speed: number
  readonly startAt: string
  readonly faults: NonNullable<SimulatorsConfig['faults']>
}

export const simulatorsConfig = (
  fleet: readonly DemoShop[],
  dataDir: string,
  simulation: SimulationOptions,
  own: Addresses | undefined,
): SimulatorsConfig => {
  const port = (name: string): number => listen(own, name).port
  return {
    ...simulation,
    truthDir: `${dataDir}/truth`,
    servedDir: `${dataDir}/served`,
    host: LOOPBACK,
    http: listen(own, 'http'),
    servers: fleet.flatMap(serversOf).map(server => ({ ...server, port: port(serverName(server)) })),
  }
}

const serversOf = ({ shop, machines }: DemoShop): SimulatorsConfig['servers'] => {
  const opcua = machines.filter(isOpcua)
  return [
    ...machines
      .filter(each => !isOpcua(each))
      .map(({ machine, model }) => ({ protocol: 'modbus-tcp' as const, port: 0, shop, machine, model })),
    ...(opcua.length === 0
      ? []
      : [
          {
            ...{ protocol: 'opcua' as const, port: 0, shop },
            machines: opcua.map(({ machine, model }) => ({ machine, model })),
          },
        ]),
  ]
}

const isOpcua = ({ model }: DemoMachine): boolean => MODELS[model].protocol === 'opcua'

/** Waiting times of the state rules and of polling, milliseconds; what is absent is the agent's default. */
export interface AgentTimes {
  readonly pollMs: number
  readonly timing: { readonly [name: string]: number }
}

const JOURNAL_MAX_BYTES = 64 * 1024 * 1024

export const agentConfig = (
  { shop, agent, machines }: DemoShop,
  where: {
    readonly brokerUrl: string
    readonly dataDir: string
    readonly simulators: Addresses
    readonly clockFile?: string | undefined
  },
  times: AgentTimes,
  own: Addresses | undefined,
  journalMaxBytes = JOURNAL_MAX_BYTES,
) => ({
  shop,
  agent,
  broker: brokerAccess(where.brokerUrl, usernameOf({ shop, agent })),
  http: listen(own, 'http'),
  dataDir: `${where.dataDir}/agent-${shop}`,
  journal: { maxBytes: journalMaxBytes },
  sharing: 'named',
  telemetry: true,
  ...(where.clockFile === undefined ? {} : { clock: { synchronised: { file: where.clockFile } } }),
  machines: machines.map(each => machineConfig(shop, each, where.simulators, times)),
})

const machineConfig = (shop: string, each: DemoMachine, simulators: Addresses, { pollMs, timing }: AgentTimes) => {
  const { machine, model, name } = each
  const { kind, protocol, presets, lamps, motor, signals } = MODELS[model]
  const counter = signals.find(({ role }) => role === 'counter')?.name
  // The current decides the state of some machines and is worth recording of all.
  const samples = signals.filter(({ role, name }) => role === 'sample' || role === 'tick' || name === 'motorCurrent')
  const address = simulators[protocol === 'opcua' ? `opcua:${shop}` : `modbus:${shop}/${machine}`] as string
  return {
    ...{ id: machine, kind, name },
    source:
      protocol === 'opcua'
        ? { type: 'opcua', endpoint: address, pollMs, publishMs: Math.max(100, Math.round(pollMs / 2)) }
        : { type: 'modbus-tcp', host: LOOPBACK, port: portOf(address), pollMs },
    signals: signalsOf({ shop, machine, model }),
    presets: [...presets],
    ...(lamps === undefined ? {} : { lamps }),
    ...(motor === undefined ? {} : { motor }),
    ...(counter === undefined ? {} : { counter }),
    samples: samples.map(signal => signal.name),
    timing,
  }
}
