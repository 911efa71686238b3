import { messageOf } from '@nakama/contract'
import type { Log, Metrics } from '@nakama/service'

/** Does what the disk may refuse. A refusal is counted, logged once for as long as it lasts, and never thrown. */
export const createAttempt = ({ log, metrics }: { readonly log: Log; readonly metrics: Metrics }) => {
  const errors = metrics.counter('journal_errors', 'Times that the disk refused something', ['what'])
  const failing = new Map<string, string>()
  return async (what: string, work: () => Promise<void>): Promise<boolean> => {
    try {
      await work()
      if (failing.delete(what) && failing.size === 0) log.info('journal: the disk takes everything again')
      return true
    } catch (error) {
      errors.inc({ what })
      const text = messageOf(error)
      if (failing.get(what) !== text) log.error({ err: error, code: 'JOURNAL_DISK' }, `journal: ${what}: ${text}`)
      failing.set(what, text)
      return false
    }
  }
}
