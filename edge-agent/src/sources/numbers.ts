/** A float32 as the decimal that was meant: 0.1, not 0.10000000149011612. Seven digits are all it has. */
export const shortest = (float32: number): number =>
  Number.isFinite(float32) ? Number(float32.toPrecision(7)) : float32

/** 123 × 0.1 as 12.3, not 12.3 and a tail of binary: no signal has more than twelve digits. */
export const tidy = (value: number): number => (Number.isInteger(value) ? value : Number(value.toPrecision(12)))
