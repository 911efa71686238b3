import type { GapRecord, Lane } from '@nakama/contract'
import { isAtOrBefore, NOWHERE, type Position } from './acks-format.ts'
import type { ScannedSection, SectionHeader } from './format.ts'

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
  /** Time of its beginning, and of its oldest and newest record. */
  readonly at: number
  firstAt: number | undefined
  lastAt: number | undefined
}

/** A file in its present life. A recycled file is another segment, even under the same name. */
export interface Segment {
  readonly name: string
  readonly id: string
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
  /** Highest opening ever seen. */
  readonly opening: number
}

/** Sorts what an opening finds on the disk, and says what may be missing. */
export const recover = (
  files: readonly FoundFile[],
  acked: { readonly [lane in Lane]: Position },
  now: number,
): Recovered => {
  const events = laneSegments(files, 'events')
  const samples = laneSegments(files, 'samples')
  const corrupt = files.filter(file => file.type === 'corrupt').map(file => file.name)
  const lanes = [
    { lane: 'events' as const, ...events },
    { lane: 'samples' as const, ...samples },
  ]
  return {
    segments: { events: events.segments, samples: samples.segments },
    free: files.filter(file => file.type === 'blank').map(file => file.name),
    corrupt,
    losses: [
      ...lanes.flatMap(({ lane, segments, torn }) => [
        ...findHoles(lane, segments, acked[lane]),
        ...(torn ? [{ what: lane, from: Math.min(newestAt(segments) ?? now, now), to: now }] : []),
      ]),
      ...(corrupt.length === 0 ? [] : [lossOfUnknown(lanes, now)]),
    ],
    opening: Math.max(0, ...lanes.flatMap(({ segments }) => sectionsOf(segments).map(section => section.opening))),
  }
}

export const sectionsOf = (segments: readonly Segment[]): Section[] => segments.flatMap(segment => segment.sections)

export const isEmpty = (section: Section): boolean => section.lastSeq < section.firstSeq

export const endOf = (section: Section): Position => ({ opening: section.opening, seq: section.lastSeq })

const laneSegments = (files: readonly FoundFile[], lane: Lane): { segments: Segment[]; torn: boolean } => {
  const found = files
    .flatMap(file => (file.type === 'segment' && file.sections[0]?.header.lane === lane ? [file] : []))
    .sort((a, b) => compareHeaders(a.sections[0]!.header, b.sections[0]!.header))
  const segments = found.map(({ name, crc, sections }) => ({
    name,
    id: sections[0]!.header.segment,
    crc,
    sections: sections.map(toSection),
  }))
  cutOverlaps(sectionsOf(segments))
  return { segments, torn: found.at(-1)?.sections.at(-1)?.clean === false }
}

const compareHeaders = (a: SectionHeader, b: SectionHeader): number => a.opening - b.opening || a.firstSeq - b.firstSeq

const toSection = ({ header, start, crc, end, count, firstAt, lastAt }: FoundSection): Section => {
  const { segment: _, ...rest } = header
  return { ...rest, start, crc, end, lastSeq: header.firstSeq + count - 1, firstAt, lastAt }
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

/** Each section names the batch before it: where another one lies there, something between is gone. */
const findHoles = (lane: Lane, segments: readonly Segment[], acked: Position): Loss[] => {
  const losses: Loss[] = []
  let before: Section | undefined
  let reached = NOWHERE
  sectionsOf(segments).forEach((section, index) => {
    const isKnown = isAtOrBefore(section.previous, reached) || isAtOrBefore(section.previous, acked)
    // Before the first there is what was acknowledged or given up, which is on record.
    if (index > 0 && !isKnown) {
      const to = section.firstAt ?? section.at
      losses.push({ what: lane, from: Math.min(before?.lastAt ?? before?.at ?? to, to), to })
    }
    before = section
    if (!isEmpty(section)) reached = endOf(section)
  })
  return losses
}

const newestAt = (segments: readonly Segment[]): number | undefined => {
  const newest = sectionsOf(segments).at(-1)
  return newest?.lastAt ?? newest?.at
}

/** A file that has lost its header may have held the newest of either lane. */
const lossOfUnknown = (lanes: readonly { readonly segments: readonly Segment[] }[], now: number): Loss => {
  const times = lanes.flatMap(({ segments }) => newestAt(segments) ?? [])
  return { what: 'all', from: Math.min(now, ...times), to: now }
}
