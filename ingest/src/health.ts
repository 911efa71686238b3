import type { Health } from '@nakama/service'
import type { PipelineFacts } from './pipeline.ts'

export interface IngestFacts extends PipelineFacts {
  readonly connected: boolean
  readonly active: boolean
  readonly store: string
}

/** A store that is only busy for a moment needs nobody. */
const REFUSED_MAX_MS = 30_000

/** Ready: connected, subscribed, the only one, with an open store, and a clock that most agents agree with. */
export const ingestHealth = (facts: IngestFacts, now: number): Health => {
  const { connected, active, refusedSince, newestAt, queuedBytes, agents, ahead, store } = facts
  const isRefused = refusedSince !== undefined && now - refusedSince >= REFUSED_MAX_MS
  // One agent alone with a wrong clock is its own matter; when it is half of them it is ours.
  const isClockWrong = ahead.agents > 0 && ahead.agents * 2 >= ahead.of
  return {
    ok: connected && !isRefused,
    ready: active && !isRefused && !isClockWrong,
    details: {
      lastStoredAgeMs: newestAt === undefined ? null : now - newestAt,
      brokerConnected: connected,
      active,
      storeState: refusedSince === undefined ? 'ok' : 'refusing',
      store,
      queuedBytes,
      agents,
      agentsAhead: ahead.agents,
    },
  }
}
