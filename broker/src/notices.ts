import type { Log } from '@nakama/service'

export interface Notices {
  /** Warns of what somebody else did to us. */
  warn(code: string, fields: { readonly [name: string]: unknown }, text: string): void
}

const EVERY_MS = 10_000

/**
 * A stranger must not be able to fill the log: of each code one line at once, then at most one in ten seconds, which tells
 * how many there were between. Bounded, because codes are few and ours.
 */
export const createNotices = (log: Log, now: () => number): Notices => {
  const seen = new Map<string, { at: number; silent: number }>()
  return {
    warn(code, fields, text) {
      const last = seen.get(code)
      if (last !== undefined && now() - last.at < EVERY_MS) {
        last.silent += 1
        return
      }
      seen.set(code, { at: now(), silent: 0 })
      log.warn({ ...fields, code, ...(last?.silent ? { notLogged: last.silent } : {}) }, text)
    },
  }
}
