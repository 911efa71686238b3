import { STATE_CODES } from '@nakama/contract'
import type { StateInterval } from '@nakama/store'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fillTimeline, type LiveState, observedShare } from '../src/timeline.ts'

const NOBODY: LiveState = { state: 'OFFLINE', since: null, until: 0 }

const stored = (from: number, to: number, code: StateInterval['code'], provisional = false): StateInterval => ({
  ...{ from, to, code, since: from, provisional },
})

describe('a timeline', () => {
  it('is OFFLINE wherever nobody ever said anything', () => {
    expect(fillTimeline([], { from: 0, to: 100 }, NOBODY, 1_000)).toEqual([
      { from: 0, to: 100, state: 'OFFLINE', provisional: false },
    ])
    expect(fillTimeline([stored(20, 40, 'IDLE')], { from: 0, to: 100 }, NOBODY, 1_000)).toEqual([
      { from: 0, to: 20, state: 'OFFLINE', provisional: false },
      { from: 20, to: 40, state: 'IDLE', provisional: false },
      { from: 40, to: 100, state: 'OFFLINE', provisional: false },
    ])
  })

  it('is drawn on from the live status up to now, marked as not yet confirmed, and says nothing of the future', () => {
    const live: LiveState = { state: 'RUNNING', since: 30, until: 80 }
    expect(fillTimeline([stored(0, 50, 'RUNNING')], { from: 0, to: 200 }, live, 80)).toEqual([
      { from: 0, to: 50, state: 'RUNNING', provisional: false },
      { from: 50, to: 80, state: 'RUNNING', provisional: true },
    ])
  })

  it('is not drawn on beyond the moment at which we ceased to hear', () => {
    const live: LiveState = { state: 'IDLE', since: 0, until: 60 }
    expect(fillTimeline([], { from: 0, to: 100 }, live, 100)).toEqual([
      { from: 0, to: 60, state: 'IDLE', provisional: true },
      { from: 60, to: 100, state: 'OFFLINE', provisional: false },
    ])
  })

  it('joins neighbours of the same state', () => {
    const parts = [stored(0, 10, 'IDLE'), stored(10, 20, 'IDLE'), stored(20, 30, 'IDLE', true)]
    expect(fillTimeline(parts, { from: 0, to: 30 }, NOBODY, 30)).toEqual([
      { from: 0, to: 20, state: 'IDLE', provisional: false },
      { from: 20, to: 30, state: 'IDLE', provisional: true },
    ])
  })

  const cuts = fc
    .uniqueArray(fc.nat(1_000), { minLength: 2, maxLength: 30 })
    .map(times => times.toSorted((a, b) => a - b))
  const intervals = fc
    .tuple(cuts, fc.array(fc.tuple(fc.constantFrom(...STATE_CODES), fc.boolean(), fc.boolean())))
    .map(([times, kinds]) =>
      times.slice(1).flatMap((to, i) => {
        const [code, provisional, there] = kinds[i] ?? ['IDLE', false, false]
        return there ? [stored(times[i] as number, to, code, provisional)] : []
      }),
    )
  const live = fc.record({
    state: fc.constantFrom(...STATE_CODES),
    since: fc.option(fc.nat(1_000)),
    until: fc.nat(1_000),
  })

  it('covers its range once, without holes, and is never IDLE where nobody said so', () => {
    fc.assert(
      fc.property(
        intervals,
        live,
        fc.nat(999),
        fc.nat(1_000),
        fc.integer({ min: 1, max: 1_000 }),
        (known, now$, from, length, now) => {
          fc.pre(from < now)
          const range = { from, to: from + length + 1 }
          const end = Math.min(range.to, now)
          const clipped = known
            .filter(({ from: a, to: b }) => b > range.from && a < end)
            .map(part => ({ ...part, from: Math.max(part.from, range.from), to: Math.min(part.to, range.to) }))
          const stretches = fillTimeline(clipped, range, now$, now)
          expect(stretches[0]?.from).toBe(from)
          expect(stretches.at(-1)?.to).toBe(end)
          stretches.forEach((stretch, i) => {
            expect(stretch.to).toBeGreaterThan(stretch.from)
            if (i > 0) expect(stretch.from).toBe(stretches[i - 1]?.to)
          })
          for (let t = from; t < end; t += 7) {
            const shown = stretches.find(stretch => stretch.from <= t && t < stretch.to)?.state
            const said = clipped.find(part => part.from <= t && t < part.to)?.code
            const isLive = now$.since !== null && now$.since <= t && t < now$.until
            expect([said, ...(isLive ? [now$.state] : []), ...(said === undefined ? ['OFFLINE'] : [])]).toContain(shown)
            if (said !== undefined) expect(shown).toBe(said)
          }
          const share = observedShare(stretches)
          expect(share).toBeGreaterThanOrEqual(0)
          expect(share).toBeLessThanOrEqual(1)
        },
      ),
    )
  })
})
