import { readFileSync } from 'node:fs'
import type { StateCode } from '@nakama/contract'

/** One change of a machine, as it truly was, without any debouncing; it holds until the next line. */
export interface TruthLine {
  /** Milliseconds since 1970 UTC by the real clock. */
  readonly at: number
  /** The same moment in simulated time. */
  readonly simAt: number
  /** What the machine shows at this moment; never OFFLINE, which is nobody's knowledge and not a machine's state. */
  readonly state: Exclude<StateCode, 'OFFLINE'>
  /** IDLE that the machine says itself: its program has ended, its lamp says so. */
  readonly done: boolean
  /** Whether the machine answers over the network. */
  readonly reachable: boolean
  /** What goes on there, for a person. */
  readonly activity: string
  readonly doorOpen: boolean
  /** A control's word for it (MTConnect), where it has one. */
  readonly execution?: string
  /** What shines on the stack light, where it has one: `green`, `yellow-blinking`, or `dark`. */
  readonly lamp?: string
  /** Parts finished since the simulated start, never reset. */
  readonly parts: number
  /** On the first line of a process: nothing is known of the time before. */
  readonly first?: true
}

/** The machine's tick was given to a reader. */
export interface ServedLine {
  readonly at: number
  readonly tick: number
}

/** The lines of a log that may still be growing: a torn last line is left for the next time. */
export const parseLines = <T>(text: string): T[] =>
  text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as T)

export const readTruth = (file: string): TruthLine[] => parseLines(readFileSync(file, 'utf8'))

export const readServed = (file: string): ServedLine[] => parseLines(readFileSync(file, 'utf8'))

/** The line that holds at a moment, or undefined before the first. `lines` ascend. */
export const truthAt = (lines: readonly TruthLine[], at: number): TruthLine | undefined =>
  lines.findLast(line => line.at <= at)
