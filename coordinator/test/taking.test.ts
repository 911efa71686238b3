import { newerTaking, type Taking } from '@nakama/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nextRev, type ReportedTaking, shopTaking } from '../src/taking.ts'

const NOW = 1_000_000
const take = (value: boolean, rev: number, until: number | null = null): Taking => ({ value, until, rev })

describe('what a shop says', () => {
  it('is unknown while it never said anything, even when something was asked', () => {
    expect(shopTaking([undefined], undefined, NOW)).toEqual({ value: null, until: null, request: null })
    expect(shopTaking([undefined], take(true, 1), NOW)).toEqual({
      value: null,
      until: null,
      request: { ...take(true, 1), status: 'waiting', why: null },
    })
  })

  it('is the newest of what its agents say', () => {
    expect(shopTaking([take(true, 2), undefined, take(false, 3)], undefined, NOW).value).toBe(false)
    expect(shopTaking([take(true, 3), take(false, 3)], undefined, NOW).value).toBe(false)
  })

  it('lapses into its opposite when its time has come', () => {
    expect(shopTaking([take(false, 1, NOW + 1)], undefined, NOW)).toMatchObject({ value: false, until: NOW + 1 })
    expect(shopTaking([take(false, 1, NOW)], undefined, NOW)).toMatchObject({ value: true, until: null })
    expect(shopTaking([take(true, 1, NOW)], undefined, NOW)).toMatchObject({ value: false, until: null })
  })
})

describe('what was asked of a shop', () => {
  const request = (reported: readonly (ReportedTaking | undefined)[], desired: Taking) =>
    shopTaking(reported, desired, NOW).request

  it('waits until the last agent has applied it', () => {
    expect(request([take(true, 1), take(false, 2)], take(false, 2))?.status).toBe('waiting')
    expect(request([take(false, 2), take(false, 2)], take(false, 2))).toBeNull()
  })

  it('is over when the shop has said something newer', () => {
    expect(request([take(true, 3)], take(false, 2))).toBeNull()
    expect(request([take(true, 3), take(true, 1), undefined], take(false, 2))).toBeNull()
    expect(request([{ ...take(true, 3), refused: { rev: 2, why: 'newer' } }], take(false, 2))).toBeNull()
  })

  it('at a tie waits for 休む, and does not wait for 受ける, which loses', () => {
    expect(request([take(true, 2)], take(false, 2))?.status).toBe('waiting')
    expect(request([take(false, 2)], take(true, 2))).toBeNull()
  })

  it('was refused when an agent says so of this rev, and of no other', () => {
    const refused = (rev: number): ReportedTaking => ({ ...take(true, 1), refused: { rev, why: 'disk full' } })
    expect(request([refused(2)], take(false, 2))).toMatchObject({ status: 'refused', why: 'disk full' })
    expect(request([refused(1)], take(false, 2))).toMatchObject({ status: 'waiting', why: null })
  })

  it('is over when its time has passed', () => {
    expect(request([undefined], take(false, 2, NOW))).toBeNull()
  })
})

describe('the next rev', () => {
  const taking = fc.record({
    value: fc.boolean(),
    until: fc.option(fc.integer({ min: 0, max: 2 * NOW })),
    rev: fc.nat(20),
  })
  const reportedTaking = fc.option(taking, { nil: undefined })

  it('wins over everything that was ever said or asked, and agents that follow the rule settle it', () => {
    fc.assert(
      fc.property(
        fc.array(reportedTaking, { minLength: 1, maxLength: 4 }),
        fc.option(taking, { nil: undefined }),
        fc.boolean(),
        (reported, before, value) => {
          const desired = { value, until: null, rev: nextRev(reported, before) }
          const applied = reported.map(said => newerTaking(said ?? take(true, 0), desired))
          expect(applied.every(said => said === desired)).toBe(true)
          expect(shopTaking(reported, desired, NOW).request?.status).toBe('waiting')
          expect(shopTaking(applied, desired, NOW)).toEqual({ value, until: null, request: null })
        },
      ),
    )
  })

  it('goes beyond a refused one', () => {
    expect(nextRev([{ ...take(true, 1), refused: { rev: 7, why: 'no' } }], take(false, 3))).toBe(8)
  })
})
