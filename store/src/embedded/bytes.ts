/** Grows as it is written. All integers are unsigned LEB128 up to 2^53 unless named otherwise. */
export interface ByteWriter {
  u8(value: number): void
  varint(value: number): void
  /** Any integer of at most 2^52 in size; small ones of either sign are short. */
  signed(value: number): void
  bytes(value: Uint8Array): void
  readonly length: number
  /** A copy of everything written since `start`. */
  slice(start?: number): Uint8Array<ArrayBuffer>
  /** Forgets everything written from `length` on. */
  truncate(length: number): void
}

export const createByteWriter = (initialBytes = 1024): ByteWriter => {
  let buffer = new Uint8Array(initialBytes)
  let end = 0
  const reserve = (bytes: number): void => {
    if (end + bytes <= buffer.length) return
    const grown = new Uint8Array(Math.max(buffer.length * 2, end + bytes))
    grown.set(buffer.subarray(0, end))
    buffer = grown
  }
  const varint = (value: number): void => {
    reserve(8)
    let rest = value
    while (rest >= 0x80) {
      buffer[end++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    buffer[end++] = rest
  }
  return {
    u8(value) {
      reserve(1)
      buffer[end++] = value
    },
    varint,
    signed: value => varint(value < 0 ? -2 * value - 1 : 2 * value),
    bytes(value) {
      reserve(value.length)
      buffer.set(value, end)
      end += value.length
    },
    get length() {
      return end
    },
    slice: (start = 0) => buffer.slice(start, end),
    truncate(length) {
      end = length
    },
  }
}

/** Reads what a `ByteWriter` wrote. Reading past the end throws a RangeError: the bytes are damaged. */
export interface ByteReader {
  u8(): number
  varint(): number
  signed(): number
  /** A view, not a copy. */
  bytes(length: number): Uint8Array
  readonly done: boolean
}

export const createByteReader = (buffer: Uint8Array): ByteReader => {
  let at = 0
  const u8 = (): number => {
    const value = buffer[at++]
    if (value === undefined) throw new RangeError(`packed bytes: expected more than ${buffer.length}`)
    return value
  }
  const varint = (): number => {
    let byte = u8()
    let value = byte & 0x7f
    for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
      byte = u8()
      value += (byte & 0x7f) * scale
    }
    return value
  }
  return {
    u8,
    varint,
    signed() {
      const value = varint()
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    },
    bytes(length) {
      if (at + length > buffer.length) throw new RangeError(`packed bytes: expected ${length} more`)
      const view = buffer.subarray(at, at + length)
      at += length
      return view
    },
    get done() {
      return at >= buffer.length
    },
  }
}
