import type { FleetArgs } from './args.ts'
import type { Memory } from './meter.ts'

/** What a run came to. */
export interface Measured {
  /** From the connection until the states of the outage were acknowledged, and until all agents had caught up; plus infinity if never. */
  readonly statesMs: number
  readonly allMs: number
  /** Batches not acknowledged at the end. */
  readonly waiting: number
  readonly restarts: number
  readonly broker: Memory
  readonly ingest: Memory
  readonly stored: readonly StoredShop[]
}

/** One machine of a shop: its readings that are not in the store, and rows of the store that were never read or are there twice. */
export interface StoredShop {
  readonly shop: string
  readonly machine: string
  readonly read: number
  readonly missing: number
  readonly foreign: number
}

type Limits = Pick<FleetArgs, 'statesWithinS' | 'allWithinS' | 'ingestMaxMiB' | 'brokerMaxMiB' | 'growthMaxMiB'>

/** Everything that must not be, in words; empty when all is well. */
export const complaintsOf = (limits: Limits, measured: Measured): string[] => {
  const { statesMs, allMs, waiting, restarts, broker, ingest, stored } = measured
  return [
    ...within('the states of all', statesMs, limits.statesWithinS),
    ...within('everything', allMs, limits.allWithinS),
    ...(waiting === 0 ? [] : [`${waiting} batches are not acknowledged at the end`]),
    ...(restarts === 0 ? [] : [`${restarts} processes died`]),
    ...bounded('broker', broker, limits.brokerMaxMiB, limits.growthMaxMiB),
    ...bounded('ingest', ingest, limits.ingestMaxMiB, limits.growthMaxMiB),
    ...stored.flatMap(({ shop, machine, read, missing, foreign }) =>
      read > 0 && missing === 0 && foreign === 0
        ? []
        : [
            `${shop}/${machine}: of ${read} readings ${missing} are not stored, and ${foreign} are that were never read`,
          ],
    ),
    ...(stored.length > 0 ? [] : ['nothing was looked up in the store']),
  ]
}

const within = (what: string, ms: number, maxS: number): string[] =>
  ms <= maxS * 1_000 ? [] : [`${what}: expected within ${maxS} s, got ${(ms / 1_000).toFixed(1)} s`]

const bounded = (name: string, { peak, middle, end }: Memory, maxMiB: number, growthMaxMiB: number): string[] => [
  ...(peak > 0 && peak <= maxMiB ? [] : [`${name}: expected at most ${maxMiB} MiB, got ${peak.toFixed(0)}`]),
  ...(end - middle <= growthMaxMiB
    ? []
    : [
        `${name}: expected a level memory, got ${middle.toFixed(0)} MiB in the middle and ${end.toFixed(0)} at the end`,
      ]),
]
