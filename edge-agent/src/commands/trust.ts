import { NakamaError } from '@nakama/contract'
import { fromConfigDir, loadConfig, parseOptions } from '@nakama/service'
import { AgentConfig } from '../config.ts'
import { checkAgentConfig } from '../config-sense.ts'
import { pkiDirOf } from '../sources/opcua/pki-dir.ts'
import { openTrustStore, type ServerCertificate } from '../sources/opcua/trust-store.ts'

/**
 * `trust --config FILE [--accept FINGERPRINT | --reject FINGERPRINT]`: lists the OPC UA servers that this agent has met and
 * which of them it trusts, or changes one. The running agent sees it at its next try, within seconds.
 *
 * @throws NakamaError `TRUST_BAD_ARGUMENT`, what `loadConfig` says, or `NO_SUCH_CERTIFICATE`.
 */
export const trustCommand = async (argv: readonly string[]): Promise<string> => {
  const { config, accept, reject } = parseOptions('TRUST_BAD_ARGUMENT', argv, {
    config: { type: 'string' },
    accept: { type: 'string' },
    reject: { type: 'string' },
  })
  if (config === undefined) throw new NakamaError('TRUST_BAD_ARGUMENT', '--config: expected a file, got nothing')
  if (accept !== undefined && reject !== undefined)
    throw new NakamaError('TRUST_BAD_ARGUMENT', '--accept, --reject: expected one of them, got both')
  const { dataDir } = loadConfig(config, AgentConfig, checkAgentConfig)
  const store = openTrustStore(pkiDirOf(fromConfigDir(config, dataDir)))
  if (accept !== undefined) return certificateText(await store.accept(accept), Date.now())
  if (reject !== undefined) return certificateText(await store.reject(reject), Date.now())
  const known = await store.list()
  if (known.length === 0) return 'まだどの機械とも会っていません / no OPC UA server has been met yet'
  return known.map(one => certificateText(one, Date.now())).join('\n\n')
}

const STATES = { trusted: '信頼する / trusted', rejected: '信頼しない / rejected' } as const

const certificateText = (one: ServerCertificate, now: number): string =>
  [
    `${one.fingerprint}  ${STATES[one.state]}`,
    `  ${one.endpoint ?? '(copied here by hand)'}`,
    ...[one.subject, ...one.names].map(text => `  ${printable(text)}`),
    `  ${day(one.validFrom)} – ${day(one.validTo)}${one.validTo.getTime() < now ? '  期限切れ / expired' : ''}`,
  ].join('\n')

// Whoever answers at the endpoint wrote these: a terminal must not obey them.
const printable = (text: string): string => text.replaceAll(/\p{C}/gu, '?')

const day = (date: Date): string => date.toISOString().slice(0, 10)
