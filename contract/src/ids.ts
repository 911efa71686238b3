import { Type } from 'typebox'

/** Ids of shops, agents and machines. A machine id is unique within its shop. */
export const ID_PATTERN = '^[a-z0-9-]{1,32}$'

export const Id = Type.String({ pattern: ID_PATTERN })

const ID = new RegExp(ID_PATTERN)

export const isId = (text: string): boolean => ID.test(text)

/** A journal's epoch: 16 hex digits, random, new at every opening, so that no batch identity is ever used twice. */
export const Epoch = Type.String({ pattern: '^[0-9a-f]{16}$' })

/** Sixteen hex digits, for whatever must not occur twice. @param random numbers in [0, 1). */
export const randomHex = (random: () => number): string =>
  [0, 1]
    .map(() =>
      Math.floor(random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0'),
    )
    .join('')

/** A store's id: random, made with the store. */
export const StoreId = Type.String({ pattern: '^[0-9a-f]{16}$' })

/** Milliseconds since 1970-01-01T00:00:00Z. Every time on the wire and in the store is one. */
export const Millis = Type.Integer({ minimum: 0, maximum: 8_640_000_000_000_000 })
