import type { World } from '../world.ts'

const ANSWERS_WITHIN_MS = 1_000
/** A reading is in the journal after a second, and what the agent says of it is a moment old. */
const SLACK_MS = 2_000

/**
 * Since when an agent owes readings, milliseconds since 1970 UTC by the true clock: all that it read before is stored. Minus infinity
 * where the agent does not say.
 */
export const owedSince = async ({ path, ledger }: Pick<World, 'path' | 'ledger'>, agent: string): Promise<number> => {
  try {
    const now = Date.now()
    const signal = AbortSignal.timeout(ANSWERS_WITHIN_MS)
    const answer = await fetch(`${path.addresses(agent).http}/healthz`, { signal })
    const { journalOldestAgeMs: ageMs } = (await answer.json()) as { readonly journalOldestAgeMs?: number | null }
    if (ageMs === undefined) return Number.NEGATIVE_INFINITY
    // What a clock stamped that was ahead is older than it says.
    const steps = ledger.troubles('stepped').filter(({ process }) => process === agent)
    return now - (ageMs ?? 0) - SLACK_MS - Math.max(0, ...steps.map(({ byMs }) => byMs))
  } catch {
    return Number.NEGATIVE_INFINITY
  }
}
