import type { Gap } from '@nakama/store'
import { doubtfulSpans } from './doubt.ts'
import { type MachineEvidence, PROMISED_AFTER_MS, type RunFacts } from './evidence.ts'
import { contains, covers, type Span, widened } from './spans.ts'

export interface JudgedGaps {
  /** These say what really is missing, and why. */
  readonly right: readonly Gap[]
  readonly wrong: readonly Gap[]
}

/** By how much the gaps of one outage may be longer than outage and restart. */
const EXCESS_MAX_MS = 2_000
/** For an agent to find its journal full, or to have room again. */
const NOTICED_MS = 15_000

/** A gap is right where something was done that explains it, and no longer than that. */
export const judgeGaps = (facts: RunFacts, evidence: MachineEvidence): JudgedGaps => {
  const { agent } = evidence
  const unwatched = unwatchedSpans(facts, evidence).map(span => widened(span, EXCESS_MAX_MS / 2))
  const corrupted = facts.corrupted.filter(({ process }) => process === agent)
  const full = facts.full.filter(({ process }) => process === agent).map(span => widened(span, 0, NOTICED_MS))
  const isStepped = facts.stepped.some(({ process }) => process === agent)
  const isRight = (gap: Gap): boolean => {
    switch (gap.why) {
      case 'agent-stopped':
        return unwatched.some(span => contains(span, gap))
      case 'journal-new':
        // At the very first reading, or where damage has left nothing.
        return (
          gap.from <= (evidence.storedAt[0] ?? Number.POSITIVE_INFINITY) ||
          corrupted.some(damage => damage.from <= gap.from)
        )
      case 'journal-corrupt':
        // Whatever was in the journal may have been hit, and nothing that came later.
        return corrupted.some(({ to }) => gap.to <= to + EXCESS_MAX_MS)
      case 'journal-full':
        return full.some(span => span.from <= gap.to && gap.from <= span.to)
      case 'source-outage':
      case 'source-overflow':
        // It excuses nothing, so it need not be explained; but no reading lies in it, where times are what they were.
        return gap.what === 'samples' && (isStepped || !evidence.storedAt.some(at => gap.from < at && at < gap.to))
      default:
        return false
    }
  }
  return { right: evidence.gaps.filter(isRight), wrong: evidence.gaps.filter(gap => !isRight(gap)) }
}

/**
 * From the last reading that a killed agent had promised to the first of its next life. One whose journal was damaged since
 * may have forgotten any of its last readings, even such as are stored.
 */
const unwatchedSpans = (facts: RunFacts, evidence: MachineEvidence): Span[] => {
  const isOurs = ({ process }: { readonly process: string }): boolean => process === evidence.agent
  const doubtful = doubtfulSpans(facts, evidence)
  const sure = evidence.served.map(({ at }) => at).filter(at => !covers(doubtful, at))
  return facts.outages.filter(isOurs).map(({ from, to }) => {
    const last = sure.findLast(at => at <= from - PROMISED_AFTER_MS) ?? facts.span.from
    const hasForgotten = facts.corrupted.filter(isOurs).some(damage => last <= damage.to && damage.from <= to)
    return {
      from: hasForgotten ? Number.NEGATIVE_INFINITY : last - facts.pollMs,
      to: sure.find(at => at >= to) ?? Number.POSITIVE_INFINITY,
    }
  })
}
