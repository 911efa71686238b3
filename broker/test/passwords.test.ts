import { describe, expect, it } from 'vitest'
import { HASH_PATTERN, hashPassword, openPasswordBook, type StoredPassword } from '../src/passwords.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

const book = async (entries: { readonly [username: string]: string }, hashed: boolean) => {
  const stored = await Promise.all(
    Object.entries(entries).map(
      async ([name, password]) =>
        [name, hashed ? { hash: await hashPassword(password) } : { plain: password }] as [string, StoredPassword],
    ),
  )
  return openPasswordBook(new Map(stored))
}

describe.each([
  ['plain', false],
  ['hashed', true],
])('a book of %s passwords', (_what, hashed) => {
  it('knows the right one, again and again, and no other', async () => {
    const { verify } = await book({ a: 'right', b: '合言葉' }, hashed)
    for (let round = 0; round < 2; round++) {
      expect(await verify('a', bytes('right'))).toBe(true)
      expect(await verify('b', bytes('合言葉'))).toBe(true)
      for (const wrong of ['Right', 'right ', 'righ', '', '合言葉', 'x'.repeat(10_000)]) {
        expect(await verify('a', bytes(wrong)), wrong).toBe(false)
      }
    }
  })

  it('knows nobody by another name, nor by a name that every object has', async () => {
    const { verify } = await book({ a: 'right' }, hashed)
    for (const name of ['b', '', 'A', '__proto__', 'constructor', 'toString']) {
      expect(await verify(name, bytes('right')), name).toBe(false)
    }
  })

  it('still refuses a wrong one after the right one has been seen, and the other way round', async () => {
    const { verify } = await book({ a: 'right' }, hashed)
    expect(await verify('a', bytes('wrong'))).toBe(false)
    expect(await verify('a', bytes('right'))).toBe(true)
    expect(await verify('a', bytes('wrong'))).toBe(false)
  })

  it('judges many at once, each by its own', async () => {
    const { verify } = await book({ a: 'right', b: 'other' }, hashed)
    const asked = Array.from({ length: 40 }, (_, index) => ['right', 'other', 'wrong'][index % 3] as string)
    expect(await Promise.all(asked.map(password => verify('a', bytes(password))))).toEqual(
      asked.map(password => password === 'right'),
    )
    expect(await verify('b', bytes('other'))).toBe(true)
  })
})

describe('a hash', () => {
  it('is salted, has the form that a configuration takes, and does not show the password', async () => {
    const [first, second] = await Promise.all([hashPassword('right'), hashPassword('right')])
    expect(first).not.toBe(second)
    expect(first).toMatch(new RegExp(HASH_PATTERN))
    expect(first).not.toContain('right')
  })

  it('of a higher cost, made elsewhere, is taken', async () => {
    // scrypt(password "right", salt of 16 bytes 0x01, N 16384, r 8, p 1), worked out with Python's hashlib.
    const hash = '$scrypt$ln=14,r=8,p=1$AQEBAQEBAQEBAQEBAQEBAQ$FJQ+/xN+UHsKhTg9TVjls9UKW7FXTSKuyGcdg3mKdPg'
    const { verify } = openPasswordBook(new Map([['a', { hash }]]))
    expect(await verify('a', bytes('right'))).toBe(true)
    expect(await verify('a', bytes('wrong'))).toBe(false)
  })

  it.each(['', 'right', '$scrypt$ln=9,r=8,p=1$AQEBAQEBAQEBAQEBAQEBAQ$x', '$2b$10$abcdefghijklmnopqrstuv'])(
    'that is none is refused at the start, not at the first guess: %j',
    hash => {
      expect(() => openPasswordBook(new Map([['a', { hash }]]))).toThrow(
        expect.objectContaining({ code: 'BROKER_HASH_MALFORMED' }),
      )
    },
  )
})
