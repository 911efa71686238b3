import { INTERVALS, type NakamaRecord, type StateCode } from '@nakama/contract'
import type { KnownSpan } from '../final-states.ts'
import { seededRandom } from '../random.ts'

/** What an agent that was cut off saw: machines that worked, and slept while the breaker was off. */
export interface PastOptions {
  readonly seed: number
  /** Of the first and behind the last reading: whole seconds, milliseconds since 1970 UTC. */
  readonly from: number
  readonly to: number
  readonly machines: readonly string[]
  /** Numbers per machine and second. */
  readonly signals: number
}

export interface MachinePast {
  readonly machine: string
  /** What it did, without a hole from its first reading to its last; OFFLINE while its breaker was off. */
  readonly spans: readonly KnownSpan[]
  /** When it was read, ascending. */
  readonly readAt: readonly number[]
  /** When a part was finished; the counter counts from 1. */
  readonly countedAt: readonly number[]
}

/** Everything that such an agent says, second by second. */
export interface Past {
  readonly machines: readonly MachinePast[]
  /** In the order in which an agent journals them. */
  seconds(): Generator<{ readonly at: number; readonly records: readonly NakamaRecord[] }>
}

export const KIND = 'nc-lathe'
export const signalName = (index: number): string => `signal${index + 1}`

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
/** Of the whole, as a night is of a day. */
const NIGHT = { from: 0.4, to: 0.73 }
/** IDLE and OFFLINE are only known after a while, and then told since when. */
const TOLD_AFTER_MS: { readonly [code in StateCode]?: number } = { IDLE: 5 * MINUTE_MS, OFFLINE: 30_000 }
const WORK: readonly StateCode[] = ['RUNNING', 'SETUP', 'RUNNING', 'PAUSED', 'RUNNING', 'IDLE', 'RUNNING', 'ALARM']
const WORK_MIN_MS = 2 * MINUTE_MS
const WORK_MAX_MS = 20 * MINUTE_MS
const PART_MS = 90_000
const VALUES = 50_000

export const pastOf = (options: PastOptions): Past => {
  const machines = options.machines.map((machine, index) => machinePast(options, machine, index))
  return { machines, seconds: () => secondsOf(options, machines) }
}

/** The value that was read: of the seed, and another one wherever anything else is. */
export const valueAt = (seed: number, machine: number, signal: number, at: number): number => {
  let mixed = Math.imul(seed ^ Math.imul(Math.floor(at / SECOND_MS), 0x9e3779b1), machine * 512 + signal * 2 + 1)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d)
  return (((mixed ^ (mixed >>> 13)) >>> 0) % VALUES) / 10
}

const machinePast = ({ seed, from, to }: PastOptions, machine: string, index: number): MachinePast => {
  const random = seededRandom(seed + index)
  // Machines of one shop are read one after the other, within a moment.
  const first = from + index * 7
  const nightFrom = wholeSecond(first, from + (to - from) * NIGHT.from)
  const nightTo = wholeSecond(first, from + (to - from) * NIGHT.to)
  const readAt: number[] = []
  for (let at = first; at < to; at += SECOND_MS) if (at < nightFrom || at >= nightTo) readAt.push(at)
  const lastAt = readAt.at(-1) as number
  // OFFLINE from the last reading on.
  const evening = nightFrom - SECOND_MS
  const spans = [
    ...work(first, evening, random),
    { from: evening, to: nightTo, code: 'OFFLINE' as const },
    ...work(nightTo, lastAt, random),
  ]
  const countedAt = readAt.filter((_, row) => row % (PART_MS / SECOND_MS) === index)
  return { machine, spans, readAt, countedAt }
}

const wholeSecond = (first: number, at: number): number => first + Math.round((at - first) / SECOND_MS) * SECOND_MS

const work = (from: number, to: number, random: () => number): KnownSpan[] => {
  const spans: KnownSpan[] = []
  let turn = Math.floor(random() * WORK.length)
  for (let at = from; at < to; turn++) {
    const code = WORK[turn % WORK.length] as StateCode
    const shortestMs = toldAfterMs(code) + WORK_MIN_MS
    const end = at + wholeSecond(0, shortestMs + random() * (WORK_MAX_MS - WORK_MIN_MS))
    // The last one goes on to the end: there must be time to tell of it, whatever it is.
    spans.push({ from: at, to: end + toldAfterMs('IDLE') + WORK_MIN_MS > to ? to : end, code })
    at = spans.at(-1)?.to as number
  }
  return spans
}

const toldAfterMs = (code: StateCode): number => TOLD_AFTER_MS[code] ?? 0

function* secondsOf(
  { seed, from, to, signals }: PastOptions,
  machines: readonly MachinePast[],
): ReturnType<Past['seconds']> {
  const columns = Array.from({ length: signals }, (_, signal) => signalName(signal))
  const words = machines.map(stateRecords)
  const cursors = machines.map(() => ({ word: 0, reading: 0, part: 0 }))
  for (let second = from; second < to; second += SECOND_MS) {
    const records: NakamaRecord[] = []
    for (const [index, { machine, readAt, countedAt }] of machines.entries()) {
      const cursor = cursors[index] as { word: number; reading: number; part: number }
      const who = { machine, kind: KIND } as const
      const isDue = (at: number | undefined): at is number => at !== undefined && at < second + SECOND_MS
      if (second === from) records.push({ type: 'profile', at: readAt[0] as number, ...who, name: machine })
      for (let word = words[index]?.[cursor.word]; isDue(word?.at); word = words[index]?.[++cursor.word]) {
        records.push({ type: 'state', ...who, ...(word as StateWord) })
      }
      const at = readAt[cursor.reading]
      if (!isDue(at)) continue
      cursor.reading += 1
      if (countedAt[cursor.part] === at) {
        cursor.part += 1
        records.push({ type: 'count', at, ...who, parts: 1, total: cursor.part })
      }
      const values = columns.map((name, signal): [string, number[]] => [name, [valueAt(seed, index, signal, at)]])
      records.push({ type: 'samples', ...who, at: [at], signals: Object.fromEntries(values) })
    }
    yield { at: second, records }
  }
}

interface StateWord {
  readonly at: number
  readonly code: StateCode
  readonly since: number
}

/** Each change when it was known, and the state once more while nothing was said for five minutes. */
const stateRecords = ({ spans }: MachinePast): StateWord[] => {
  const words: StateWord[] = []
  const toldAt = ({ from, code }: KnownSpan): number => from + toldAfterMs(code)
  for (const [index, span] of spans.entries()) {
    const next = spans[index + 1]
    const end = next === undefined ? span.to : toldAt(next)
    for (let at = toldAt(span); at < end; at += INTERVALS.stateHeartbeatMs) {
      words.push({ at, code: span.code, since: span.from })
    }
  }
  return words
}
