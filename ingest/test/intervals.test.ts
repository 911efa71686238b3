import type { NakamaRecord, StateCode } from '@nakama/contract'
import { STATE_CODES } from '@nakama/contract'
import type { StateInterval } from '@nakama/store'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sortRecord } from '../src/intake/sort.ts'
import { type Claim, difference, HOLD_MAX_MS, learn, presume } from '../src/timeline/intervals.ts'
import { HOUR, historyOf, livesOnCards, MINUTE, MORNING } from './support/history.ts'

const claimsOf = (records: readonly NakamaRecord[]): Claim[] =>
  records.flatMap(record => {
    const sorted = sortRecord({ shop: 's', agent: 'a' }, record, MORNING + 30 * 24 * HOUR)
    return sorted.ok && sorted.claim !== undefined ? [sorted.claim.claim] : []
  })

/** The definition, instant by instant, from all claims at once: slow, and nothing like `learn`. */
const definition = (claims: readonly Claim[]): StateInterval[] => {
  const edges = [...new Set(claims.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b)
  const pieces = edges.slice(0, -1).map((from, i) => {
    const to = edges[i + 1]!
    const best = claims
      .filter(claim => claim.from <= from && to <= claim.to)
      .sort((a, b) => b.since - a.since || STATE_CODES.indexOf(b.code) - STATE_CODES.indexOf(a.code))[0]
    return { from, to, said: best && { code: best.code, since: best.since } }
  })
  const result: StateInterval[] = []
  for (const [i, { from, to, said }] of pieces.entries()) {
    const held = to - from <= HOLD_MAX_MS ? pieces[i - 1]?.said : undefined
    const state = said ?? held
    const end = said === undefined ? Math.min(to, pieces[i + 1]?.said?.since ?? to) : to
    if (state === undefined || end <= from) continue
    const last = result.at(-1)
    if (last?.to === from && last.code === state.code && last.since === state.since) {
      result[result.length - 1] = { ...last, to: end }
    } else result.push({ from, to: end, ...state, provisional: false })
  }
  return result
}

const at = (minute: number): number => MORNING + minute * MINUTE
const claim = (code: StateCode, since: number, to: number): Claim => ({
  code,
  since: at(since),
  from: at(since),
  to: at(to),
})
const shown = (list: readonly StateInterval[]): string =>
  list
    .map(({ code, from, to, provisional }) => {
      const minutes = [from, to].map(time => (time - MORNING) / MINUTE).join('-')
      return `${code} ${minutes}${provisional ? '?' : ''}`
    })
    .join(', ')

/** An agent sends epoch by epoch: where a new card begins is told before anything later. */
const inTurn = (claims: readonly Claim[]): Claim[] => {
  const cards = claims.filter(({ isGap, since, from }) => isGap === true && since < from)
  return claims.flatMap(each => [...cards.filter(({ to }) => to <= each.from), each])
}

describe('what is known of a machine', () => {
  it('holds a state between two records, and from a back-dated one corrects the heartbeats before it', () => {
    const known = learn([], [claim('RUNNING', 0, 0.5), claim('RUNNING', 0, 5), claim('RUNNING', 0, 10)])
    expect(shown(known)).toBe('RUNNING 0-10')
    expect(shown(learn(known, [claim('IDLE', 7, 12), claim('SETUP', 15, 16)]))).toBe(
      'RUNNING 0-7, IDLE 7-15, SETUP 15-16',
    )
  })

  it('stays unknown where records are missing for longer than two heartbeats', () => {
    expect(shown(learn([], [claim('RUNNING', 0, 5), claim('IDLE', 15, 16)]))).toBe('RUNNING 0-15, IDLE 15-16')
    expect(shown(learn([], [claim('RUNNING', 0, 5), claim('IDLE', 15.1, 16)]))).toBe('RUNNING 0-5, IDLE 15.1-16')
  })

  it('gives the last word to OFFLINE where two claims begin together: unknown is never idle', () => {
    const idle = claim('IDLE', 0, 0.5)
    const offline = claim('OFFLINE', 0, 3)
    for (const claims of [
      [idle, offline],
      [offline, idle],
    ]) {
      expect(shown(learn([], claims))).toBe('OFFLINE 0-3')
    }
  })

  it('lets a gap end where it says: what a record knows of the time behind it stays', () => {
    const beats = [claim('RUNNING', 0, 5), claim('RUNNING', 0, 10)]
    const gap: Claim = { ...claim('OFFLINE', 2, 4), isGap: true }
    for (const claims of [
      [...beats, gap],
      [gap, ...beats],
    ]) {
      expect(shown(learn([], claims))).toBe('RUNNING 0-2, OFFLINE 2-4, RUNNING 4-10')
    }
  })

  it('holds nothing up to where a new card begins, however soon that is: unknown is never idle', () => {
    const before = [claim('IDLE', 0, 1), claim('IDLE', 0, 5)]
    const first = claim('IDLE', 8, 9)
    const card = claimsOf([
      { type: 'gap', at: at(8), machine: 'm1', from: at(8), to: at(8), what: 'all', why: 'journal-new' },
    ])
    for (const groups of [[[...before, ...card, first]], [before, card, [first]], [card, [first], before]]) {
      const known = groups.reduce(learn, [] as StateInterval[])
      expect(known.map(({ code, from, to }) => [code, from, to])).toEqual([
        ['IDLE', at(0), at(5)],
        ['OFFLINE', at(8) - 1, at(8)],
        ['IDLE', at(8), at(9)],
      ])
    }
  })

  it('replaces what was presumed by what is confirmed or held, and by nothing else', () => {
    const presumed = presume(learn([], [claim('RUNNING', 0, 5)]), claim('OFFLINE', 5, 30))
    expect(shown(presumed)).toBe('RUNNING 0-5, OFFLINE 5-30?')
    expect(shown(learn(presumed, [claim('IDLE', 9, 12)]))).toBe('RUNNING 0-9, IDLE 9-12, OFFLINE 12-30?')
    expect(shown(learn(presumed, [claim('IDLE', 20, 40)]))).toBe('RUNNING 0-5, OFFLINE 5-20?, IDLE 20-40')
  })

  it('is what its definition says, of every honest history', () => {
    fc.assert(
      fc.property(livesOnCards, parts => {
        const claims = historyOf('m1', parts).flatMap(claimsOf)
        expect(learn([], claims)).toEqual(definition(claims))
      }),
      { numRuns: 300 },
    )
  })

  it('is the same whatever order, grouping and repetition the records come in', () => {
    const arrival = livesOnCards.chain(parts => {
      const claims = historyOf('m1', parts).flatMap(claimsOf)
      const order = fc.shuffledSubarray(
        claims.map((_, i) => i),
        { minLength: claims.length },
      )
      const again = fc.array(fc.nat({ max: claims.length - 1 }), { maxLength: 10 })
      return fc.record({ claims: fc.constant(claims), order, again, groupOf: fc.integer({ min: 1, max: 9 }) })
    })
    fc.assert(
      fc.property(arrival, ({ claims, order, again, groupOf }) => {
        const coming = inTurn([...order, ...again].map(i => claims[i]!))
        let known: StateInterval[] = []
        for (let i = 0; i < coming.length; i += groupOf) known = learn(known, coming.slice(i, i + groupOf))
        expect(known).toEqual(learn([], claims))
      }),
      { numRuns: 500 },
    )
  })

  it('needs as writes exactly the difference: written over the former, it gives the latter', () => {
    fc.assert(
      fc.property(livesOnCards, fc.nat(), (parts, cut) => {
        const claims = historyOf('m1', parts).flatMap(claimsOf)
        const before = learn([], claims.slice(0, cut % (claims.length + 1)))
        const after = learn(before, claims)
        const written = difference(before, after).reduce(
          (list, { provisional: _, ...span }) => presume(list, span).map(known => ({ ...known, provisional: false })),
          before,
        )
        expect(learn(written, [])).toEqual(after)
        expect(difference(after, after)).toEqual([])
      }),
      { numRuns: 200 },
    )
  })
})
