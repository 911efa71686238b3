import { until } from '../until.ts'
import { AGENTS, type World } from './world.ts'

const DRAINED_WITHIN_MS = 120_000

/**
 * Brings a run to its end: every agent is restarted in good order, so that it says up to when it knows each state, and
 * everything that it read before is stored.
 *
 * @returns the time up to which everything must have arrived, milliseconds since 1970 UTC.
 */
export const settle = async ({ path, ledger }: World): Promise<number> => {
  const horizon = Date.now()
  for (const agent of AGENTS) {
    ledger.killing(agent)
    path.kill(agent, 'SIGTERM')
  }
  for (const agent of AGENTS) await ledger.untilReady(agent, horizon)
  for (const agent of AGENTS) {
    await until(
      `everything in the journal of ${agent} is stored`,
      async () => {
        const health = (await (await fetch(`${path.addresses(agent).http}/healthz`)).json()) as {
          readonly journalOldestAgeMs: number | null
          readonly journalBytes: number
        }
        const { journalOldestAgeMs: age } = health
        if (age !== null && Date.now() - age <= horizon) throw new Error(`${health.journalBytes} bytes wait`)
        return true
      },
      { withinMs: DRAINED_WITHIN_MS },
    )
  }
  return horizon
}
