import { Id, NakamaError, type Problem } from '@nakama/contract'
import { BrokerAddress, fromConfigDir, isLoopback, loadConfig } from '@nakama/service'
import { type Static, Type } from 'typebox'
import { Register, registerSense } from './register.ts'

const Http = Type.Object(
  {
    host: Type.String({ minLength: 1 }),
    port: Type.Integer({ minimum: 0, maximum: 65_535 }),
    /** Nobody has to log in yet; so whoever listens beyond this machine must say that this is meant. */
    allowUnauthenticated: Type.Optional(Type.Boolean()),
    /** Names under which a reverse proxy hands requests on, besides this machine's own. */
    hosts: Type.Optional(Type.Array(Type.String({ pattern: '^[a-z0-9.-]{1,253}$' }), { maxItems: 16 })),
    /** Per client address; 6,000 unless told. */
    requestsPerMinuteMax: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    /** Boards that are open at the same time; 200 unless told. */
    viewersMax: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
  },
  { additionalProperties: false },
)

export const CoordinatorConfig = Type.Object(
  {
    id: Id,
    broker: BrokerAddress,
    http: Http,
    /** What the coordinator itself must remember: which 受ける / 休む it asked for. Made when it is not there. */
    dataDir: Type.String({ minLength: 1 }),
    store: Type.Object(
      { type: Type.Literal('embedded'), file: Type.String({ minLength: 1 }) },
      { additionalProperties: false },
    ),
    /** The shops, here or (`registerFile`) in a file of their own. */
    register: Type.Optional(Register),
    registerFile: Type.Optional(Type.String({ minLength: 1 })),
  },
  { additionalProperties: false },
)

export type CoordinatorConfig = Static<typeof CoordinatorConfig>

/** What the schema cannot say of a configuration. */
export const coordinatorSense = (config: CoordinatorConfig): Problem[] => {
  const problems: Problem[] = []
  const { register, registerFile, http } = config
  if ((register === undefined) === (registerFile === undefined)) {
    const got = register === undefined ? 'neither' : 'both'
    problems.push({ path: 'register', expected: 'either register or registerFile', got })
  }
  if (!isLoopback(http.host) && http.allowUnauthenticated !== true) {
    problems.push({
      path: 'http.host',
      expected: 'a loopback address such as 127.0.0.1, or http.allowUnauthenticated: true because nobody has to log in',
      got: JSON.stringify(http.host),
    })
  }
  return [...problems, ...registerSense(register ?? [], 'register')]
}

/** @throws NakamaError as `loadConfig` does, when the register has a file of its own. */
export const readRegister = (config: CoordinatorConfig, configFile: string): Register => {
  if (config.register !== undefined) return config.register
  if (config.registerFile === undefined) {
    throw new NakamaError('CONFIG_INVALID', `${configFile}: register: expected either register or registerFile`)
  }
  return loadConfig(fromConfigDir(configFile, config.registerFile), Register, register => registerSense(register))
}
