import { createPrivateKey, X509Certificate } from 'node:crypto'
import { chmod, readFile, rename } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Log } from '@nakama/service'
import type { OPCUACertificateManager } from 'node-opcua-certificate-manager'
import { OPCUA_CLIENT } from './client-name.ts'

export interface OwnCertificate {
  readonly file: string
  readonly keyFile: string
  /** As the certificate says it; it stays when the host is renamed, since servers compare the two. */
  readonly applicationUri: string
}

const DAY_MS = 86_400_000
const RENEW_BEFORE_MS = 90 * DAY_MS
/**
 * Valid from a time that no clock is before, and for as long as two digits of a year can tell: neither a Pi that starts in 2000
 * nor a control that lives in 1970 may make it invalid, and each renewal needs somebody to trust it at the machine.
 */
const VALID_FROM = new Date(0)
const VALID_TO_MS = Date.UTC(2049, 11, 31)

/** Our key and certificate, made at the first start and made anew, with the same key, when it cannot serve any longer. */
export const ensureOwnCertificate = async (
  pkiDir: string,
  certificates: OPCUACertificateManager,
  now: number,
  log: Log,
): Promise<OwnCertificate> => {
  const keyFile = join(pkiDir, 'own', 'private', 'private_key.pem')
  const file = join(pkiDir, 'own', 'certs', 'client_certificate.pem')
  await setAsideBrokenKey(keyFile, log)
  await certificates.initialize()
  await chmod(keyFile, 0o600)
  const present = await read(file, bytes => new X509Certificate(bytes))
  const uri = present && applicationUriOf(present)
  const key = await read(keyFile, createPrivateKey)
  if (present !== undefined && key !== undefined && uri !== undefined) {
    if (present.checkPrivateKey(key) && !isAlmostOver(present, now)) return { file, keyFile, applicationUri: uri }
  }
  const applicationUri = uri ?? `urn:${hostname()}:${OPCUA_CLIENT}`
  const validToMs = Math.max(VALID_TO_MS, now + 10 * 365 * DAY_MS)
  await certificates.createSelfSignedCertificate({
    ...{ applicationUri, dns: [hostname()], subject: `/CN=${OPCUA_CLIENT}@${hostname()}`, startDate: VALID_FROM },
    validity: Math.floor((validToMs - VALID_FROM.getTime()) / DAY_MS),
    outputFile: `${file}.new`,
  })
  await rename(`${file}.new`, file)
  log.warn(
    { code: 'OPCUA_CERTIFICATE_MADE', file },
    'made a new OPC UA certificate; machines may have to be told to trust it',
  )
  return { file, keyFile, applicationUri }
}

// Not asked: whether it is valid yet. A Pi that does not know the time must not throw away what machines trust.
const isAlmostOver = ({ validTo }: X509Certificate, now: number): boolean => Date.parse(validTo) < now + RENEW_BEFORE_MS

const applicationUriOf = ({ subjectAltName }: X509Certificate): string | undefined =>
  /URI:([^,\s"]+)/.exec(subjectAltName ?? '')?.[1]

// A power cut may leave half a key, with which nothing would ever start again.
const setAsideBrokenKey = async (keyFile: string, log: Log): Promise<void> => {
  const bytes = await read(keyFile, bytes => bytes)
  if (bytes === undefined || (await read(keyFile, createPrivateKey)) !== undefined) return
  await rename(keyFile, `${keyFile}.broken`)
  log.error({ code: 'OPCUA_KEY_BROKEN', file: keyFile }, 'the private key cannot be read; a new one is made')
}

const read = async <T>(file: string, parse: (bytes: Buffer) => T): Promise<T | undefined> => {
  try {
    return parse(await readFile(file))
  } catch {
    return undefined
  }
}
