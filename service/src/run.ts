import { parseArgs } from 'node:util'
import { NakamaError, type Problem } from '@nakama/contract'
import type { Static, TSchema } from 'typebox'
import { loadConfig } from './config.ts'
import { createLog, type Log } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { tellSystemd } from './systemd.ts'

export interface ServiceContext<C> {
  readonly config: C
  /** Path of the configuration, from which its relative paths and secrets are read. */
  readonly configFile: string
  readonly log: Log
  readonly metrics: Metrics
  /** Milliseconds since 1970 UTC. */
  readonly now: () => number
  /** In [0, 1). */
  readonly random: () => number
}

export interface RunningService {
  /** Where it listens, by protocol, with the real ports: `{ http: 'http://127.0.0.1:8080' }`. */
  readonly addresses: { readonly [protocol: string]: string }
  /** Whether it does its work; where it does not, systemd's watchdog starts it anew. Default: as long as it runs. */
  readonly isWell?: () => boolean
  /** Idempotent; lets go of everything that it started. */
  stop(): Promise<void>
}

export interface ServiceDefinition<S extends TSchema> {
  readonly room: string
  readonly schema: S
  /** What the schema cannot say of a configuration. */
  readonly sense?: (config: Static<S>) => readonly Problem[]
  /** Resolves when the service listens. */
  readonly start: (context: ServiceContext<Static<S>>) => Promise<RunningService>
}

/** Sent to a parent process over IPC once the service listens, so that nobody has to guess a port. */
export interface ReadyMessage {
  readonly type: 'ready'
  readonly addresses: { readonly [protocol: string]: string }
}

/** From a parent process over IPC: this process's clock is to differ by so much from the system's. Tests never set the system's. */
export interface ClockMessage {
  readonly type: 'clock'
  readonly offsetMs: number
}

/** The same for a process that is being started. Counts only beside an IPC channel. */
export const CLOCK_OFFSET_VARIABLE = 'NAKAMA_CLOCK_OFFSET_MS'

const STOP_MAX_MS = 5_000

/**
 * The life of a process, the same for every service: `--config FILE` (with `--check-config` only to check it), start, and
 * a bounded stop at SIGTERM, SIGINT or when the parent that holds our IPC channel is gone.
 *
 * Exit codes: 0 stopped as asked or the configuration is good, 2 bad arguments or configuration, 1 anything else.
 */
export const runService = async <S extends TSchema>(definition: ServiceDefinition<S>): Promise<void> => {
  const { room } = definition
  const args = readArguments(room)
  let config: Static<S>
  try {
    config = loadConfig(args.configFile, definition.schema, definition.sense)
  } catch (error) {
    fail(error)
    return
  }
  if (args.checkOnly) {
    process.stdout.write(`${args.configFile}: ok\n`)
    return
  }

  const log = createLog(room)
  process.on('uncaughtException', error => {
    log.fatal({ err: error }, 'uncaught error')
    process.exit(1)
  })
  try {
    const service = await definition.start({
      config,
      configFile: args.configFile,
      log,
      metrics: createMetrics(room),
      now: processClock(),
      random: Math.random,
    })
    stopOnRequest(service, log)
    log.info({ addresses: service.addresses }, 'ready')
    tellSystemd({ env: process.env, pid: process.pid, isWell: service.isWell ?? (() => true), log })
    process.send?.({ type: 'ready', addresses: service.addresses } satisfies ReadyMessage)
  } catch (error) {
    log.fatal({ err: error, code: error instanceof NakamaError ? error.code : undefined }, 'cannot start')
    process.exit(1)
  }
}

/** Only a parent that holds our IPC channel can move it. */
const processClock = (): (() => number) => {
  if (process.send === undefined) return Date.now
  const given = Number(process.env[CLOCK_OFFSET_VARIABLE] ?? 0)
  let offsetMs = Number.isSafeInteger(given) ? given : 0
  process.on('message', message => {
    const { type, offsetMs: next } = (message ?? {}) as Partial<ClockMessage>
    if (type === 'clock' && Number.isSafeInteger(next)) offsetMs = next as number
  })
  return () => Date.now() + offsetMs
}

const readArguments = (room: string): { configFile: string; checkOnly: boolean } => {
  try {
    const { values } = parseArgs({
      options: { config: { type: 'string' }, 'check-config': { type: 'boolean', default: false } },
    })
    if (values.config === undefined) throw new Error('--config: expected a file, got nothing')
    return { configFile: values.config, checkOnly: values['check-config'] }
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nusage: nakama-${room} --config FILE [--check-config]\n`)
    process.exit(2)
  }
}

const fail = (error: unknown): void => {
  if (!(error instanceof NakamaError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 2
}

const stopOnRequest = (service: RunningService, log: Log): void => {
  let stopping = false
  const stop = (reason: string): void => {
    if (stopping) return
    stopping = true
    log.info({ reason }, 'stopping')
    const deadline = setTimeout(() => {
      log.error({ durationMs: STOP_MAX_MS, code: 'STOP_TOO_SLOW' }, 'did not stop in time')
      process.exit(1)
    }, STOP_MAX_MS)
    deadline.unref()
    service.stop().then(
      () => process.exit(0),
      error => {
        log.error({ err: error }, 'failed while stopping')
        process.exit(1)
      },
    )
  }
  process.once('SIGTERM', () => stop('SIGTERM'))
  process.once('SIGINT', () => stop('SIGINT'))
  // A supervisor that was killed cannot clean up after itself: its children do.
  if (process.send !== undefined) process.once('disconnect', () => stop('parent gone'))
}
