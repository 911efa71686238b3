import type { ServedLine, TruthLine } from '@nakama/simulators'

/**
 * The truth as somebody outside could know it: a machine whose network is back, or that was not asked before, is known only
 * from the first answer that it gave. What it did until then bridges nothing.
 *
 * @returns the truth with each outage drawn on to that answer, and the longest time that it took.
 */
export const heardAgain = (
  truth: readonly TruthLine[],
  served: readonly ServedLine[],
): { readonly truth: TruthLine[]; readonly slowestMs: number } => {
  const known: TruthLine[] = []
  let slowestMs = 0
  let silentUntil = served[0]?.at ?? Number.POSITIVE_INFINITY
  truth.forEach((line, index) => {
    if (line.reachable && truth[index - 1]?.reachable === false) {
      silentUntil = served.find(({ at }) => at >= line.at)?.at ?? Number.POSITIVE_INFINITY
      if (silentUntil !== Number.POSITIVE_INFINITY) slowestMs = Math.max(slowestMs, silentUntil - line.at)
    }
    if (line.at >= silentUntil) known.push(line)
    else {
      known.push({ ...line, reachable: false })
      const next = truth[index + 1]?.at ?? Number.POSITIVE_INFINITY
      if (line.reachable && silentUntil < next) known.push({ ...line, at: silentUntil })
    }
  })
  return { truth: known, slowestMs }
}
