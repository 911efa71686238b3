import type { Outage } from '../control-types.ts'
import { between, hash, spread, streamOf, waitFor } from './random.ts'

/** The drop-outs of one network interface. Times are simulated milliseconds. */
export interface Link {
  readonly key: number
  readonly perDay: number
  readonly index: number
  /** The present drop-out, or the next one. */
  readonly outage: { readonly mode: Outage; readonly from: number; readonly until: number }
}

const SECOND = 1_000
const DAY = 86_400_000

/** An interface that is well at `at`, and has drop-outs only after `faultsFrom`. */
export const startLink = (key: number, perDay: number, at: number, faultsFrom: number): Link =>
  nextOutage({ key, perDay, index: 0, outage: { mode: 'reset', from: at, until: Math.max(at, faultsFrom) } })

/** Once its drop-out is over. */
export const nextOutage = (link: Link): Link => {
  const index = link.index + 1
  const random = streamOf(hash('link', link.key, index))
  const from = link.outage.until + 1 + Math.round(waitFor(random, DAY / link.perDay))
  const kind = random()
  // Mostly a connection that breaks and can be made again at once; sometimes somebody restarts a switch, or pulls a plug.
  const lastsMs =
    kind < 0.6
      ? between(random, [0.2 * SECOND, 2 * SECOND])
      : kind < 0.9
        ? spread(random, [5 * SECOND, 60 * SECOND])
        : spread(random, [60 * SECOND, 600 * SECOND])
  const mode: Outage = kind < 0.6 ? 'reset' : random() < 0.5 ? 'hang' : 'refuse'
  return { ...link, index, outage: { mode, from, until: from + 1 + Math.round(lastsMs) } }
}

export const outageAt = ({ outage }: Link, at: number): Outage | null =>
  at >= outage.from && at < outage.until ? outage.mode : null

/** When `outageAt` changes next. */
export const changeAfter = ({ outage }: Link, at: number): number => (at < outage.from ? outage.from : outage.until)
