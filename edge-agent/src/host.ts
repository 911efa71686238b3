import { execFile } from 'node:child_process'
import { access, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { Host } from './agent-clock.ts'
import type { AgentConfig } from './config.ts'

const SYSTEMD_FOLDER = '/run/systemd/timesync'
const SYSTEMD_FILE = `${SYSTEMD_FOLDER}/synchronized`
const CHRONY_FOLDER = '/run/chrony'
const CHRONY_MAX_MS = 5_000
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id'

/** On Linux that clock counts from the start of the system; elsewhere a boot is as long as a process. */
export const readHost = async (random: () => number): Promise<Host> => {
  const text = await readFile(BOOT_ID_FILE, 'utf8').catch(() => '')
  const digits = text.replaceAll(/[^0-9a-f]/g, '').slice(0, 12)
  const made = (): string => (1 + Math.floor(random() * (2 ** 48 - 1))).toString(16).padStart(12, '0')
  const origin = process.hrtime()
  const isLinux = digits.length === 12
  return {
    boot: isLinux ? digits : made(),
    sinceBootMs: () => {
      const [seconds, nanos] = isLinux ? process.hrtime() : process.hrtime(origin)
      return seconds * 1_000 + nanos / 1e6
    },
  }
}

type Reader = NonNullable<NonNullable<AgentConfig['clock']>['synchronised']>

/** Whether the system's clock is right, asked of whoever sets it. Default: whoever is there; a container's host sees to its clock. */
export const synchronisedReader = async (wanted: Reader | undefined): Promise<() => Promise<boolean>> => {
  const reader = wanted ?? (await presentReader())
  if (reader === 'always') return async () => true
  if (reader === 'chrony') return isChronyInStep
  return () => exists(reader === 'systemd' ? SYSTEMD_FILE : reader.file)
}

const presentReader = async (): Promise<Reader> => {
  if (await exists(SYSTEMD_FOLDER)) return 'systemd'
  return (await exists(CHRONY_FOLDER)) ? 'chrony' : 'always'
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** The last column is the leap status: `Not synchronised` until chrony has a source. */
const isChronyInStep = async (): Promise<boolean> => {
  const { stdout } = await promisify(execFile)('chronyc', ['-c', 'tracking'], { timeout: CHRONY_MAX_MS })
  return isTracking(stdout)
}

export const isTracking = (csv: string): boolean => {
  const leap = csv.trim().split(',').at(-1)
  return leap === 'Normal' || leap === 'Insert second' || leap === 'Delete second'
}
