import { createHmac, randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { NakamaError } from '@nakama/contract'

/** How a configuration gives a password: as it is (from a secret), or as `hashPassword` wrote it. */
export type StoredPassword = { readonly plain: string } | { readonly hash: string }

export interface PasswordBook {
  /** Whether this is the password of that name. Never throws; an unknown name and an empty password are wrong. */
  verify(username: string, password: Uint8Array): Promise<boolean>
}

/**
 * Checks passwords in constant time. A scrypt hash is worked out once per name: after that the book remembers an HMAC of
 * the right password under a key that lives and dies with the process, so that five hundred agents that come back at
 * once cost five hundred HMACs, and a wrong password costs no more.
 */
export const openPasswordBook = (entries: ReadonlyMap<string, StoredPassword>): PasswordBook => {
  const key = randomBytes(32)
  const digest = (password: Uint8Array): Buffer => createHmac('sha256', key).update(password).digest()
  const known = new Map<string, Buffer>()
  const hashes = new Map<string, ScryptHash>()
  for (const [username, stored] of entries) {
    if ('plain' in stored) known.set(username, digest(Buffer.from(stored.plain)))
    else hashes.set(username, parseHash(stored.hash))
  }
  const oneOfFew = createQueue(HASHES_AT_ONCE)

  return {
    async verify(username, password) {
      if (password.length === 0) return false
      const given = digest(password)
      const right = known.get(username)
      if (right !== undefined) return timingSafeEqual(right, given)
      const hash = hashes.get(username)
      if (hash === undefined) return false
      return oneOfFew(async () => {
        // Whoever waited in front of us may have worked it out.
        const right = known.get(username)
        if (right !== undefined) return timingSafeEqual(right, given)
        const same = timingSafeEqual(await derive(password, hash), hash.derived)
        if (same) known.set(username, given)
        return same
      })
    },
  }
}

/**
 * A password as a PHC string: `$scrypt$ln=12,r=8,p=1$<salt>$<hash>`. The cost is low on purpose: these passwords are random
 * keys made by software, not words that somebody could guess.
 */
export const hashPassword = async (password: string): Promise<string> => {
  const hash = { costLog2: COST_LOG2, salt: randomBytes(16), derived: Buffer.alloc(0) }
  const derived = await derive(Buffer.from(password), hash)
  return `$scrypt$ln=${COST_LOG2},r=8,p=1$${unpadded(hash.salt)}$${unpadded(derived)}`
}

/** What `hashPassword` writes; a cost (`ln`) of up to 17 is taken. */
export const HASH_PATTERN = '^\\$scrypt\\$ln=(1[0-7]),r=8,p=1\\$([A-Za-z0-9+/]{22,43})\\$([A-Za-z0-9+/]{43})$'

interface ScryptHash {
  readonly costLog2: number
  readonly salt: Buffer
  readonly derived: Buffer
}

const COST_LOG2 = 12
const DERIVED_BYTES = 32
const HASH = new RegExp(HASH_PATTERN)
/** libuv has four threads by default, which others need too. */
const HASHES_AT_ONCE = 2

const parseHash = (text: string): ScryptHash => {
  const [, cost, salt, derived] = HASH.exec(text) ?? []
  if (cost === undefined || salt === undefined || derived === undefined) {
    throw new NakamaError('BROKER_HASH_MALFORMED', 'password hash: expected $scrypt$ln=…,r=8,p=1$<salt>$<hash>')
  }
  return { costLog2: Number(cost), salt: Buffer.from(salt, 'base64'), derived: Buffer.from(derived, 'base64') }
}

const derive = (password: Uint8Array, { costLog2, salt }: ScryptHash): Promise<Buffer> => {
  const options: ScryptOptions = { N: 2 ** costLog2, r: 8, p: 1, maxmem: 256 * 1024 * 1024 }
  return new Promise((resolve, reject) => {
    scrypt(password, salt, DERIVED_BYTES, options, (error, derived) => (error ? reject(error) : resolve(derived)))
  })
}

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '')

/** Runs at most `atOnce` jobs at a time, in order. Bounded by its callers: one job per connection. */
const createQueue = (atOnce: number): (<T>(job: () => Promise<T>) => Promise<T>) => {
  const waiting: (() => void)[] = []
  let running = 0
  return async job => {
    if (running >= atOnce) await new Promise<void>(resolve => waiting.push(resolve))
    else running += 1
    try {
      return await job()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running -= 1
      else next()
    }
  }
}
