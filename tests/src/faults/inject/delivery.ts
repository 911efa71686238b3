import { until } from '../../until.ts'
import { type Injector, pause } from './fault.ts'

const SEEN_WITHIN_MS = 10_000

/** What agents say reaches ingest twice, and in another order. */
export const shuffle: Injector = async ({ shuffler }, { forMs }) => {
  const { duplicated, reordered } = shuffler
  shuffler.on()
  try {
    await pause(forMs)
    const isSeen = (): boolean => shuffler.duplicated > duplicated && shuffler.reordered > reordered
    await until('messages twice and out of order', isSeen, { withinMs: SEEN_WITHIN_MS })
  } finally {
    shuffler.off()
  }
}
