import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Ack, AgentId, MachineStatus, StatusOnline } from '@nakama/contract'
import { createLog, createMetrics } from '@nakama/service'
import { type MachineRef, openEmbeddedStore, type Store } from '@nakama/store'
import { openDeadLetters } from '../../src/commit/dead-letters.ts'
import { DEFAULT_LIMITS } from '../../src/config.ts'
import { type Pipeline, type PipelineLimits, startPipeline } from '../../src/pipeline.ts'
import { MORNING } from './history.ts'

/** A pipeline on a real store and a clock of the test's own. One serves many tests, each with a shop of its own. */
export interface Workbench {
  readonly store: Store
  readonly storeFile: string
  readonly lettersFile: string
  /** Of the present life of the pipeline. */
  readonly pipeline: Pipeline
  readonly acks: Ack[]
  now: number
  /** Of ingest at its broker; long ago unless a test says otherwise. */
  activeSince: number
  metrics(): Promise<string>
  /** Forgets everything but the store, as a kill does. */
  restart(limits?: Partial<PipelineLimits>): Promise<void>
  /** An agent, and a machine, that nobody has heard of; everything else forgotten. */
  fresh(options?: { readonly now?: number; readonly limits?: Partial<PipelineLimits> }): Promise<AgentId & MachineRef>
  close(): Promise<void>
}

export const openWorkbench = async (): Promise<Workbench> => {
  const folder = mkdtempSync(join(tmpdir(), 'nakama-ingest-'))
  const lettersFile = join(folder, 'dead-letters.ndjson')
  const storeFile = join(folder, 'store.db')
  const acks: Ack[] = []
  const store = await openEmbeddedStore({ file: storeFile, commitDelayMs: 0, busyTimeoutMs: 100, now: () => bench.now })
  const letters = await openDeadLetters(lettersFile, DEFAULT_LIMITS.deadLettersMaxBytes)
  let metrics = createMetrics('ingest')
  const start = (limits: Partial<PipelineLimits> = {}): Promise<Pipeline> => {
    metrics = createMetrics('ingest')
    return startPipeline({
      store,
      letters,
      limits: { ...DEFAULT_LIMITS, gatherMs: 0, ...limits },
      publishAck: (_to, ack) => acks.push(ack),
      activeSince: () => bench.activeSince,
      now: () => bench.now,
      random: () => 0.1,
      log: createLog('ingest', 'silent'),
      metrics,
    })
  }
  let shops = 0
  let pipeline: Pipeline
  const bench: Workbench = {
    store,
    storeFile,
    lettersFile,
    acks,
    get pipeline() {
      return pipeline
    },
    now: MORNING,
    activeSince: 0,
    metrics: () => metrics.text(),
    async restart(limits) {
      await pipeline.stop()
      acks.length = 0
      pipeline = await start(limits)
    },
    async fresh({ now = MORNING, limits } = {}) {
      await bench.restart(limits)
      bench.now = now
      bench.activeSince = 0
      return { shop: `shop-${++shops}`, agent: 'pi', machine: 'm1' }
    },
    async close() {
      await pipeline.stop()
      await letters.close()
      await store.close()
      rmSync(folder, { recursive: true })
    },
  }
  pipeline = await start()
  return bench
}

export const statusOf = (
  machines: { readonly [id: string]: Pick<MachineStatus, 'code' | 'since'> },
  at: number,
  more: Partial<StatusOnline> = {},
): string =>
  JSON.stringify({
    v: 1,
    online: true,
    conn: 'c1',
    at,
    version: '0',
    clock: { synchronised: true },
    journal: { bytes: 0, maxBytes: 1, oldestAt: null },
    config: { rev: 0 },
    taking: { value: true, until: null, rev: 0 },
    machines: Object.fromEntries(
      Object.entries(machines).map(([id, state]) => [id, { kind: 'nc-lathe', name: id, ...state }]),
    ),
    ...more,
  } satisfies StatusOnline)
