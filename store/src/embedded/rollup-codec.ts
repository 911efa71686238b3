import { STATE_CODES } from '@nakama/contract'
import type { MinutesByState } from '../store.ts'
import { createByteReader, createByteWriter } from './bytes.ts'
import { STATE_NUMBERS } from './schema.ts'

const MINUTES = 60
const HOURS = 24

/**
 * Minutes of one hour: per state that occurs, its number and runs of (length, milliseconds) that cover 60 minutes. Most
 * hours are long runs of 0 and 60,000, so that a few bytes are enough.
 */
export const encodeMinutes = (minutes: MinutesByState): Uint8Array<ArrayBuffer> => {
  const out = createByteWriter(64)
  for (const code of STATE_CODES) {
    const column = minutes[code]
    if (column?.some(ms => ms > 0) !== true) continue
    out.u8(STATE_NUMBERS[code])
    for (let at = 0; at < MINUTES; ) {
      let end = at + 1
      while (end < MINUTES && column[end] === column[at]) end++
      out.u8(end - at)
      out.varint(column[at] as number)
      at = end
    }
  }
  return out.slice()
}

/** 60 × 7 numbers: minute by minute, milliseconds in each state in the order of `STATE_NUMBERS`. */
export const decodeMinutes = (bytes: Uint8Array): Uint32Array => {
  const table = new Uint32Array(MINUTES * STATE_CODES.length)
  const input = createByteReader(bytes)
  while (!input.done) {
    const column = input.u8() - 1
    for (let at = 0; at < MINUTES; ) {
      const end = at + input.u8()
      const ms = input.varint()
      for (; at < end; at++) table[at * STATE_CODES.length + column] = ms
    }
  }
  return table
}

/** Sums of one hour, in the order of `STATE_NUMBERS`. */
export const sumMinutes = (minutes: MinutesByState): number[] =>
  STATE_CODES.map(code => (minutes[code] ?? []).reduce((sum, ms) => sum + ms, 0))

/**
 * A day of hour sums: 24 slots of one byte for the kind (0: this hour is not known) and 7 × 3 bytes of milliseconds, big
 * end first. An hour has 3,600,000 ms, which fits into 22 bits.
 */
const SLOT_BYTES = 1 + 3 * STATE_CODES.length

export const emptyDay = (): Uint8Array<ArrayBuffer> => new Uint8Array(HOURS * SLOT_BYTES)

/** Writes into `day` in place. All sums 0 takes the hour out. */
export const setHour = (day: Uint8Array, hourOfDay: number, kind: number, sums: readonly number[]): void => {
  let at = hourOfDay * SLOT_BYTES
  const known = sums.some(ms => ms > 0)
  day[at++] = known ? kind : 0
  for (const ms of sums) {
    day[at++] = ms >>> 16
    day[at++] = ms >>> 8
    day[at++] = ms
  }
}

/** The kind of the machine in that hour; 0 when nothing is known. */
export const kindOfHour = (day: Uint8Array, hourOfDay: number): number => day[hourOfDay * SLOT_BYTES] as number

/** Copies the 7 sums of one hour to `target[offset…]`. */
export const copyHour = (day: Uint8Array, hourOfDay: number, target: Uint32Array, offset: number): void => {
  let at = hourOfDay * SLOT_BYTES + 1
  for (let column = 0; column < STATE_CODES.length; column++, at += 3) {
    target[offset + column] = ((day[at] as number) << 16) | ((day[at + 1] as number) << 8) | (day[at + 2] as number)
  }
}
