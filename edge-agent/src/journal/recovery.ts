import { type GapRecord, isBootTime, LANES, type Lane } from '@nakama/contract'
import { type Acked, isAtOrBefore, NOWHERE, type Position } from './acks-format.ts'
import { type Boots, NO_BOOT } from './boots.ts'
import type { ScannedSection } from './format.ts'

/** Batches `firstSeq` to `lastSeq` of one epoch, one behind the other. The one being written to grows. */
export interface Section {
  readonly lane: Lane
  readonly epoch: string
  readonly opening: number
  readonly firstSeq: number
  lastSeq: number
  /** Offset of its header. */
  readonly start: number
  /** Seeds its records' CRCs. */
  readonly crc: number
  /** Offset after its last record; the next one goes there. */
  end: number
  readonly previous: Position
  /** See `SectionHeader`. */
  readonly at: number
  readonly boot: string
  /** Whether times of that boot's own clock are in it: only with them can it begin. */
  readonly hasBootTimes: boolean
  /** Time of its oldest and newest record, as the present boot may tell it. */
  firstAt: number | undefined
  lastAt: number | undefined
}

/** A file in its present life. A recycled file is another segment, even under the same name. */
export interface Segment {
  readonly name: string
  readonly id: string
  readonly life: number
  readonly crc: number
  readonly sections: Section[]
}

/** A section as scanned, without the places of its batches: a journal may have hundreds of thousands of them. */
export interface FoundSection extends Omit<ScannedSection, 'batches'> {
  readonly count: number
  readonly firstAt: number | undefined
  readonly lastAt: number | undefined
}

export type FoundFile = { readonly name: string } & (
  | { readonly type: 'segment'; readonly crc: number; readonly sections: readonly FoundSection[] }
  | { readonly type: 'blank' | 'corrupt' }
)

/** What may be missing, as a gap record will tell it. */
export type Loss = Pick<GapRecord, 'what' | 'from' | 'to'>

export interface Recovered {
  readonly segments: { readonly [lane in Lane]: Segment[] }
  /** Files to be used at once, and files whose loss must be on record first. */
  readonly free: readonly string[]
  readonly corrupt: readonly string[]
  readonly losses: readonly Loss[]
  /** Highest ever heard of: of an opening, and of a file's life. */
  readonly opening: number
  readonly life: number
}

/** Sorts what an opening finds on the disk, and says what may be missing. */
export const recover = (
  files: readonly FoundFile[],
  acked: { readonly [lane in Lane]: Acked },
  now: number,
  tell: Boots['tell'],
): Recovered => {
  const inTime = (section: FoundSection): FoundSection => toldSection(section, now, tell)
  const segments = { events: laneSegments(files, 'events', inTime), samples: laneSegments(files, 'samples', inTime) }
  const corrupt = files.filter(file => file.type === 'corrupt').map(file => file.name)
  const all = LANES.flatMap(lane => sectionsOf(segments[lane]))
  const isTorn = { events: endsTorn(files, segments.events), samples: endsTorn(files, segments.samples) }
  return {
    segments,
    free: files.filter(file => file.type === 'blank').map(file => file.name),
    corrupt,
    losses: LANES.flatMap(lane => [
      ...lossBeforeFirst(lane, segments[lane], acked[lane]),
      ...lossesBetween(lane, segments[lane], acked[lane]),
      ...(corrupt.length > 0 || isTorn[lane] ? [lossAtEnd(lane, segments[lane], acked[lane], now)] : []),
    ]),
    // A section that was acknowledged before it was durable may be known from the acks alone, or from its successor.
    opening: Math.max(
      ...LANES.map(lane => acked[lane].opening),
      ...all.flatMap(section => [section.opening, section.previous.opening]),
    ),
    life: Math.max(0, ...LANES.flatMap(lane => segments[lane].map(segment => segment.life))),
  }
}

export const sectionsOf = (segments: readonly Segment[]): Section[] => segments.flatMap(segment => segment.sections)

export const isEmpty = (section: Section): boolean => section.lastSeq < section.firstSeq

export const endOf = (section: Section): Position => ({ opening: section.opening, seq: section.lastSeq })

/** Of a boot whose time nobody knows everything is as old as now: its own bounds tell more, and come with its records. */
const toldSection = (section: FoundSection, now: number, tell: Boots['tell']): FoundSection => {
  const { header, firstAt, lastAt } = section
  const told = (time: number): number => tell(time, header.boot) ?? now
  return {
    ...section,
    header: { ...header, at: told(header.at) },
    firstAt: firstAt && told(firstAt),
    lastAt: lastAt && told(lastAt),
  }
}

/** The newest time by each boot's own clock. */
export const bootsIn = (files: readonly FoundFile[]): Map<string, number> => {
  const boots = new Map<string, number>()
  for (const { header, firstAt, lastAt } of files.flatMap(file => (file.type === 'segment' ? file.sections : []))) {
    const times = [header.at, firstAt, lastAt].filter(time => time !== undefined && isBootTime(time))
    if (header.boot !== NO_BOOT && times.length > 0) {
      boots.set(header.boot, Math.max(boots.get(header.boot) ?? 0, ...(times as number[])))
    }
  }
  return boots
}

const laneSegments = (
  files: readonly FoundFile[],
  lane: Lane,
  inTime: (section: FoundSection) => FoundSection,
): Segment[] => {
  const segments = files
    .flatMap(file => (file.type === 'segment' && file.sections[0]?.header.lane === lane ? [file] : []))
    .map(({ name, crc, sections }): Segment => {
      const { segment: id, life } = sections[0]!.header
      return {
        name,
        id,
        life,
        crc,
        sections: sections.map(section => toSection(inTime(section), bootTimesIn(section))),
      }
    })
    .sort((a, b) => a.life - b.life)
  cutOverlaps(sectionsOf(segments))
  return segments
}

const bootTimesIn = ({ header, firstAt }: FoundSection): boolean =>
  header.boot !== NO_BOOT && isBootTime(firstAt ?? header.at)

const toSection = (found: FoundSection, hasBootTimes: boolean): Section => {
  const { header, start, crc, end, count, firstAt, lastAt } = found
  const { segment: _id, life: _life, ...rest } = header
  return { ...rest, hasBootTimes, start, crc, end, lastSeq: header.firstSeq + count - 1, firstAt, lastAt }
}

/** After a sync that failed the same batches were written once more, in a later section: those count. */
const cutOverlaps = (sections: readonly Section[]): void => {
  let later: Section | undefined
  for (const section of sections.toReversed()) {
    if (isEmpty(section)) continue
    if (later?.opening === section.opening) section.lastSeq = Math.min(section.lastSeq, later.firstSeq - 1)
    if (!isEmpty(section)) later = section
  }
}

/** Where nothing follows, the last section's end tells whether something did. */
const endsTorn = (files: readonly FoundFile[], segments: readonly Segment[]): boolean => {
  const name = segments.at(-1)?.name
  return files.some(file => file.name === name && file.type === 'segment' && file.sections.at(-1)?.clean === false)
}

/** Each section names the batch before it: where another one lies there, something between is gone. */
const lossesBetween = (lane: Lane, segments: readonly Segment[], acked: Acked): Loss[] => {
  const losses: Loss[] = []
  let before: Section | undefined
  let reached = NOWHERE
  for (const section of sectionsOf(segments)) {
    const isKnown = isAtOrBefore(section.previous, reached) || isAtOrBefore(section.previous, acked)
    if (before !== undefined && !isKnown) {
      const to = section.firstAt ?? section.at
      losses.push({ what: lane, from: Math.min(before.lastAt ?? before.at, to), to })
    }
    before = section
    if (!isEmpty(section)) reached = endOf(section)
  }
  return losses
}

/** No file is overwritten before the acks say that what it held is not owed any more: that, or it was lost on the way. */
const lossBeforeFirst = (lane: Lane, segments: readonly Segment[], acked: Acked): Loss[] => {
  const [first] = sectionsOf(segments)
  if (first === undefined || acked.owedSince === undefined || isAtOrBefore(first.previous, acked)) return []
  const to = first.firstAt ?? first.at
  return [{ what: lane, from: Math.min(acked.owedSince, to), to }]
}

/** After what is left of a lane, or all of what was owed. */
const lossAtEnd = (lane: Lane, segments: readonly Segment[], acked: Acked, now: number): Loss => {
  const last = sectionsOf(segments).at(-1)
  const from = last === undefined ? acked.owedSince : (last.lastAt ?? last.at)
  return { what: lane, from: Math.min(from ?? now, now), to: now }
}
