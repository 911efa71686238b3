import { X509Certificate } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NakamaError } from '@nakama/contract'

/**
 * The certificates of servers, in the folders that OPC UA programs commonly use: `trusted/certs` and `rejected`. A person
 * or the first use trusts one certificate, by its fingerprint. Its dates and its issuer are not asked: a Pi does not always know
 * the time, nobody renews the certificate of a lathe, and a machine that falls silent for it would help nobody.
 */
export interface TrustStore {
  /** Whether this server may be talked to. A certificate that is refused is kept for `accept`. */
  check(der: Buffer, endpoint: string, isFirstUseEnough: boolean): Promise<Verdict>
  list(): Promise<ServerCertificate[]>
  /** @throws NakamaError `NO_SUCH_CERTIFICATE` when none or more than one fits the fingerprint; so does `reject`. */
  accept(fingerprint: string): Promise<ServerCertificate>
  reject(fingerprint: string): Promise<ServerCertificate>
}

export interface Verdict {
  readonly isTrusted: boolean
  /** True when it is trusted from now on, because it is the first that this endpoint ever showed. */
  readonly isNew: boolean
  readonly fingerprint: string
}

export interface ServerCertificate {
  readonly state: 'trusted' | 'rejected'
  /** SHA-1 in hexadecimal: the thumbprint that machines show on their screens. */
  readonly fingerprint: string
  readonly subject: string
  /** Host names and addresses that the certificate names, and the server's application URI. */
  readonly names: readonly string[]
  readonly validFrom: Date
  readonly validTo: Date
  /** Where it was met; undefined for one that was copied here by hand. */
  readonly endpoint: string | undefined
}

/** Servers that are refused again and again with ever new certificates must not fill the card. */
const REJECTED_MAX = 50
const FILE_MAX_BYTES = 64 * 1024
const FINGERPRINT_MIN = 6

/** @param dir made when it is needed; nothing is kept in memory, so that a command works beside a running agent. */
export const openTrustStore = (dir: string): TrustStore => {
  const folders = { trusted: join(dir, 'trusted', 'certs'), rejected: join(dir, 'rejected') }

  const entriesOf = async (state: ServerCertificate['state']): Promise<Entry[]> => {
    const names = await readdir(folders[state]).catch(() => [])
    const entries = await Promise.all(
      names
        .filter(name => /\.(pem|der|crt|cer)$/i.test(name))
        .map(name => readEntry(state, join(folders[state], name))),
    )
    return entries.filter(entry => entry !== undefined)
  }
  const all = async (): Promise<Entry[]> => [...(await entriesOf('trusted')), ...(await entriesOf('rejected'))]

  const keep = async (state: ServerCertificate['state'], certificate: X509Certificate, comments: string[]) => {
    await mkdir(folders[state], { recursive: true })
    const file = join(folders[state], `${fingerprintOf(certificate)}.pem`)
    // Text before the first line of a PEM block is a comment.
    await writeFile(`${file}.new`, [...comments, certificate.toString()].join('\n'))
    await rename(`${file}.new`, file)
    return file
  }

  const move = async (fingerprint: string, to: ServerCertificate['state']): Promise<ServerCertificate> => {
    const entry = pick(await all(), fingerprint)
    const { certificate, endpoint } = entry
    const met = endpoint === undefined ? [] : [`${ENDPOINT}${endpoint}`]
    const file = await keep(to, certificate, to === 'rejected' ? [...met, BY_A_PERSON] : met)
    if (file !== entry.file) await rm(entry.file, { force: true })
    return { ...shown(entry), state: to }
  }

  return {
    async check(der, endpoint, isFirstUseEnough) {
      const certificate = new X509Certificate(der)
      const fingerprint = fingerprintOf(certificate)
      const trusted = await entriesOf('trusted')
      if (trusted.some(entry => entry.fingerprint === fingerprint))
        return { isTrusted: true, isNew: false, fingerprint }
      const rejected = await entriesOf('rejected')
      const same = rejected.find(entry => entry.fingerprint === fingerprint)
      const isFirst = !trusted.some(entry => entry.endpoint === endpoint) && same?.isByPerson !== true
      if (isFirstUseEnough && isFirst) {
        await keep('trusted', certificate, [`${ENDPOINT}${endpoint}`])
        if (same !== undefined) await rm(same.file, { force: true })
        return { isTrusted: true, isNew: true, fingerprint }
      }
      if (same === undefined) {
        await forgetOldest(rejected)
        await keep('rejected', certificate, [`${ENDPOINT}${endpoint}`])
      }
      return { isTrusted: false, isNew: false, fingerprint }
    },
    list: async () => (await all()).map(shown),
    accept: fingerprint => move(fingerprint, 'trusted'),
    reject: fingerprint => move(fingerprint, 'rejected'),
  }
}

interface Entry extends ServerCertificate {
  readonly file: string
  readonly certificate: X509Certificate
  readonly isByPerson: boolean
}

const ENDPOINT = 'Endpoint: '
const BY_A_PERSON = 'Rejected by a person'

const fingerprintOf = (certificate: X509Certificate): string =>
  certificate.fingerprint.replaceAll(':', '').toLowerCase()

const readEntry = async (state: ServerCertificate['state'], file: string): Promise<Entry | undefined> => {
  try {
    if ((await stat(file)).size > FILE_MAX_BYTES) return undefined
    const bytes = await readFile(file)
    const certificate = new X509Certificate(bytes)
    const text = bytes.toString('latin1')
    return {
      ...{ state, file, certificate, fingerprint: fingerprintOf(certificate) },
      subject: certificate.subject.replaceAll('\n', ', '),
      names: (certificate.subjectAltName ?? '').split(', ').filter(name => name !== ''),
      validFrom: new Date(certificate.validFrom),
      validTo: new Date(certificate.validTo),
      endpoint: new RegExp(`^${ENDPOINT}(\\S+)$`, 'm').exec(text)?.[1],
      isByPerson: text.includes(BY_A_PERSON),
    }
  } catch {
    // Somebody put something else there; it trusts nobody.
    return undefined
  }
}

const shown = ({ file: _, certificate: __, isByPerson: ___, ...rest }: Entry): ServerCertificate => rest

const pick = (entries: readonly Entry[], text: string): Entry => {
  const wanted = text.replaceAll(/[\s:]/g, '').toLowerCase()
  const fitting = wanted.length < FINGERPRINT_MIN ? [] : entries.filter(entry => entry.fingerprint.startsWith(wanted))
  const [entry] = fitting
  if (entry !== undefined && new Set(fitting.map(one => one.fingerprint)).size === 1) return entry
  const known = entries.map(one => one.fingerprint).join(', ') || 'none is known'
  throw new NakamaError(
    'NO_SUCH_CERTIFICATE',
    `fingerprint: expected (the beginning of) one of ${known}, got "${text}"`,
  )
}

const forgetOldest = async (rejected: readonly Entry[]): Promise<void> => {
  if (rejected.length < REJECTED_MAX) return
  const aged = await Promise.all(rejected.map(async ({ file }) => ({ file, at: (await stat(file)).mtimeMs })))
  const oldest = aged.toSorted((a, b) => a.at - b.at)[0]
  if (oldest !== undefined) await rm(oldest.file, { force: true })
}
