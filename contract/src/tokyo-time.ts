/** Japan has one zone and no summer time. The board shows the shops' time wherever it hangs. */
const ZONE = 'Asia/Tokyo'
const TOKYO_OFFSET_MS = 9 * 3_600_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000

const dates = {
  ja: new Intl.DateTimeFormat('ja-JP', { timeZone: ZONE, month: 'long', day: 'numeric', weekday: 'short' }),
  en: new Intl.DateTimeFormat('en-GB', { timeZone: ZONE, weekday: 'short', day: 'numeric', month: 'short' }),
}
const shortDate = new Intl.DateTimeFormat('ja-JP', { timeZone: ZONE, month: 'numeric', day: 'numeric' })

/** 14:05. By arithmetic: every tile asks at every tick, and formatters are slow. */
export const clockTime = (ms: number): string => {
  const minutes = Math.floor((ms + TOKYO_OFFSET_MS) / MINUTE_MS) % (24 * 60)
  return `${twoDigits(Math.floor(minutes / 60))}:${twoDigits(minutes % 60)}`
}

export const secondsText = (ms: number): string => twoDigits(Math.floor(ms / 1000) % 60)

/** 11月24日(火), Tue 24 Nov */
export const dateText = (ms: number, lang: 'ja' | 'en'): string => dates[lang].format(ms)

/** 14:05, or with the day when that was not today: 11/23 14:05 */
export const sinceTime = (ms: number, now: number): string =>
  dayOf(ms) === dayOf(now) ? clockTime(ms) : `${shortDate.format(ms)} ${clockTime(ms)}`

/** Whole minutes below a day, hours above: 25分, 3時間5分, 2日4時間. */
export const durationText = (ms: number, lang: 'ja' | 'en'): string => {
  const units = lang === 'ja' ? { d: '日', h: '時間', m: '分', gap: '' } : { d: ' d', h: ' h', m: ' min', gap: ' ' }
  if (ms < MINUTE_MS) return lang === 'ja' ? '1分未満' : '< 1 min'
  const minutes = Math.floor(ms / MINUTE_MS)
  if (minutes < 60) return `${minutes}${units.m}`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return join(hours, units.h, minutes % 60, units.m, units.gap)
  return join(Math.floor(hours / 24), units.d, hours % 24, units.h, units.gap)
}

/** How long past: 25分前, 25 min ago. */
export const agoText = (ms: number, lang: 'ja' | 'en'): string => {
  if (ms < MINUTE_MS) return lang === 'ja' ? '1分以内' : 'less than a minute ago'
  return lang === 'ja' ? `${durationText(ms, lang)}前` : `${durationText(ms, lang)} ago`
}

/** Midnight in Tokyo at the end of the day on which `ms` falls. */
export const endOfDay = (ms: number): number => (dayOf(ms) + 1) * DAY_MS - TOKYO_OFFSET_MS

/** Midnight in Tokyo at the end of the coming Sunday. */
export const endOfWeek = (ms: number): number => {
  // Day 0 of the count was a Thursday.
  const weekday = (dayOf(ms) + 3) % 7
  return endOfDay(ms) + (6 - weekday) * DAY_MS
}

/** Every `stepHours` on the clock in Tokyo, within [from, to]. */
export const hourMarks = (from: number, to: number, stepHours: number): number[] => {
  const step = stepHours * HOUR_MS
  const marks: number[] = []
  const first = Math.ceil((from + TOKYO_OFFSET_MS) / step) * step - TOKYO_OFFSET_MS
  for (let at = first; at <= to; at += step) marks.push(at)
  return marks
}

const twoDigits = (n: number): string => String(n).padStart(2, '0')

const dayOf = (ms: number): number => Math.floor((ms + TOKYO_OFFSET_MS) / DAY_MS)

const join = (big: number, bigUnit: string, small: number, smallUnit: string, gap: string): string =>
  small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit}${gap}${small}${smallUnit}`
