import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fromConfigDir, readSecret, type Secret } from '@nakama/service'
import type { UserIdentityInfo } from 'node-opcua-client'
import type { OpcuaLibrary } from './session.ts'

/** Who we are to a server. */
export type OpcuaIdentity =
  | { readonly username: string; readonly password: Secret }
  /** Files in PEM form. */
  | { readonly certificate: string; readonly key: string }

/**
 * Reads what the configuration only names, anew for each connection, so that a changed password needs no restart and a
 * missing one keeps no other machine from being read. Undefined: anonymous.
 *
 * @throws NakamaError `SECRET_MISSING`, or what reading or parsing a file says.
 */
export const readIdentity = (
  library: OpcuaLibrary,
  identity: OpcuaIdentity | undefined,
  configFile: string,
): UserIdentityInfo => {
  if (identity === undefined) return { type: library.UserTokenType.Anonymous }
  if ('username' in identity) {
    const password = readSecret(identity.password, configFile)
    return { type: library.UserTokenType.UserName, userName: identity.username, password }
  }
  const file = (name: string): Buffer => readFileSync(fromConfigDir(configFile, name))
  return {
    type: library.UserTokenType.Certificate,
    certificateData: new X509Certificate(file(identity.certificate)).raw,
    privateKey: createPrivateKey(file(identity.key)).export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}
