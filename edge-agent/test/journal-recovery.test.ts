import type { Lane } from '@nakama/contract'
import { describe, expect, it } from 'vitest'
import type { Acked } from '../src/journal/acks-format.ts'
import { NO_BOOT } from '../src/journal/boots.ts'
import { type FoundFile, recover, sectionsOf } from '../src/journal/recovery.ts'

const NOW = 9_000

interface Found {
  readonly opening: number
  readonly seqs: readonly [first: number, last: number]
  readonly previous: readonly [opening: number, seq: number]
  readonly times?: readonly [first: number, last: number]
  readonly at?: number
  readonly clean?: boolean
}

/** A segment file as an opening finds it, one section after the other. */
const segment = (lane: Lane, life: number, ...sections: readonly Found[]): FoundFile => ({
  name: `00000${life}.segment`,
  type: 'segment',
  crc: life,
  sections: sections.map(({ opening, seqs, previous, times, at, clean }, i) => ({
    header: {
      lane,
      segment: `${life}`.repeat(16),
      epoch: `${opening}`.repeat(16),
      opening,
      life,
      firstSeq: seqs[0],
      previous: { opening: previous[0], seq: previous[1] },
      boot: NO_BOOT,
      at: at ?? times?.[0] ?? 0,
    },
    start: 4096 * i,
    crc: life * 10 + i,
    count: seqs[1] - seqs[0] + 1,
    end: 4096 * i + 100,
    clean: clean ?? true,
    firstAt: times?.[0],
    lastAt: times?.[1],
  })),
})

const nothingAcked: Acked = { opening: 0, seq: 0, owedSince: 500 }

const recovered = (files: readonly FoundFile[], events: Acked = nothingAcked) =>
  recover(files, { events, samples: nothingAcked }, NOW, time => time)

const FIRST: Found = { opening: 1, seqs: [1, 10], previous: [0, 0], times: [1_000, 2_000] }
const SECOND: Found = { opening: 1, seqs: [11, 20], previous: [1, 10], times: [2_100, 3_000] }
const THIRD: Found = { opening: 2, seqs: [1, 5], previous: [1, 20], times: [4_000, 5_000] }

describe('an opening', () => {
  it('finds nothing missing where each section goes on from the one before', () => {
    const { losses, segments, opening, life } = recovered([
      segment('events', 3, SECOND, THIRD),
      segment('events', 2, FIRST),
    ])
    expect(losses).toEqual([])
    expect(sectionsOf(segments.events).map(({ opening: of, firstSeq, lastSeq }) => [of, firstSeq, lastSeq])).toEqual([
      [1, 1, 10],
      [1, 11, 20],
      [2, 1, 5],
    ])
    expect({ opening, life }).toEqual({ opening: 2, life: 3 })
  })

  it('tells what is missing between two sections', () => {
    expect(recovered([segment('events', 1, FIRST), segment('events', 3, THIRD)]).losses).toEqual([
      { what: 'events', from: 2_000, to: 4_000 },
    ])
    // Cut short in the middle.
    const short = segment('events', 1, { ...FIRST, seqs: [1, 4], times: [1_000, 1_300], clean: false })
    expect(recovered([short, segment('events', 2, SECOND, THIRD)]).losses).toEqual([
      { what: 'events', from: 1_300, to: 2_100 },
    ])
    // Of the section in which it was nothing is left.
    const empty = segment('events', 1, { opening: 1, seqs: [1, 0], previous: [0, 0], at: 1_000, clean: false })
    expect(recovered([empty, segment('events', 2, SECOND)]).losses).toEqual([
      { what: 'events', from: 1_000, to: 2_100 },
    ])
  })

  it('does not tell what was acknowledged meanwhile', () => {
    const files = [segment('events', 1, FIRST), segment('events', 3, THIRD)]
    expect(recovered(files, { opening: 1, seq: 20, owedSince: 3_500 }).losses).toEqual([])
    expect(recovered([segment('events', 3, THIRD)], { opening: 1, seq: 20, owedSince: 3_500 }).losses).toEqual([])
  })

  it('does not miss a seq that was never written', () => {
    const later = { ...SECOND, seqs: [15, 20] as const }
    expect(recovered([segment('events', 1, FIRST, later)]).losses).toEqual([])
  })

  it('tells what was overwritten before anybody could know it', () => {
    expect(recovered([segment('events', 3, SECOND, THIRD)]).losses).toEqual([{ what: 'events', from: 500, to: 2_100 }])
    // Without acks nobody knows whether anything was owed.
    const unknown: Acked = { opening: 0, seq: 0, owedSince: undefined }
    expect(recovered([segment('events', 3, SECOND, THIRD)], unknown).losses).toEqual([])
  })

  it('tells that a lane may have gone on where its end is torn', () => {
    expect(recovered([segment('samples', 1, FIRST, { ...SECOND, clean: false })]).losses).toEqual([
      { what: 'samples', from: 3_000, to: NOW },
    ])
    // Not where it went on.
    expect(recovered([segment('samples', 1, { ...FIRST, clean: false }, SECOND)]).losses).toEqual([])
  })

  it('tells of both lanes what a file without a header may have held', () => {
    const corrupt: FoundFile = { name: '000007.segment', type: 'corrupt' }
    const found = recovered([segment('events', 1, FIRST), corrupt, { name: '000008.segment', type: 'blank' }])
    expect(found.losses).toEqual([
      { what: 'events', from: 2_000, to: NOW },
      { what: 'samples', from: 500, to: NOW },
    ])
    expect(found.corrupt).toEqual(['000007.segment'])
    expect(found.free).toEqual(['000008.segment'])
  })

  it('lets the later life count where the same batches were written twice', () => {
    const failed = segment('events', 2, { opening: 1, seqs: [8, 30], previous: [1, 7], times: [1_700, 9_000] })
    const again = segment('events', 3, { opening: 1, seqs: [8, 12], previous: [1, 7], times: [1_700, 2_200] }, THIRD)
    const { segments } = recovered([again, failed, segment('events', 1, { ...FIRST, seqs: [1, 9] })])
    expect(sectionsOf(segments.events).map(({ firstSeq, lastSeq }) => [firstSeq, lastSeq])).toEqual([
      [1, 7],
      [8, 7],
      [8, 12],
      [1, 5],
    ])
  })

  it('never uses an opening again that the acks or a successor have heard of', () => {
    expect(recovered([], { opening: 7, seq: 3, owedSince: 500 }).opening).toBe(7)
    expect(recovered([segment('events', 1, { ...THIRD, previous: [6, 1] })]).opening).toBe(6)
    expect(recovered([]).opening).toBe(0)
  })
})
