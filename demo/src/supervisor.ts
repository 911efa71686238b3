import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NakamaError } from '@nakama/contract'
import { CLOCK_OFFSET_VARIABLE, type ClockMessage, type ReadyMessage } from '@nakama/service'
import { stringify } from 'yaml'

export type Addresses = { readonly [protocol: string]: string }

export interface ProcessSpec {
  /** Names the process in configuration, log and messages: `agent-tanaka`. */
  readonly name: string
  /** The `main.ts` to run. */
  readonly main: string
  /** Of Node itself. */
  readonly nodeFlags?: readonly string[]
  /** Started once these are ready. */
  readonly needs: readonly string[]
  /**
   * Its configuration. `of` gives the addresses of what it needs; `own` the addresses of its former life, so that a
   * restarted process is found where it was.
   */
  readonly config: (of: (name: string) => Addresses, own: Addresses | undefined) => object
}

export type ProcessEvent =
  | { readonly type: 'ready'; readonly name: string; readonly addresses: Addresses; readonly startMs: number }
  | { readonly type: 'died'; readonly name: string; readonly how: string; readonly againInMs: number }

export interface SupervisorOptions {
  /** Configurations go to `config/`, output to `log/`. */
  readonly folder: string
  readonly onEvent?: (event: ProcessEvent) => void
  readonly readyTimeoutMs?: number
}

export interface Supervisor {
  /** @throws NakamaError `DEMO_NO_SUCH_PROCESS` */
  addresses(name: string): Addresses
  pid(name: string): number
  readonly names: readonly string[]
  readonly restarts: number
  /** A fault from outside: the process dies (or freezes) and, when dead, is started again as systemd would. */
  kill(name: string, signal: NodeJS.Signals): void
  /** Pulls the plug: the process is killed and stays dead until `plugIn`. */
  unplug(name: string): Promise<void>
  /** A process's clock is to differ by so much from the system's, from now on and after restarts. */
  setClock(name: string, offsetMs: number): void
  plugIn(name: string): Promise<void>
  /** Ends every process; resolves when none is left. Idempotent. */
  stop(): Promise<void>
}

const READY_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 6_000
const RESTART_FIRST_MS = 500
const RESTART_MAX_MS = 5_000
/** Alive this long counts as healthy again: the next restart is quick. */
const SETTLED_MS = 30_000

/**
 * Runs processes as systemd would: starts each when what it needs is ready, restarts whatever dies, ends all at the end.
 *
 * @throws NakamaError `DEMO_START_FAILED` when a process dies, or is not ready in time, in its first life; everything
 * started until then is ended first.
 */
export const superviseProcesses = async (
  specs: readonly ProcessSpec[],
  options: SupervisorOptions,
): Promise<Supervisor> => {
  mkdirSync(join(options.folder, 'config'), { recursive: true })
  mkdirSync(join(options.folder, 'log'), { recursive: true })
  const workers = new Map<string, Worker>()
  const worker = (name: string): Worker => {
    const found = workers.get(name)
    if (found !== undefined) return found
    throw new NakamaError('DEMO_NO_SUCH_PROCESS', `process ${name}: expected one of ${[...workers.keys()].join(', ')}`)
  }
  const addresses = (name: string): Addresses => worker(name).addresses ?? {}
  for (const spec of specs) workers.set(spec.name, new Worker(spec, options, addresses))

  const stop = async (): Promise<void> => {
    // Machines and agents first, the broker last, so that every last word is heard.
    for (const tier of tiers(specs).toReversed()) await Promise.all(tier.map(spec => worker(spec.name).stop()))
  }
  try {
    const started = new Map<string, Promise<void>>()
    for (const spec of specs) {
      const needed = spec.needs.map(
        name => started.get(name) ?? Promise.reject(new Error(`${spec.name} needs ${name}, which is not before it`)),
      )
      started.set(
        spec.name,
        Promise.all(needed).then(() => worker(spec.name).start()),
      )
    }
    await Promise.all(started.values())
  } catch (error) {
    await stop()
    throw error
  }
  return {
    addresses,
    pid: name => worker(name).pid,
    names: specs.map(spec => spec.name),
    get restarts() {
      return [...workers.values()].reduce((sum, each) => sum + each.restarts, 0)
    },
    kill: (name, signal) => worker(name).kill(signal),
    setClock: (name, offsetMs) => worker(name).setClock(offsetMs),
    unplug: name => worker(name).unplug(),
    plugIn: name => worker(name).start(),
    stop,
  }
}

/** Groups in which everything needs only what is in an earlier group. */
const tiers = (specs: readonly ProcessSpec[]): ProcessSpec[][] => {
  const depth = new Map<string, number>()
  for (const spec of specs) depth.set(spec.name, 1 + Math.max(-1, ...spec.needs.map(name => depth.get(name) ?? 0)))
  const groups: ProcessSpec[][] = []
  for (const spec of specs) {
    const at = depth.get(spec.name) as number
    groups[at] = [...(groups[at] ?? []), spec]
  }
  return groups.filter(group => group !== undefined)
}

class Worker {
  addresses: Addresses | undefined
  restarts = 0
  readonly #spec: ProcessSpec
  readonly #options: SupervisorOptions
  readonly #of: (name: string) => Addresses
  #child: ChildProcess | undefined
  #exited: Promise<void> = Promise.resolve()
  #wanted = false
  #failuresInARow = 0
  #again: NodeJS.Timeout | undefined
  #clockOffsetMs = 0

  constructor(spec: ProcessSpec, options: SupervisorOptions, of: (name: string) => Addresses) {
    this.#spec = spec
    this.#options = options
    this.#of = of
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  setClock(offsetMs: number): void {
    this.#clockOffsetMs = offsetMs
    if (this.#child?.connected) this.#child.send({ type: 'clock', offsetMs } satisfies ClockMessage)
  }

  /** Resolves when the process says that it listens. */
  async start(): Promise<void> {
    this.#wanted = true
    const { name } = this.#spec
    const startedAt = performance.now()
    const child = this.#spawn()
    const timeoutMs = this.#options.readyTimeoutMs ?? READY_TIMEOUT_MS
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL')
        reject(this.#startError(`not ready after ${timeoutMs} ms`))
      }, timeoutMs)
      child.once('message', message => {
        clearTimeout(timer)
        this.addresses = (message as ReadyMessage).addresses
        this.#options.onEvent?.({
          type: 'ready',
          name,
          addresses: this.addresses,
          startMs: performance.now() - startedAt,
        })
        resolve()
      })
      child.once('exit', (code, signal) => {
        clearTimeout(timer)
        reject(this.#startError(`ended (${signal ?? `exit ${code}`}) before it was ready`))
      })
    })
    child.once('exit', (code, signal) => {
      if (this.#wanted) this.#restart(signal ?? `exit ${code}`, startedAt)
    })
  }

  async unplug(): Promise<void> {
    this.#wanted = false
    clearTimeout(this.#again)
    this.#child?.kill('SIGKILL')
    await this.#exited
  }

  async stop(): Promise<void> {
    this.#wanted = false
    clearTimeout(this.#again)
    const child = this.#child
    if (child === undefined) return
    child.kill('SIGTERM')
    // A frozen process hears nothing but this.
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.#exited
    clearTimeout(timer)
  }

  #restart(how: string, startedAt: number): void {
    this.#failuresInARow = performance.now() - startedAt > SETTLED_MS ? 0 : this.#failuresInARow + 1
    const againInMs = Math.min(RESTART_MAX_MS, RESTART_FIRST_MS * 2 ** Math.max(0, this.#failuresInARow - 1))
    this.restarts += 1
    this.#options.onEvent?.({ type: 'died', name: this.#spec.name, how, againInMs })
    this.#again = setTimeout(() => {
      const now = performance.now()
      this.start().catch(() => {
        if (this.#wanted) this.#restart('did not start', now)
      })
    }, againInMs)
  }

  #spawn(): ChildProcess {
    const { name, main, config, nodeFlags = [] } = this.#spec
    const configFile = join(this.#options.folder, 'config', `${name}.yaml`)
    // Written out in full: a configuration for people has no anchors, and their number is limited where it is read.
    const text = stringify(config(this.#of, this.addresses), { aliasDuplicateObjects: false })
    writeFileSync(configFile, text, { mode: 0o600 })
    const log = openSync(this.#logFile, 'a')
    // Its own process group: a Ctrl-C at the terminal reaches the supervisor alone, which ends the others in order.
    const child = spawn(process.execPath, [...nodeFlags, main, '--config', configFile], {
      stdio: ['ignore', log, log, 'ipc'],
      detached: true,
      env: { ...process.env, [CLOCK_OFFSET_VARIABLE]: String(this.#clockOffsetMs) },
    })
    closeSync(log)
    this.#child = child
    this.#exited = new Promise(resolve => {
      child.once('exit', () => {
        if (this.#child === child) this.#child = undefined
        resolve()
      })
    })
    return child
  }

  get #logFile(): string {
    return join(this.#options.folder, 'log', `${this.#spec.name}.log`)
  }

  #startError(what: string): NakamaError {
    const tail = readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-3).join('\n')
    return new NakamaError('DEMO_START_FAILED', `${this.#spec.name} ${what}; see ${this.#logFile}\n${tail}`)
  }
}
