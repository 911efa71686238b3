import { between, hash, type Random, streamOf } from './random.ts'

// All times are milliseconds since 1970 UTC. Tokyo has no summer time.
const HOUR = 3_600_000
const MINUTE = 60_000
const DAY = 24 * HOUR
const TOKYO = 9 * HOUR

export interface Span {
  readonly from: number
  readonly to: number
}

/** When the people of a shop are there on one day. */
export interface Shift extends Span {
  readonly breaks: readonly Span[]
  /** Whoever leaves last cuts the breaker, and everything is dead until morning. */
  readonly breaker: boolean
}

export type Attendance =
  | { readonly type: 'work'; readonly until: number; readonly shift: Shift }
  | { readonly type: 'break'; readonly until: number; readonly shift: Shift }
  | { readonly type: 'closed'; readonly until: number; readonly breaker: boolean }

/** The day in Tokyo, counted since 1970. */
export const dayOf = (at: number): number => Math.floor((at + TOKYO) / DAY)

export const dayStart = (day: number): number => day * DAY - TOKYO

/** Whether anybody is at the machines, why not, and until when that holds. Pure: the same for all machines of a shop. */
export const attendanceAt = (seed: number, shop: string, at: number): Attendance => {
  const day = dayOf(at)
  const shift = shiftOf(seed, shop, day)
  if (shift !== undefined && at >= shift.from && at < shift.to) {
    const pause = shift.breaks.find(({ to }) => at < to)
    if (pause !== undefined && at >= pause.from) return { type: 'break', until: pause.to, shift }
    return { type: 'work', until: pause?.from ?? shift.to, shift }
  }
  const before = shift !== undefined && at >= shift.to ? shift : lastShift(seed, shop, day - 1)
  const next = shift !== undefined && at < shift.from ? shift : nextShift(seed, shop, day + 1)
  return { type: 'closed', until: next.from, breaker: before.breaker }
}

/** 08:00–17:00 with breaks at ten, noon and three; overtime sometimes; some Saturday mornings; undefined on a day off. */
export const shiftOf = (seed: number, shop: string, day: number): Shift | undefined => {
  const weekday = (day + 4) % 7
  const random = streamOf(hash(`shift ${shop}`, seed, day))
  const [early, late, overtime, saturday, breaker] = [random(), random(), random(), random(), random()]
  const at = (hours: number, minutes = 0): number => dayStart(day) + hours * HOUR + minutes * MINUTE
  const from = at(8) + (early - 0.7) * 15 * MINUTE
  if (weekday === 0 || (weekday === 6 && saturday > 0.3)) return undefined
  const span = (hours: number, minutes: number, lengthMin: number): Span => ({
    from: at(hours, minutes),
    to: at(hours, minutes + lengthMin),
  })
  const morning = span(10, 0, 15)
  if (weekday === 6) return { from, to: at(12) + late * 10 * MINUTE, breaks: [morning], breaker: breaker < 0.4 }
  const breaks = [morning, span(12, 0, 60), span(15, 0, 15)]
  const long = overtime < 0.35
  return {
    from,
    to: long ? at(18) + overtimeMs(random) : at(17) + late * 10 * MINUTE,
    breaks: long ? [...breaks, span(17, 0, 15)] : breaks,
    breaker: breaker < 0.4,
  }
}

const overtimeMs = (random: Random): number => between(random, [0, 2 * HOUR])

const lastShift = (seed: number, shop: string, day: number): Shift =>
  shiftOf(seed, shop, day) ?? lastShift(seed, shop, day - 1)

const nextShift = (seed: number, shop: string, day: number): Shift =>
  shiftOf(seed, shop, day) ?? nextShift(seed, shop, day + 1)
