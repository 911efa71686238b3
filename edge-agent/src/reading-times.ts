/** So far back a clock may be set, in readings: a quarter of an hour of one a second. */
const REMEMBERED = 1_024

/**
 * Gives every reading of one machine a time of its own, in milliseconds. A clock that is set back gives times once more, and of two readings of
 * one time the database would keep one: the later one takes the next free millisecond.
 */
export const createReadingTimes = (): ((at: number) => number) => {
  const given = new Set<number>()
  return at => {
    let free = at
    while (given.has(free)) free += 1
    given.add(free)
    if (given.size > REMEMBERED) given.delete(given.values().next().value as number)
    return free
  }
}
