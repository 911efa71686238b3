import { execFile } from 'node:child_process'
import type { Log } from './log.ts'

export interface SystemdOptions {
  /** `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` as systemd sets them (sd_notify(3), sd_watchdog_enabled(3)). */
  readonly env: { readonly [name: string]: string | undefined }
  readonly pid: number
  /** False lets systemd's watchdog run out, and start the process anew. */
  readonly isWell: () => boolean
  readonly log: Log
}

/** For one call of the tool; it only writes a datagram. */
const TELL_MAX_MS = 5_000

/**
 * Tells systemd that the service is ready, and from then on twice in every watchdog interval that it is well. Does nothing where
 * systemd did not start this process. Node cannot write to a datagram socket of Unix, so the tool `systemd-notify` does; the
 * unit needs `Type=notify` and `NotifyAccess=all`.
 *
 * @returns a function that ends it.
 */
export const tellSystemd = ({ env, pid, isWell, log }: SystemdOptions): (() => void) => {
  if (env.NOTIFY_SOCKET === undefined) return () => {}
  let failing = false
  const tell = (...words: string[]): void => {
    execFile('systemd-notify', words, { timeout: TELL_MAX_MS }, error => {
      if (error !== null && !failing) log.error({ err: error, code: 'SYSTEMD_NOTIFY' }, 'systemd cannot be told')
      failing = error !== null
    })
  }
  tell('--ready')
  const everyMs = watchdogMs(env, pid) / 2
  if (!Number.isFinite(everyMs)) return () => {}
  let wasWell = true
  const timer = setInterval(() => {
    const well = isWell()
    if (!well && wasWell) log.error({ code: 'WATCHDOG_UNWELL' }, 'not well: systemd will start this process anew')
    wasWell = well
    if (well) tell('WATCHDOG=1')
  }, everyMs)
  return () => clearInterval(timer)
}

/** Infinite where there is no watchdog, or it is meant for another process. */
const watchdogMs = (env: SystemdOptions['env'], pid: number): number => {
  const forUs = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === pid
  const us = Number(env.WATCHDOG_USEC)
  return forUs && Number.isFinite(us) && us > 0 ? us / 1_000 : Number.POSITIVE_INFINITY
}
