import type { Problem } from '@nakama/contract'
import { fromConfigDir, HttpListen, loadConfig, readSecret, Secret } from '@nakama/service'
import { type Static, Type } from 'typebox'
import { LimitsConfig, limitsOf } from './limits.ts'
import { HASH_PATTERN, type StoredPassword } from './passwords.ts'
import { principalOf } from './rules.ts'

/** The name says who it is: `agent:<shop>:<agent>`, `ingest:<id>` or `coordinator:<id>`. */
export const Credential = Type.Object(
  {
    username: Type.String({ minLength: 1, maxLength: 100 }),
    password: Type.Union([
      ...Secret.anyOf,
      Type.Object({ scrypt: Type.String({ pattern: HASH_PATTERN }) }, { additionalProperties: false }),
    ]),
  },
  { additionalProperties: false },
)
export type Credential = Static<typeof Credential>

export const Credentials = Type.Array(Credential, { maxItems: 20_000 })

export const BrokerConfig = Type.Object(
  {
    /** Where MQTT clients connect. Port 0 takes any free one. */
    listen: HttpListen,
    http: HttpListen,
    /** Who may connect, here or (`credentialsFile`, a list as this one) in a file of their own. */
    credentials: Type.Optional(Credentials),
    credentialsFile: Type.Optional(Type.String({ minLength: 1 })),
    limits: Type.Optional(LimitsConfig),
  },
  { additionalProperties: false },
)
export type BrokerConfig = Static<typeof BrokerConfig>

/** What the schema cannot say of a configuration. */
export const brokerSense = (config: BrokerConfig): Problem[] => {
  const problems: Problem[] = []
  const { credentials, credentialsFile } = config
  if ((credentials === undefined) === (credentialsFile === undefined)) {
    const got = credentials === undefined ? 'neither' : 'both'
    problems.push({ path: 'credentials', expected: 'either credentials or credentialsFile', got })
  }
  const limits = limitsOf(config.limits)
  for (const name of ['agentOutgoingMaxBytes', 'serviceOutgoingMaxBytes'] as const) {
    if (limits[name] < limits.packetMaxBytes) {
      const expected = `at least packetMaxBytes=${limits.packetMaxBytes}`
      problems.push({ path: `limits.${name}`, expected, got: String(limits[name]) })
    }
  }
  return [...problems, ...credentialsSense(credentials ?? [], 'credentials.')]
}

/**
 * Everybody who may connect, with passwords read from where the configuration names them.
 *
 * @throws NakamaError as `loadConfig` and `readSecret` do.
 */
export const readCredentials = (config: BrokerConfig, configFile: string): Map<string, StoredPassword> => {
  const file = config.credentialsFile === undefined ? configFile : fromConfigDir(configFile, config.credentialsFile)
  const credentials =
    config.credentialsFile === undefined
      ? (config.credentials ?? [])
      : loadConfig(file, Credentials, list => credentialsSense(list, ''))
  return new Map(
    credentials.map(({ username, password }) => [
      username,
      'scrypt' in password ? { hash: password.scrypt } : { plain: readSecret(password, file) },
    ]),
  )
}

const credentialsSense = (credentials: readonly Credential[], prefix: string): Problem[] => {
  const problems: Problem[] = []
  const seen = new Set<string>()
  credentials.forEach(({ username }, index) => {
    const path = `${prefix}${index}.username`
    const got = JSON.stringify(username)
    if (principalOf(username) === undefined) {
      problems.push({ path, expected: 'agent:<shop>:<agent>, ingest:<id> or coordinator:<id>', got })
    }
    if (seen.has(username)) problems.push({ path, expected: 'each name once', got })
    seen.add(username)
  })
  return problems
}
