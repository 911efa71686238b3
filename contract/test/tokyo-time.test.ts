import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  agoText,
  clockTime,
  dateText,
  durationText,
  endOfDay,
  endOfWeek,
  hourMarks,
  secondsText,
  sinceTime,
} from '../src/tokyo-time.ts'

// Tuesday in Tokyo.
const AT = Date.parse('2026-11-24T14:05:09+09:00')
const MIN = 60_000
const HOUR = 60 * MIN

test('the clock is that of the shops, as the formatter of the platform has it', () => {
  const tokyo = new Intl.DateTimeFormat('en-GB', { timeZone: 'Asia/Tokyo', timeStyle: 'medium' })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_000_000_000_000 }), ms => {
      expect(`${clockTime(ms)}:${secondsText(ms)}`).toBe(tokyo.format(ms))
    }),
  )
})

test('dates are as people write them', () => {
  expect(dateText(AT, 'ja')).toBe('11月24日(火)')
  expect(dateText(AT, 'en')).toBe('Tue 24 Nov')
})

test('a time of another day says which, by the calendar of Tokyo', () => {
  expect(sinceTime(AT - HOUR, AT)).toBe('13:05')
  expect(sinceTime(AT - 15 * HOUR, AT)).toBe('11/23 23:05')
  // Still yesterday in Greenwich, but today at the shops.
  expect(sinceTime(Date.parse('2026-11-24T00:30:00+09:00'), AT)).toBe('00:30')
})

test('durations are whole minutes, then hours, then days', () => {
  const lengths = [30_000, 25 * MIN, HOUR, 3 * HOUR + 5 * MIN, 26 * HOUR, 48 * HOUR]
  expect(lengths.map(ms => durationText(ms, 'ja'))).toEqual(['1分未満', '25分', '1時間', '3時間5分', '1日2時間', '2日'])
  expect(lengths.map(ms => durationText(ms, 'en'))).toEqual(['< 1 min', '25 min', '1 h', '3 h 5 min', '1 d 2 h', '2 d'])
})

test('what is just past is said in words, even when the clocks disagree by a little', () => {
  expect([agoText(-500, 'ja'), agoText(59_999, 'ja'), agoText(25 * MIN, 'ja')]).toEqual([
    '1分以内',
    '1分以内',
    '25分前',
  ])
  expect([agoText(0, 'en'), agoText(25 * MIN, 'en')]).toEqual(['less than a minute ago', '25 min ago'])
})

test('today ends at midnight in Tokyo, the week on Sunday night', () => {
  expect(new Date(endOfDay(AT)).toISOString()).toBe('2026-11-24T15:00:00.000Z')
  expect(new Date(endOfWeek(AT)).toISOString()).toBe('2026-11-29T15:00:00.000Z')
  const sunday = Date.parse('2026-11-29T23:59:59+09:00')
  expect(endOfWeek(sunday)).toBe(endOfDay(sunday))
  expect(endOfWeek(sunday + 1_000)).toBe(endOfDay(sunday + 1_000) + 6 * 24 * HOUR)
})

test('the marks of a day stand on full hours of the clock in Tokyo', () => {
  const marks = hourMarks(AT - 24 * HOUR, AT, 3)
  expect(marks.map(clockTime)).toEqual(['15:00', '18:00', '21:00', '00:00', '03:00', '06:00', '09:00', '12:00'])
})
