/** Latencies in a histogram of fixed size: exact to a millisecond up to ten seconds, and to a second up to an hour. */
export interface Latencies {
  add(ms: number): void
  readonly count: number
  /** Milliseconds; 0 when there is none. */
  quantile(q: number): number
  clear(): void
}

const FINE_MAX_MS = 10_000
const COARSE_MAX_S = 3_600

export const createLatencies = (): Latencies => {
  const buckets = new Uint32Array(FINE_MAX_MS + COARSE_MAX_S)
  let count = 0
  return {
    add(ms) {
      const at =
        ms < FINE_MAX_MS
          ? Math.max(0, Math.floor(ms))
          : FINE_MAX_MS + Math.min(COARSE_MAX_S - 1, Math.floor(ms / 1_000))
      buckets[at] = (buckets[at] as number) + 1
      count += 1
    },
    get count() {
      return count
    },
    quantile(q) {
      let left = Math.ceil(count * q)
      for (let at = 0; at < buckets.length; at++) {
        left -= buckets[at] as number
        if (left <= 0 && count > 0) return at < FINE_MAX_MS ? at : (at - FINE_MAX_MS) * 1_000
      }
      return 0
    },
    clear() {
      buckets.fill(0)
      count = 0
    },
  }
}
