/** Numbers in [0, 1), always the same ones for the same key. */
export type Random = () => number

/** 32 bits of a text and some numbers (FNV-1a, then mixed so that neighbouring keys have nothing in common). */
export const hash = (text: string, ...numbers: readonly number[]): number => {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  for (const number of numbers) {
    // A time in milliseconds has more than 32 bits.
    h = Math.imul(h ^ (number | 0), 0x01000193)
    h = Math.imul(h ^ Math.floor(number / 2 ** 32), 0x01000193)
    h = mix(h)
  }
  return mix(h) >>> 0
}

const mix = (h: number): number => {
  let x = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return x ^ (x >>> 16)
}

/** A stream of its own for every key (mulberry32). */
export const streamOf = (key: number): Random => {
  let state = key
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

export type Range = readonly [low: number, high: number]

export const between = (random: Random, [low, high]: Range): number => low + (high - low) * random()

/** As likely between 1 and 2 as between 10 and 20: durations of work are like that. */
export const spread = (random: Random, [low, high]: Range): number => low * (high / low) ** random()

/** The time until something that happens on average once every `mean`. */
export const waitFor = (random: Random, mean: number): number => -Math.log(1 - random()) * mean

/** Roughly normal, mean 0, deviation 1, never beyond 3. */
export const bell = (random: Random): number => (random() + random() + random() - 1.5) * 2
