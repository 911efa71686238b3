import type { MachineKind } from '@nakama/contract'
import type { CurrentState, MachineRef, Series } from '@nakama/store'
import type { Claim } from './intervals.ts'
import type { Tail } from './plan.ts'

/**
 * What ingest remembers of each machine. All of it can be forgotten: the store is asked instead, or a little is written
 * once more.
 */
export interface Machines {
  /** The newest kind heard of; `other` for a machine that nobody has described. */
  series(ref: MachineRef): Series
  describe(ref: MachineRef, kind: MachineKind): void
  tail(ref: MachineRef): Tail | undefined
  /** The claim without what is surely stored already, with its rollups; undefined when all of it is. */
  news(ref: MachineRef, claim: Claim): Claim | undefined
  /** The same for what is presumed. Undefined also for a machine of which its agent never spoke. */
  presumption(ref: MachineRef, presumed: Claim): Claim | undefined
  /** Called once what was learnt is durable, rollups and all. */
  learnt(ref: MachineRef, tail: Tail | undefined, presumed: Claim | undefined): void
  readonly size: number
}

interface Entry {
  kind: MachineKind
  tail: Tail | undefined
  /** True once this process has stored the tail itself: only then are the rollups of its hours known to be stored too. */
  isOwn: boolean
  presumed: Claim | undefined
}

/** @param current what the store knows at the start: with it ingest goes on where it was. */
export const openMachines = (current: readonly CurrentState[], maxMachines: number): Machines => {
  const entries = new Map<string, Entry>()

  const entryOf = (ref: MachineRef): Entry => {
    const key = machineKey(ref)
    const found = entries.get(key)
    if (found !== undefined) return found
    // The one that was added first goes; it is learnt anew when it is heard of again.
    if (entries.size >= maxMachines) entries.delete(entries.keys().next().value as string)
    const entry: Entry = { kind: 'other', tail: undefined, isOwn: false, presumed: undefined }
    entries.set(key, entry)
    return entry
  }

  for (const { series, confirmed } of current) {
    const entry = entryOf(series)
    entry.kind = series.kind
    if (confirmed !== undefined) entry.tail = { code: confirmed.code, since: confirmed.since, to: confirmed.to }
  }

  return {
    series: ({ shop, machine }) => ({
      shop,
      machine,
      kind: entries.get(machineKey({ shop, machine }))?.kind ?? 'other',
    }),
    describe(ref, kind) {
      entryOf(ref).kind = kind
    },
    tail: ref => entries.get(machineKey(ref))?.tail,
    news(ref, claim) {
      const entry = entries.get(machineKey(ref))
      if (entry?.tail === undefined || !entry.isOwn) return claim
      const { code, since, to } = entry.tail
      if (claim.code !== code || claim.since !== since) return claim
      return claim.to <= to ? undefined : { ...claim, from: Math.max(claim.from, to) }
    },
    presumption(ref, presumed) {
      const entry = entries.get(machineKey(ref))
      if (entry?.tail === undefined) return undefined
      const { tail, presumed: former } = entry
      const { code, to } = presumed
      const known = tail.code === 'OFFLINE' ? tail.since : tail.to
      const since = code === 'OFFLINE' ? Math.max(presumed.since, known) : presumed.since
      const goesOn = former !== undefined && former.code === code && former.since === since
      const from = Math.max(presumed.from, tail.to, goesOn ? former.to : 0)
      return from < to ? { code, since, from, to } : undefined
    },
    learnt(ref, tail, presumed) {
      const entry = entryOf(ref)
      if (tail !== undefined && !isSame(tail, entry.tail)) {
        entry.tail = tail
        entry.isOwn = true
      }
      if (presumed !== undefined) entry.presumed = presumed
    },
    get size() {
      return entries.size
    },
  }
}

const isSame = (a: Tail, b: Tail | undefined): boolean => a.code === b?.code && a.since === b.since && a.to === b.to

export const machineKey = ({ shop, machine }: MachineRef): string => `${shop}/${machine}`
