import { type Lesson, rangeToRead } from '../timeline/plan.ts'
import { HOUR_MS } from '../timeline/rollup.ts'

/** Each has a rollup, of about a kilobyte. */
const HOURS_AT_ONCE = 4_000

/**
 * Lessons in their order, as many together as may be planned at once; at least one piece. A state that has lasted for weeks
 * touches every hour of them, and a single message may tell that of hundreds of machines.
 */
export const inPieces = (lessons: readonly Lesson[]): Lesson[][] => {
  let piece: Lesson[] = []
  const pieces = [piece]
  let hours = 0
  for (const lesson of lessons) {
    const more = hoursIn(lesson)
    if (piece.length > 0 && hours + more > HOURS_AT_ONCE) {
      piece = []
      pieces.push(piece)
      hours = 0
    }
    piece.push(lesson)
    hours += more
  }
  return pieces
}

const hoursIn = (lesson: Lesson): number => {
  const range = rangeToRead(lesson)
  return range === undefined ? 0 : (range.to - range.from) / HOUR_MS
}
