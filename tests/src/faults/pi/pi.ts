import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The computer of one agent, as far as it matters here: when it was switched on, and whether its clock is right. */
export interface Pi {
  /** There once the clock is right. */
  readonly clockFile: string
  /** Switches it off and on: a new boot, in which nobody has set the clock yet. @returns the new boot's id. */
  restart(): string
  /** From now on the system says that its clock is right. */
  synchronise(): void
}

interface Boot {
  readonly boot: string
  /** By the clock of `monotonicMs`. */
  readonly switchedOnMs: number
}

/** @param folder for what the system tells the agent. The clock is right at first. */
export const openPi = (folder: string): Pi => {
  const clockFile = join(folder, 'synchronised')
  const restart = (): string => {
    const boot = randomBytes(6).toString('hex')
    rmSync(clockFile, { force: true })
    writeFileSync(bootFile(clockFile), JSON.stringify({ boot, switchedOnMs: monotonicMs() } satisfies Boot))
    return boot
  }
  const synchronise = (): void => writeFileSync(clockFile, '')
  mkdirSync(folder, { recursive: true })
  restart()
  synchronise()
  return { clockFile, restart, synchronise }
}

/** The same, for the agent: what it would else ask of the system. Agents live longer and shorter than this boot. */
export const hostBeside = (clockFile: string): { readonly boot: string; readonly sinceBootMs: () => number } => {
  const { boot, switchedOnMs } = JSON.parse(readFileSync(bootFile(clockFile), 'utf8')) as Boot
  return { boot, sinceBootMs: () => monotonicMs() - switchedOnMs }
}

const bootFile = (clockFile: string): string => join(dirname(clockFile), 'boot.json')

/** The same for every process of this machine, and never set. */
const monotonicMs = (): number => {
  const [seconds, nanos] = process.hrtime()
  return seconds * 1_000 + nanos / 1e6
}
