import { execFile } from 'node:child_process'
import { access, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { Log } from '@nakama/service'
import type { AgentConfig } from './config.ts'

const SYSTEMD_FOLDER = '/run/systemd/timesync'
const SYSTEMD_FILE = `${SYSTEMD_FOLDER}/synchronized`
const CHRONY_FOLDER = '/run/chrony'
const CHRONY_MAX_MS = 5_000
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id'

/** Of a Raspberry Pi, and of other boards with a device tree. */
const BOARD_SERIAL_FILE = '/proc/device-tree/serial-number'
const BOARD_SERIAL_MAX = 64

/** What the process is given by the system that it runs on. */
export interface Host {
  /** Twelve hex digits, new at every start of the system. */
  readonly boot: string
  /** Milliseconds since that start, by a clock that nobody sets. */
  readonly sinceBootMs: () => number
  /** Of the board; undefined where the system tells none. */
  readonly boardSerial?: string | undefined
}

/** @param serialFile holds the board's serial number. Default: where a Raspberry Pi has it, if it is one. */
export const readHost = async (serialFile: string | undefined, random: () => number, log: Log): Promise<Host> => ({
  ...(await readBoot(random)),
  boardSerial: await readBoardSerial(serialFile, log),
})

/** On Linux that clock counts from the start of the system; elsewhere a boot is as long as a process. */
const readBoot = async (random: () => number): Promise<Omit<Host, 'boardSerial'>> => {
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

/** A file that somebody named ought to be there; the usual one need not. */
const readBoardSerial = async (wanted: string | undefined, log: Log): Promise<string | undefined> => {
  const file = wanted ?? BOARD_SERIAL_FILE
  try {
    const serial = boardSerialIn(await readFile(file, 'latin1'))
    if (serial === undefined && wanted !== undefined) {
      log.warn({ code: 'BOARD_UNKNOWN' }, `${file}: expected the serial number of a board`)
    }
    return serial
  } catch (error) {
    const isUsual = wanted === undefined && (error as { code?: string }).code === 'ENOENT'
    if (!isUsual) log.warn({ err: error, code: 'BOARD_UNKNOWN' }, `${file}: cannot be read`)
    return undefined
  }
}

/** A device tree ends its strings with a zero octet. Boards without a number of their own say zeros. */
export const boardSerialIn = (text: string): string | undefined => {
  const serial = text.replaceAll('\0', '').trim()
  const isNumber = /^[\x21-\x7e]+$/.test(serial) && !/^0*$/.test(serial) && serial.length <= BOARD_SERIAL_MAX
  return isNumber ? serial : undefined
}

type Reader = NonNullable<NonNullable<AgentConfig['clock']>['synchronised']>

/** Whether the system's clock is right, asked of whoever sets it. Default: whoever is there; a container's host sees to its clock. */
export const synchronisedReader = (wanted: Reader | undefined) => async (): Promise<boolean> => {
  // Looked for each time: they may start after the agent.
  const reader = wanted ?? (await presentReader())
  if (reader === 'always') return true
  if (reader === 'chrony') return isChronyInStep()
  return exists(reader === 'systemd' ? SYSTEMD_FILE : reader.file)
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
