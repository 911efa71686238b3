import type { Health } from '@nakama/service'
import type { PipelineFacts } from './pipeline.ts'

export interface IngestFacts extends PipelineFacts {
  readonly connected: boolean
  readonly active: boolean
  readonly store: string
}

/** A store that is only busy for a moment needs nobody. */
const REFUSED_MAX_MS = 30_000

/** Ready: connected, subscribed, the only one, with an open store. */
export const ingestHealth = (facts: IngestFacts, now: number): Health => {
  const { connected, active, refusedSince, newestAt, queuedBytes, agents, store } = facts
  const isRefused = refusedSince !== undefined && now - refusedSince >= REFUSED_MAX_MS
  return {
    ok: connected && !isRefused,
    ready: active && !isRefused,
    details: {
      lastStoredAgeMs: newestAt === undefined ? null : now - newestAt,
      brokerConnected: connected,
      active,
      storeState: refusedSince === undefined ? 'ok' : 'refusing',
      store,
      queuedBytes,
      agents,
    },
  }
}
