import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { formatProblem, messageOf, NakamaError, type Problem, validator } from '@nakama/contract'
import { type Static, type TSchema, Type } from 'typebox'
import { parseDocument } from 'yaml'

/** A secret is never written into a configuration: it is named there, and read from a file or from the environment. */
export const Secret = Type.Union([
  Type.Object({ file: Type.String({ minLength: 1 }) }, { additionalProperties: false }),
  Type.Object({ env: Type.String({ minLength: 1 }) }, { additionalProperties: false }),
])
export type Secret = Static<typeof Secret>

/** Where a service answers /healthz, /readyz and /metrics. Port 0 takes any free one. */
export const HttpListen = Type.Object(
  { host: Type.String({ minLength: 1 }), port: Type.Integer({ minimum: 0, maximum: 65_535 }) },
  { additionalProperties: false },
)
export type HttpListen = Static<typeof HttpListen>

/** How a service reaches the broker. */
export const BrokerAddress = Type.Object(
  {
    url: Type.String({ pattern: '^mqtts?://[^/]+$' }),
    username: Type.String({ minLength: 1, maxLength: 100 }),
    password: Secret,
  },
  { additionalProperties: false },
)
export type BrokerAddress = Static<typeof BrokerAddress>

const CONFIG_MAX_BYTES = 4 * 1024 * 1024

/**
 * Reads, checks and freezes a YAML configuration. Relative paths in it are the caller's to resolve (see `fromConfigDir`).
 *
 * @param sense what a schema cannot say: returns further problems of a value that fits the schema.
 * @throws NakamaError `CONFIG_UNREADABLE`, `CONFIG_NOT_YAML` (with line and column) or `CONFIG_INVALID` (one line per problem).
 */
export const loadConfig = <S extends TSchema>(
  file: string,
  schema: S,
  sense: (config: Static<S>) => readonly Problem[] = () => [],
): Static<S> => {
  const text = readText(file)
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true })
  const [yamlError] = document.errors
  if (yamlError !== undefined) throw new NakamaError('CONFIG_NOT_YAML', `${file}: ${yamlError.message}`)
  const checked = validator(schema).check(toPlain(file, document))
  const problems = checked.ok ? sense(checked.value) : checked.problems
  if (!checked.ok || problems.length > 0) {
    const lines = problems.map(problem => `${file}: ${formatProblem(problem)}`)
    throw new NakamaError('CONFIG_INVALID', lines.join('\n'))
  }
  return deepFreeze(checked.value)
}

/** Aliases of aliases can make a few lines into gigabytes: their number is limited. */
const toPlain = (file: string, document: ReturnType<typeof parseDocument>): unknown => {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    throw new NakamaError('CONFIG_NOT_YAML', `${file}: ${messageOf(error)}`, { cause: error })
  }
}

const readText = (file: string): string => {
  try {
    const bytes = readFileSync(file)
    if (bytes.length > CONFIG_MAX_BYTES) {
      throw new NakamaError(
        'CONFIG_UNREADABLE',
        `${file}: expected at most ${CONFIG_MAX_BYTES} bytes, got ${bytes.length}`,
      )
    }
    return bytes.toString('utf8')
  } catch (error) {
    if (error instanceof NakamaError) throw error
    throw new NakamaError('CONFIG_UNREADABLE', `${file}: cannot be read: ${messageOf(error)}`, { cause: error })
  }
}

/** A path written in a configuration means what it says from the folder of that configuration. */
export const fromConfigDir = (configFile: string, path: string): string => resolve(dirname(configFile), path)

/** @throws NakamaError `SECRET_MISSING` when the file or variable is not there or is empty. */
export const readSecret = (secret: Secret, configFile: string): string => {
  if ('env' in secret) {
    const value = process.env[secret.env]
    if (value) return value
    throw new NakamaError('SECRET_MISSING', `environment variable ${secret.env}: expected a secret, got nothing`)
  }
  const path = fromConfigDir(configFile, secret.file)
  try {
    const value = readFileSync(path, 'utf8').trim()
    if (value !== '') return value
  } catch (error) {
    throw new NakamaError('SECRET_MISSING', `${path}: cannot be read: ${messageOf(error)}`, { cause: error })
  }
  throw new NakamaError('SECRET_MISSING', `${path}: expected a secret, got an empty file`)
}

const deepFreeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}
