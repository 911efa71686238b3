import { until } from '../until.ts'
import type { Span } from './judge/spans.ts'

/** A time in which something was not itself; milliseconds since 1970 UTC. */
export interface Trouble extends Span {
  readonly process: string
}

/** A time in which a journal was harmed, or had no room. */
export interface Damage extends Trouble {
  /** What was read before was stored already when it began: none of it can be missing. Minus infinity where that is not known. */
  readonly owedSince: number
}

/** A time in which the clock of a process was off by so much: what it stamped then is that much too high. */
export interface Step extends Trouble {
  readonly byMs: number
}

/** What is noted of each kind. */
interface Notes {
  readonly frozen: Trouble
  readonly corrupted: Damage
  readonly full: Damage
  readonly stepped: Step
}

/** What became of the processes, and what was done to them: the judges' view of the run. */
export interface Ledger {
  /** The process is being killed on purpose. */
  killing(process: string): void
  /** As the supervisor tells it. */
  heard(event: { readonly type: 'ready' | 'died'; readonly name: string; readonly how?: string }): void
  /** Resolves with the time at which the process was ready again after `from`. */
  untilReady(process: string, from: number): Promise<number>
  isUp(process: string): boolean
  note<K extends keyof Notes>(kind: K, trouble: Notes[K]): void
  /** From the kill until it was ready again. One that is not ends at plus infinity. */
  outages(): Trouble[]
  troubles<K extends keyof Notes>(kind: K): readonly Notes[K][]
  /** Deaths that nobody had planned, in words. */
  readonly unplanned: readonly string[]
}

const READY_WITHIN_MS = 60_000

export const createLedger = (now: () => number): Ledger => {
  const down = new Map<string, number>()
  const outages: Trouble[] = []
  const readyAt = new Map<string, number>()
  const unplanned: string[] = []
  const troubles: { readonly [K in keyof Notes]: Notes[K][] } = { frozen: [], corrupted: [], full: [], stepped: [] }
  const fall = (process: string): void => {
    if (!down.has(process)) down.set(process, now())
  }
  return {
    killing: fall,
    heard({ type, name, how }) {
      if (type === 'died') {
        if (!down.has(name)) unplanned.push(`${name} died by itself (${how}) at ${new Date(now()).toISOString()}`)
        fall(name)
        return
      }
      readyAt.set(name, now())
      const from = down.get(name)
      down.delete(name)
      if (from !== undefined) outages.push({ process: name, from, to: now() })
    },
    untilReady: (process, from) =>
      until(
        `${process} is started again`,
        () => {
          const at = readyAt.get(process)
          return at !== undefined && at > from && at
        },
        { withinMs: READY_WITHIN_MS },
      ),
    isUp: process => readyAt.has(process) && !down.has(process),
    note: (kind, trouble) => void troubles[kind].push(trouble),
    outages: () => [
      ...outages,
      ...[...down].map(([process, from]) => ({ process, from, to: Number.POSITIVE_INFINITY })),
    ],
    troubles: kind => troubles[kind],
    unplanned,
  }
}
