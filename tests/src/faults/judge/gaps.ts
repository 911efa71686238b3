import type { Gap } from '@nakama/store'
import { doubtfulSpans } from './doubt.ts'
import { type MachineEvidence, PROMISED_AFTER_MS, type RunFacts } from './evidence.ts'
import { contains, covers, type Span, widened } from './spans.ts'

export interface JudgedGaps {
  /** These say what really is missing, and why. */
  readonly right: readonly Gap[]
  readonly wrong: readonly Gap[]
  /** Where a reading may be missing: what the right gaps tell of, but for what was stored before the journal was harmed. */
  readonly excused: readonly Span[]
}

/** By how much the gaps of one outage may be longer than outage and restart. */
const EXCESS_MAX_MS = 2_000
/** For an agent to find its journal full, or to have room again. */
const NOTICED_MS = 15_000

/** A gap is right where something was done that explains it, and no longer than that. */
export const judgeGaps = (facts: RunFacts, evidence: MachineEvidence): JudgedGaps => {
  const judged = evidence.gaps.map(gap => ({ gap, since: missingSince(facts, evidence, gap) }))
  return {
    right: judged.filter(({ since }) => since !== undefined).map(({ gap }) => gap),
    wrong: judged.filter(({ since }) => since === undefined).map(({ gap }) => gap),
    excused: judged.flatMap(({ gap, since }) =>
      since === undefined || !excuses(gap) ? [] : [{ from: Math.max(gap.from, since), to: gap.to }],
    ),
  }
}

/** Since when something may be missing in a gap that is right; undefined where it is wrong. */
const missingSince = (facts: RunFacts, evidence: MachineEvidence, gap: Gap): number | undefined => {
  const isOurs = ({ process }: { readonly process: string }): boolean => process === evidence.agent
  const corrupted = facts.corrupted.filter(isOurs)
  switch (gap.why) {
    case 'agent-stopped':
      return earliest(
        unwatchedSpans(facts, evidence)
          .filter(({ from, to }) => contains(widened({ from, to }, EXCESS_MAX_MS / 2), gap))
          .map(({ missingFrom }) => missingFrom - EXCESS_MAX_MS / 2),
      )
    case 'journal-new':
      // At the very first reading, or where damage has left nothing.
      return gap.from <= (evidence.storedAt[0] ?? Number.POSITIVE_INFINITY)
        ? gap.from
        : earliest(corrupted.filter(damage => damage.from <= gap.from).map(damage => damage.owedSince))
    case 'journal-corrupt':
      // Whatever was in the journal may have been hit, and nothing that came later.
      return earliest(corrupted.filter(({ to }) => gap.to <= to + EXCESS_MAX_MS).map(damage => damage.owedSince))
    case 'journal-full':
      return earliest(
        facts.full
          .filter(isOurs)
          // What makes room is the oldest that is owed, so it may lie before the disk was full.
          .filter(({ owedSince, to }) => owedSince <= gap.to && gap.from <= to + NOTICED_MS)
          .map(damage => damage.owedSince),
      )
    case 'source-outage':
    case 'source-overflow': {
      // It excuses nothing, so it need not be explained; but no reading lies in it, where times are what they were.
      const isEmpty = !evidence.storedAt.some(at => gap.from < at && at < gap.to)
      return gap.what === 'samples' && (facts.stepped.some(isOurs) || isEmpty) ? gap.from : undefined
    }
    default:
      return undefined
  }
}

// That a machine could not be read excuses nobody for what it has served.
const excuses = ({ what, why }: Gap): boolean => what !== 'events' && !why.startsWith('source-')

const earliest = (times: readonly number[]): number | undefined => (times.length === 0 ? undefined : Math.min(...times))

interface Unwatched extends Span {
  /** Since when something may be missing: what was forgotten may be stored all the same. */
  readonly missingFrom: number
}

/**
 * From the last reading that a killed agent had promised to the first of its next life. One whose journal was damaged since
 * may have forgotten any of its last readings, even such as are stored.
 */
const unwatchedSpans = (facts: RunFacts, evidence: MachineEvidence): Unwatched[] => {
  const isOurs = ({ process }: { readonly process: string }): boolean => process === evidence.agent
  const doubtful = doubtfulSpans(facts, evidence)
  const sure = evidence.served.map(({ at }) => at).filter(at => !covers(doubtful, at))
  return facts.outages.filter(isOurs).map(({ from, to }) => {
    const last = sure.findLast(at => at <= from - PROMISED_AFTER_MS) ?? facts.span.from
    const damages = facts.corrupted.filter(isOurs).filter(damage => last <= damage.to && damage.from <= to)
    const promised = last - facts.pollMs
    return {
      from: damages.length > 0 ? Number.NEGATIVE_INFINITY : promised,
      missingFrom: Math.min(promised, ...damages.map(damage => damage.owedSince)),
      to: sure.find(at => at >= to) ?? Number.POSITIVE_INFINITY,
    }
  })
}
