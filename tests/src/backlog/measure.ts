import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pass } from 'node:timers/promises'
import { agentName, type Path } from '@nakama/demo'
import type { StoreReader } from '@nakama/store'
import { type Usage, usageOf } from '../process-usage.ts'
import { differing } from './judge.ts'
import type { Past, PastOptions } from './past.ts'

/** Milliseconds from the moment at which the agent reached the broker; infinity for what had not come when time was up. */
export interface Drain {
  /** The board shows what every machine does now. */
  readonly presentMs: number
  /** The store has every state of the past. */
  readonly statesMs: number
  /** The agent has an acknowledgement of everything of the past. */
  readonly drainedMs: number
  readonly timesRealTime: number
  /** From the connection until everything was acknowledged: the most memory, and CPU used. */
  readonly usage: { readonly [part: string]: { readonly peakBytes: number; readonly cpuMs: number } }
}

/** Asks the coordinator again and again, from the moment at which it can be asked. */
export interface BoardWatch {
  ask(url: string): void
  /** When every machine was first shown in a state, milliseconds since 1970 UTC; undefined until then. */
  readonly presentAt: number | undefined
  stop(): void
}

const ASK_EVERY_MS = 50
const LOOK_EVERY_MS = 200
const REPORT_EVERY_MS = 2_000
const DRAIN_MAX_MS = 3_600_000
/** After everything was acknowledged nothing new is to be expected. */
const SETTLED_MS = 20_000
const PARTS = ['broker', 'ingest', 'coordinator'] as const

export const watchBoard = (machines: readonly string[]): BoardWatch => {
  let presentAt: number | undefined
  let stopped = false
  const look = async (url: string): Promise<void> => {
    while (presentAt === undefined && !stopped) {
      const shown = await fetch(`${url}/api/v1/machines`)
        .then(answer => answer.json() as Promise<{ machines: { machine: string; state: string }[] }>)
        .catch(() => ({ machines: [] }))
      const heard = shown.machines.filter(({ state }) => state !== 'OFFLINE').map(({ machine }) => machine)
      if (machines.every(machine => heard.includes(machine))) presentAt = Date.now()
      else await pass(ASK_EVERY_MS)
    }
  }
  return {
    ask: url => void look(url),
    get presentAt() {
      return presentAt
    },
    stop() {
      stopped = true
    },
  }
}

export interface DrainOptions {
  readonly path: Path
  readonly reader: StoreReader
  readonly past: Past
  readonly options: PastOptions
  readonly board: BoardWatch
  readonly shop: string
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

/** Looks on until the past is stored and acknowledged and the present is shown. @throws Error when it is not drained in an hour */
export const measureDrain = async (drain: DrainOptions): Promise<Drain> => {
  const { path, reader, past, options, board, shop, say, signal } = drain
  const agent = agentName(shop)
  const connectedAt = connectedIn(join(path.dataDir, '..', 'log', `${agent}.log`))
  const meter = createMeter(Object.fromEntries([...PARTS, agent].map(name => [name, path.pid(name)])))
  const since = (at: number): number => Math.max(0, at - connectedAt)
  let statesMs: number | undefined
  let drainedMs: number | undefined
  let reportAt = Date.now()
  for (;;) {
    signal.throwIfAborted()
    const now = Date.now()
    const isComplete = statesMs !== undefined && board.presentAt !== undefined
    if (drainedMs !== undefined && (isComplete || since(now) - drainedMs > SETTLED_MS)) break
    meter.look()
    const left = await journalOf(path.addresses(agent).http as string)
    if (left.oldestAt === null || left.oldestAt >= options.to) drainedMs ??= since(now)
    if (statesMs === undefined && (await hasAllStates(reader, shop, past))) statesMs = since(Date.now())
    if (now - reportAt >= REPORT_EVERY_MS) {
      reportAt = now
      const mib = (left.bytes / 2 ** 20).toFixed(1)
      say(`${(since(now) / 1_000).toFixed(0).padStart(5)} s  ${mib.padStart(7)} MiB to go  ${meter.line()}`)
    }
    if (since(now) > DRAIN_MAX_MS) throw new Error(`not drained within ${DRAIN_MAX_MS} ms`)
    await pass(LOOK_EVERY_MS, undefined, { signal })
  }
  meter.look()
  return {
    presentMs: board.presentAt === undefined ? Number.POSITIVE_INFINITY : since(board.presentAt),
    statesMs: statesMs ?? Number.POSITIVE_INFINITY,
    drainedMs,
    timesRealTime: (options.to - options.from) / drainedMs,
    usage: meter.usage(),
  }
}

/** When the agent reached the broker, by its own log. */
const connectedIn = (logFile: string): number => {
  const line = readFileSync(logFile, 'utf8')
    .split('\n')
    .find(each => each.includes('"msg":"broker connected"'))
  if (line === undefined) throw new Error(`${logFile}: expected "broker connected", got nothing`)
  return Date.parse((JSON.parse(line) as { time: string }).time)
}

const journalOf = async (url: string): Promise<{ readonly bytes: number; readonly oldestAt: number | null }> => {
  const now = Date.now()
  const answer = await fetch(`${url}/healthz`)
  const health = (await answer.json()) as { journalBytes: number; journalOldestAgeMs: number | null }
  const { journalBytes, journalOldestAgeMs } = health
  return { bytes: journalBytes, oldestAt: journalOldestAgeMs === null ? null : now - journalOldestAgeMs }
}

const hasAllStates = async (reader: StoreReader, shop: string, past: Past): Promise<boolean> => {
  for (const { machine, spans } of past.machines) {
    const range = { from: spans[0]?.from as number, to: spans.at(-1)?.to as number }
    if (differing(spans, await reader.timeline({ shop, machine, ...range })) > 0) return false
  }
  return true
}

const createMeter = (pids: { readonly [part: string]: number }) => {
  const names = Object.keys(pids)
  const read = (): Map<string, Usage> => new Map(names.map(name => [name, usageOf(pids[name] as number)]))
  const before = read()
  let now = before
  const peaks = new Map<string, number>()
  return {
    look(): void {
      now = read()
      for (const [name, { rssBytes }] of now) peaks.set(name, Math.max(peaks.get(name) ?? 0, rssBytes))
    },
    line: (): string =>
      names.map(name => `${name} ${((now.get(name)?.rssBytes ?? 0) / 2 ** 20).toFixed(0)} MiB`).join(', '),
    usage: (): Drain['usage'] =>
      Object.fromEntries(
        names.map(name => [
          name,
          {
            peakBytes: peaks.get(name) ?? 0,
            cpuMs: (now.get(name)?.cpuMs ?? 0) - (before.get(name)?.cpuMs ?? 0),
          },
        ]),
      ),
  }
}
