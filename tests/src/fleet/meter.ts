import { type Usage, usageOf } from '../process-usage.ts'
import type { FleetServer } from './server.ts'

export const MIB = 1024 * 1024
const PARTS = ['broker', 'ingest', 'coordinator'] as const
const SAMPLE_EVERY_MS = 250
/** Of memory: when it is full every second one goes, so that a run of any length has at most so many. */
const SAMPLES_MAX = 20_000

/** MiB. */
export interface Memory {
  readonly peak: number
  /** Medians of the middle fifth and of the last fifth of the time. */
  readonly middle: number
  readonly end: number
}

/** What the server's processes and this one cost since `restart`. */
export interface Meter {
  restart(): void
  /** CPU and memory of each, in words. */
  line(): string
  memory(name: 'broker' | 'ingest'): Memory
  stop(): void
}

export const startMeter = (server: FleetServer): Meter => {
  const pids = { ...Object.fromEntries(PARTS.map(name => [name, server.pid(name)])), fleet: process.pid }
  let begun = performance.now()
  let before = new Map<string, Usage>()
  let held = { broker: [] as number[], ingest: [] as number[] }
  const restart = (): void => {
    begun = performance.now()
    before = new Map(Object.entries(pids).map(([name, pid]) => [name, usageOf(pid)]))
    held = { broker: [], ingest: [] }
  }
  restart()
  const timer = setInterval(() => {
    for (const name of ['broker', 'ingest'] as const) {
      const pid = server.pid(name)
      // One that has died has none.
      if (pid !== 0) held[name].push(usageOf(pid).rssBytes / MIB)
      if (held[name].length > SAMPLES_MAX) held[name] = held[name].filter((_, at) => at % 2 === 0)
    }
  }, SAMPLE_EVERY_MS)
  return {
    restart,
    line: () =>
      Object.entries(pids)
        .map(([name, pid]) => {
          const { cpuMs, rssBytes } = usageOf(pid)
          const share = (cpuMs - (before.get(name)?.cpuMs ?? 0)) / (performance.now() - begun)
          return `${name} ${(share * 100).toFixed(0)} % ${(rssBytes / MIB).toFixed(0)} MiB`
        })
        .join(', '),
    memory: name => memoryOf(held[name]),
    stop: () => clearInterval(timer),
  }
}

/** Of evenly spaced samples; zeros when there is none. */
export const memoryOf = (mib: readonly number[]): Memory => {
  const fifth = (n: number): number =>
    median(mib.slice(Math.floor((n * mib.length) / 5), Math.ceil(((n + 1) * mib.length) / 5)))
  return { peak: mib.reduce((a, b) => Math.max(a, b), 0), middle: fifth(2), end: fifth(4) }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
