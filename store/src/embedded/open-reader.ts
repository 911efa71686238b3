import { STATE_CODES } from '@nakama/contract'
import type { Rollup, StoreReader } from '../store.ts'
import type { PackedRollups } from './rollups.ts'
import { openRpc, type Rpc } from './rpc.ts'

export interface EmbeddedReaderOptions {
  /** Written by another process. */
  readonly file: string
}

/**
 * Opens a store that another process writes, read-only. Every query sees what that process had committed when it was asked.
 * When the file is replaced by another store, the reader goes over to that one; `id` tells.
 *
 * @throws NakamaError `STORE_NOT_THERE` (retryable: its writer has not made it yet), `STORE_CORRUPT`, `STORE_NEWER`,
 * `STORE_UNREACHABLE`, `STORE_BUSY`, `STORE_FAILED`. Queries reject with the same, or with `STORE_OVERLOADED`, `STORE_CRASHED` or
 * `STORE_CLOSED`.
 */
export const openEmbeddedReader = async ({ file }: EmbeddedReaderOptions): Promise<StoreReader> => {
  const rpc = await openRpc({ role: 'reader', file })
  return {
    ...queriesOf(rpc),
    get id() {
      return rpc.store
    },
    close: rpc.close,
  }
}

/** The queries, put to a worker. */
export const queriesOf = (rpc: Rpc): Omit<StoreReader, 'id' | 'close'> => ({
  currentStates: () => rpc.request('currentStates'),
  timeline: query => rpc.request('timeline', query),
  async rollups(query) {
    return unpack(await rpc.request<PackedRollups>('rollups', query))
  },
  samples: query => rpc.request('samples', query),
  counts: query => rpc.request('counts', query),
  gaps: query => rpc.request('gaps', query),
  stats: () => rpc.request('stats'),
})

/** Rollups unpacked between two turns of the event loop: about 5 ms. */
const UNPACK_ROWS = 10_000

const unpack = async ({ series, seriesOf, at, ms }: PackedRollups): Promise<Rollup[]> => {
  const rollups: Rollup[] = []
  for (let row = 0; row < at.length; row++) {
    if (row > 0 && row % UNPACK_ROWS === 0) await new Promise(resolve => setImmediate(resolve))
    const first = row * STATE_CODES.length
    // Written out, because it is run by the million: the columns stand in the order of `STATE_NUMBERS`.
    const stateMs = {
      RUNNING: ms[first] as number,
      PAUSED: ms[first + 1] as number,
      SETUP: ms[first + 2] as number,
      IDLE: ms[first + 3] as number,
      ALARM: ms[first + 4] as number,
      OFF: ms[first + 5] as number,
      OFFLINE: ms[first + 6] as number,
    }
    rollups.push({ series: series[seriesOf[row] as number] as Rollup['series'], at: at[row] as number, stateMs })
  }
  return rollups
}
