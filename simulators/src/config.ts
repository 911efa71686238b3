import { Id, type Problem } from '@nakama/contract'
import { HttpListen } from '@nakama/service'
import { type Static, Type } from 'typebox'
import { MODEL_NAMES, MODELS } from './catalogue.ts'

const closed = { additionalProperties: false } as const

const Port = Type.Integer({ minimum: 0, maximum: 65_535 })
const Model = Type.Enum([...MODEL_NAMES])
const Time = Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,3})?(Z|[+-]\\d\\d:\\d\\d)$' })

/** One machine, behind a port of its own. */
export const ModbusServerConfig = Type.Object(
  {
    protocol: Type.Literal('modbus-tcp'),
    port: Port,
    /** The only unit that answers (default 1). */
    unit: Type.Optional(Type.Integer({ minimum: 0, maximum: 255 })),
    shop: Id,
    machine: Id,
    model: Model,
  },
  closed,
)

/** All the OPC UA machines of one shop, behind one endpoint. */
export const OpcuaServerConfig = Type.Object(
  {
    protocol: Type.Literal('opcua'),
    port: Port,
    shop: Id,
    machines: Type.Array(Type.Object({ machine: Id, model: Model }, closed), { minItems: 1, maxItems: 20 }),
  },
  closed,
)

/** The configuration of one process of simulated machines. Relative paths are relative to its file. */
export const SimulatorsConfig = Type.Object(
  {
    /** The same seed gives the same machines, to the millisecond of simulated time. */
    seed: Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 }),
    /** Simulated time runs so many times faster than the clock (default 1). */
    speed: Type.Optional(Type.Number({ minimum: 1, maximum: 300 })),
    /** Simulated time at the start, RFC 3339 (default `DEFAULT_START`). */
    start: Type.Optional(Time),
    /** When that was by the real clock (default: now). A restarted process that is given the same goes on where it would be. */
    startAt: Type.Optional(Time),
    /** Drop-outs of machines' network interfaces. */
    faults: Type.Optional(
      Type.Object(
        {
          /** Real milliseconds after the start before which there are none (default 120000). */
          fromMs: Type.Optional(Type.Integer({ minimum: 0 })),
          /** Per machine and simulated day, on average (default 24); 0 for none. */
          perDay: Type.Optional(Type.Number({ minimum: 0, maximum: 2_000 })),
        },
        closed,
      ),
    ),
    /** Folder for `<shop>-<machine>.ndjson`: what each machine truly did. */
    truthDir: Type.String({ minLength: 1 }),
    /** Folder for `<shop>-<machine>.ndjson`: every tick that was given to a reader. Without it there is no such log. */
    servedDir: Type.Optional(Type.String({ minLength: 1 })),
    /** Folder for the key of the OPC UA servers, made when it is not there (default `.pki` in `truthDir`). */
    pkiDir: Type.Optional(Type.String({ minLength: 1 })),
    /** Per machine and log (default 64 MiB); the older half goes when it is reached. */
    logMaxBytes: Type.Optional(Type.Integer({ minimum: 4_096, maximum: 1024 ** 3 })),
    /** Where the machines listen (default 127.0.0.1). */
    host: Type.Optional(Type.String({ minLength: 1, maxLength: 253 })),
    /** Health, metrics, and the control of machines: whoever reaches it can stop them. */
    http: HttpListen,
    servers: Type.Array(Type.Union([ModbusServerConfig, OpcuaServerConfig]), { minItems: 1, maxItems: 200 }),
  },
  closed,
)

export type SimulatorsConfig = Static<typeof SimulatorsConfig>
export type ServerConfig = SimulatorsConfig['servers'][number]

/** A Tuesday on which the shops are at work, after the ten o'clock break. */
export const DEFAULT_START = '2026-03-03T10:20:00+09:00'

/** A machine and where it stands. */
export interface MachineEntry {
  readonly shop: string
  readonly machine: string
  readonly model: (typeof MODEL_NAMES)[number]
}

export const machinesOf = (server: ServerConfig): MachineEntry[] =>
  server.protocol === 'opcua'
    ? server.machines.map(({ machine, model }) => ({ shop: server.shop, machine, model }))
    : [{ shop: server.shop, machine: server.machine, model: server.model }]

/** The key under which a running process tells a server's real address. */
export const serverName = (server: ServerConfig): string =>
  server.protocol === 'opcua' ? `opcua:${server.shop}` : `modbus:${server.shop}/${server.machine}`

const LOOPBACK = ['127.0.0.1', '::1', 'localhost']

/** What a schema cannot say of the configuration. */
export const checkSimulatorsConfig = ({ servers, start, startAt, http }: SimulatorsConfig): Problem[] => [
  ...(LOOPBACK.includes(http.host)
    ? []
    : [
        {
          path: 'http.host',
          expected: 'a loopback address, since whoever reaches it can stop machines',
          got: JSON.stringify(http.host),
        },
      ]),
  ...Object.entries({ start, startAt })
    .filter(([, time]) => time !== undefined && Number.isNaN(Date.parse(time)))
    .map(([path, time]) => ({ path, expected: 'a time that exists', got: JSON.stringify(time) })),
  ...twins(servers.map(serverName)).map(index => ({
    path: `servers.${index}`,
    expected: 'one server per shop and protocol, or machine',
    got: `a second ${serverName(servers[index] as ServerConfig)}`,
  })),
  ...servers.flatMap((server, index) =>
    machinesOf(server)
      .filter(({ model }) => MODELS[model].protocol !== server.protocol)
      .map(({ model }) => ({
        path: `servers.${index}`,
        expected: `a model that speaks ${server.protocol}`,
        got: model,
      })),
  ),
  ...twins(servers.flatMap(machinesOf).map(logName)).map(index => ({
    path: 'servers',
    expected: 'machines whose log files have names of their own',
    got: `a second ${logName(servers.flatMap(machinesOf)[index] as MachineEntry)}`,
  })),
]

/** The name of a machine's file in `truthDir` and `servedDir`. */
export const logName = ({ shop, machine }: { readonly shop: string; readonly machine: string }): string =>
  `${shop}-${machine}.ndjson`

const twins = (names: readonly string[]): number[] =>
  [...names.keys()].filter(index => names.indexOf(names[index] as string) < index)
