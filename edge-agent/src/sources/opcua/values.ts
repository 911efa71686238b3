import { shortest, tidy } from '../numbers.ts'
import type { Value } from '../source.ts'

/** What we look at of an OPC UA DataValue. */
export interface RawDataValue {
  /** `isGoodish`, because `isGood` is false for a good value with an overflow bit. */
  readonly statusCode: { isGoodish(): boolean }
  readonly value?: { readonly dataType: number; readonly value: unknown } | null
}

/** Built-in type ids, OPC UA Part 6, table 1. */
const INT64 = 8
const UINT64 = 9
const FLOAT = 10
const NODE_ID = 17
const LOCALIZED_TEXT = 21

const TEXT_MAX = 200

/**
 * A boolean, a finite number (scaled) or a short text; null for everything else and for whatever is not good. Uncertain is not
 * good: it is how a server says that the value is of before it lost the machine.
 */
export const fromDataValue = (data: RawDataValue, scale: number, offset: number): Value => {
  if (!data.statusCode.isGoodish() || data.value === undefined || data.value === null) return null
  const plain = toPlain(data.value.dataType, data.value.value)
  if (typeof plain === 'string') return plain.length <= TEXT_MAX ? plain : null
  if (typeof plain !== 'number') return plain
  const scaled = plain * scale + offset
  return Number.isFinite(scaled) ? tidy(scaled) : null
}

const toPlain = (dataType: number, value: unknown): Value => {
  if ((dataType === INT64 || dataType === UINT64) && Array.isArray(value)) return fromHalves(dataType, value)
  if (dataType === LOCALIZED_TEXT) return toPlain(0, (value as { text?: unknown } | null)?.text)
  if (dataType === FLOAT && typeof value === 'number') return shortest(value)
  return typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string' ? value : null
}

const fromHalves = (dataType: number, [high, low]: readonly unknown[]): Value => {
  if (typeof high !== 'number' || typeof low !== 'number') return null
  const bits = (BigInt(high) << 32n) | BigInt(low)
  return Number(dataType === INT64 ? BigInt.asIntN(64, bits) : BigInt.asUintN(64, bits))
}

/** The node that a value points to, such as the current state of a state machine; undefined for any other value. */
export const nodeIdIn = ({ statusCode, value }: RawDataValue): string | undefined =>
  value?.dataType === NODE_ID && value.value !== null && statusCode.isGoodish() ? String(value.value) : undefined

/** `nsu=<URI>;<identifier>` by the server's own numbers, or undefined when it has no such namespace (yet). */
export const resolveNode = (node: string, namespaces: readonly string[]): string | undefined => {
  const match = /^nsu=([^;]+);(.+)$/.exec(node)
  if (match === null) return node
  const index = namespaces.indexOf(match[1] as string)
  return index < 0 ? undefined : `ns=${index};${match[2]}`
}
