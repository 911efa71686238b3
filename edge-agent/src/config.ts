import { Id, KIND_CODES, LIMITS } from '@nakama/contract'
import { BrokerAddress, HttpListen, Secret } from '@nakama/service'
import { type Static, Type } from 'typebox'
import { SHARING_LEVELS } from './sharing.ts'
import { AREAS, MAX_BITS, MAX_REGISTERS } from './sources/modbus/protocol.ts'
import { ENCODINGS, ORDERS, REGISTER_TYPES } from './sources/modbus/types.ts'
import { OPCUA_MODES, OPCUA_POLICIES } from './sources/opcua/security.ts'
import { LAMP_RULES, PRESET_NAMES } from './state/presets.ts'
import { RULE_NAMES } from './state/rules.ts'

const closed = { additionalProperties: false } as const

/** The names of signals as the contract allows them in `samples`. */
export const SignalName = Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_]{0,31}$' })

const Duration = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum })

/** How a machine is reached. Which settings belong to which `type`, see `SETTINGS_OF` in config-sense.ts. */
export const SourceConfig = Type.Object(
  {
    type: Type.Enum(['modbus-tcp', 'modbus-rtu', 'modbus-rtu-tcp', 'opcua']),
    /** One reading this often, milliseconds (default 1000). */
    pollMs: Type.Optional(Duration(100, 60_000)),
    host: Type.Optional(Type.String({ minLength: 1, maxLength: 253 })),
    /** Default 502. */
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    /** Modbus unit id (default 1). */
    unit: Type.Optional(Type.Integer({ minimum: 0, maximum: 255 })),
    /** For one request, milliseconds (default 1000). */
    timeoutMs: Type.Optional(Duration(50, 10_000)),
    /** Of the serial line: `/dev/serial/by-id/…`. */
    path: Type.Optional(Type.String({ pattern: '^/.', maxLength: 1_000 })),
    /** As the devices are set (default 19200, even, 1). */
    baudRate: Type.Optional(Type.Integer({ minimum: 300, maximum: 1_000_000 })),
    parity: Type.Optional(Type.Enum(['even', 'odd', 'none'])),
    stopBits: Type.Optional(Type.Enum([1, 2])),
    /** `own`: one connection for this unit alone, for devices that want it (default `shared`: one for each host and port). */
    connection: Type.Optional(Type.Enum(['shared', 'own'])),
    /** Silence between two requests, milliseconds (default 0; a serial line has its 3.5 characters). */
    pauseMs: Type.Optional(Duration(0, 1_000)),
    /** The part of the time that the bus may be busy for us (default 0.5). */
    dutyMax: Type.Optional(Type.Number({ minimum: 0.05, maximum: 1 })),
    /** For devices that take less than the specification says. */
    maxRegisters: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_REGISTERS })),
    maxBits: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_BITS })),
    /** So many unwanted registers, or eight times as many bits, are read to save a request (default 8). */
    maxHole: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_REGISTERS })),
    oneSignalPerRequest: Type.Optional(Type.Boolean()),
    endpoint: Type.Optional(Type.String({ pattern: '^opc\\.tcp://[^\\s/:]+(:[0-9]{1,5})?(/\\S*)?$' })),
    /** Publishing interval that is asked of the OPC UA server, milliseconds (default 500). */
    publishMs: Type.Optional(Duration(100, 10_000)),
    /** BrowseName or node id of the machine below which `path` and the presets for OPC UA look; default the server's only one. */
    machine: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
    /** Message security of OPC UA (default none). A mode alone takes the strongest policy that the server offers. */
    security: Type.Optional(
      Type.Union([
        Type.Enum([...OPCUA_MODES]),
        Type.Object(
          { mode: Type.Enum([...OPCUA_MODES]), policy: Type.Optional(Type.Enum([...OPCUA_POLICIES])) },
          closed,
        ),
      ]),
    ),
    /**
     * Which servers are trusted: `by-hand` those accepted by `nakama-agent trust` (the default), `first-use` the first
     * certificate that the endpoint shows, and no other after it.
     */
    trust: Type.Optional(Type.Enum(['by-hand', 'first-use'])),
    /** Who we are to an OPC UA server; default nobody. Files in PEM form. */
    identity: Type.Optional(
      Type.Union([
        Type.Object({ username: Type.String({ minLength: 1, maxLength: 100 }), password: Secret }, closed),
        Type.Object({ certificate: Type.String({ minLength: 1 }), key: Type.String({ minLength: 1 }) }, closed),
      ]),
    ),
  },
  closed,
)

/** Where a signal is found: `area` and `address` (zero-based) for Modbus, `node` or `path` for OPC UA. */
export const SignalConfig = Type.Object(
  {
    area: Type.Optional(Type.Enum([...AREAS])),
    address: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
    /** Default `bit` for coils and discrete inputs, `uint16` for registers. */
    type: Type.Optional(Type.Enum([...REGISTER_TYPES])),
    /** How its octets stand on the wire (default ABCD: the highest first). */
    order: Type.Optional(Type.Enum([...ORDERS])),
    /** Of a string: how many registers it takes, and how it is written (default `ascii`). */
    registers: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    encoding: Type.Optional(Type.Enum([...ENCODINGS])),
    /** Read less often than `pollMs`, of which it is a multiple; not for a signal that decides the state. */
    everyMs: Type.Optional(Duration(100, 3_600_000)),
    /** Which bit of the register, 0 the lowest, with `type: bit`. */
    bit: Type.Optional(Type.Integer({ minimum: 0, maximum: 15 })),
    /** `nsu=<namespace URI>;s=<identifier>`: the URI, because a server may number its namespaces anew. */
    node: Type.Optional(Type.String({ pattern: '^(nsu=[^;]+;)?[sigb]=.+$', maxLength: 500 })),
    /** Names from the machine's node on, such as `Monitoring/Spindle/Override`; `*` stands for any one name. */
    path: Type.Optional(Type.String({ pattern: '^[^/]+(/[^/]+)*$', maxLength: 500 })),
    /** value = raw × scale + offset. */
    scale: Type.Optional(Type.Number()),
    offset: Type.Optional(Type.Number()),
    /** For the reader only. */
    unit: Type.Optional(Type.String({ maxLength: 20 })),
  },
  closed,
)

/** See `Condition` in state/rules.ts. */
export const ConditionConfig = Type.Cyclic(
  {
    Condition: Type.Object(
      {
        signal: Type.Optional(SignalName),
        is: Type.Optional(Type.Union([Type.String({ maxLength: 200 }), Type.Number(), Type.Boolean()])),
        in: Type.Optional(
          Type.Array(Type.Union([Type.String({ maxLength: 200 }), Type.Number()]), { minItems: 1, maxItems: 100 }),
        ),
        above: Type.Optional(Type.Number()),
        below: Type.Optional(Type.Number()),
        any: Type.Optional(Type.Array(Type.Ref('Condition'), { minItems: 1, maxItems: 50 })),
        all: Type.Optional(Type.Array(Type.Ref('Condition'), { minItems: 1, maxItems: 50 })),
        not: Type.Optional(Type.Ref('Condition')),
      },
      closed,
    ),
  },
  'Condition',
)

const Conditions = Type.Optional(Type.Array(ConditionConfig, { maxItems: 50 }))
const Lamps = Type.Optional(
  Type.Array(Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_]{0,22}(-blinking)?$' }), { maxItems: 10 }),
)

export const RulesConfig = Type.Object(
  Object.fromEntries(RULE_NAMES.map(name => [name, Conditions])) as {
    [name in (typeof RULE_NAMES)[number]]: typeof Conditions
  },
  closed,
)

export const TimingConfig = Type.Object(
  {
    runningGapMs: Type.Optional(Duration(0, 3_600_000)),
    alarmAfterMs: Type.Optional(Duration(0, 3_600_000)),
    alarmClearedMs: Type.Optional(Duration(0, 3_600_000)),
    idleAfterMs: Type.Optional(Duration(0, 3_600_000)),
    doneAfterMs: Type.Optional(Duration(0, 3_600_000)),
    offlineAfterMs: Type.Optional(Duration(300, 3_600_000)),
  },
  closed,
)

/** A signal by its name is recorded with every reading; as an object, by exception. */
export const SampleConfig = Type.Union([
  SignalName,
  Type.Object(
    {
      signal: SignalName,
      /** Recorded when it differs by more than this from the value recorded before, in the signal's unit (default 0). */
      deadband: Type.Optional(Type.Number({ minimum: 0 })),
      /** The same in percent of the value recorded before (default 0); the larger one counts. */
      deadbandPercent: Type.Optional(Type.Number({ minimum: 0, maximum: 100 })),
      /** Not more often than this, milliseconds (default 0). */
      minIntervalMs: Type.Optional(Duration(0, 3_600_000)),
      /** And at least this often, changed or not, milliseconds (default 60000). */
      maxIntervalMs: Type.Optional(Duration(1_000, 3_600_000)),
    },
    closed,
  ),
])

export const MachineConfig = Type.Object(
  {
    id: Id,
    kind: Type.Enum(KIND_CODES),
    name: Type.String({ minLength: 1, maxLength: 80 }),
    source: SourceConfig,
    /** Beside those that a preset brings along. */
    signals: Type.Optional(Type.Record(SignalName, SignalConfig, closed)),
    /** Ready-made rules; several are joined. */
    presets: Type.Optional(Type.Array(Type.Enum([...PRESET_NAMES]), { minItems: 1, maxItems: 4 })),
    /** The machine's own rules; a state that is named here is decided by these alone, whatever a preset says. */
    rules: Type.Optional(RulesConfig),
    /** For `stack-light`: what each lamp means on this machine; a meaning not named keeps no lamp. */
    lamps: Type.Optional(
      Type.Object(
        Object.fromEntries(LAMP_RULES.map(name => [name, Lamps])) as {
          [name in (typeof LAMP_RULES)[number]]: typeof Lamps
        },
        closed,
      ),
    ),
    /** For `motor-current`. */
    motor: Type.Optional(
      Type.Object({ runningAboveA: Type.Number(), offBelowA: Type.Optional(Type.Number()) }, closed),
    ),
    /** The signal that counts finished parts. */
    counter: Type.Optional(SignalName),
    /** The signals that are recorded as numbers (with `telemetry: true`). */
    samples: Type.Optional(Type.Array(SampleConfig, { maxItems: LIMITS.samplesMaxSignals })),
    timing: Type.Optional(TimingConfig),
  },
  closed,
)

/** The configuration of one agent. Defaults are filled in by `resolveSettings`. */
export const AgentConfig = Type.Object(
  {
    shop: Id,
    agent: Id,
    /** Raised by whoever edits this file; the status shows it. */
    rev: Type.Optional(Type.Integer({ minimum: 0 })),
    broker: BrokerAddress,
    http: HttpListen,
    /** For the journal and everything else that must survive; relative to this file. */
    dataDir: Type.String({ minLength: 1 }),
    journal: Type.Optional(
      Type.Object(
        {
          /** Bound on the disk (default 1 GiB). */
          maxBytes: Type.Optional(Type.Integer({ minimum: 8 * 1024 * 1024, maximum: 1024 ** 4 })),
          /** So much of its file system is left to others (default 256 MiB, or a twentieth of a smaller one). */
          minFreeBytes: Type.Optional(Type.Integer({ minimum: 0, maximum: 1024 ** 4 })),
        },
        closed,
      ),
    ),
    clock: Type.Optional(
      Type.Object(
        {
          /** Who says whether the system's clock is right. Default: systemd-timesyncd or chrony where one runs, else always. */
          synchronised: Type.Optional(
            Type.Union([
              Type.Enum(['systemd', 'chrony', 'always']),
              /** Right once this file exists. */
              Type.Object({ file: Type.String({ minLength: 1 }) }, closed),
            ]),
          ),
          /** Without synchronisation for this long, milliseconds, the time is asked of ingest (default 120000). */
          askAfterMs: Type.Optional(Duration(0, 3_600_000)),
        },
        closed,
      ),
    ),
    board: Type.Optional(
      Type.Object(
        {
          /** Holds the serial number of the board, so that a card that was moved or copied is noticed. Default: a Raspberry Pi's. */
          serialFile: Type.Optional(Type.String({ minLength: 1 })),
        },
        closed,
      ),
    ),
    /** Who may see this shop's machines; `private` sends nothing about them. Default `availability`. */
    sharing: Type.Optional(Type.Enum([...SHARING_LEVELS])),
    /** Whether counts and samples leave the shop, for its own eyes. Default false. */
    telemetry: Type.Optional(Type.Boolean()),
    machines: Type.Array(MachineConfig, { minItems: 1, maxItems: LIMITS.machinesPerAgent }),
  },
  closed,
)

export type AgentConfig = Static<typeof AgentConfig>
export type MachineConfig = Static<typeof MachineConfig>
export type SourceConfig = Static<typeof SourceConfig>
export type SampleConfig = Static<typeof SampleConfig>
export type SignalConfig = Static<typeof SignalConfig>
export type TimingConfig = Static<typeof TimingConfig>
