export const OPCUA_MODES = ['none', 'sign', 'sign-and-encrypt'] as const
export type OpcuaMode = (typeof OPCUA_MODES)[number]

/** Strongest first, as OPC UA Part 7 classes them; all of them are held to be safe, and older ones are not spoken. */
export const OPCUA_POLICIES = ['Aes256_Sha256_RsaPss', 'Basic256Sha256', 'Aes128_Sha256_RsaOaep'] as const
export type OpcuaPolicy = (typeof OPCUA_POLICIES)[number]

export interface OpcuaSecurity {
  readonly mode: OpcuaMode
  /** Undefined: the strongest that the server offers. */
  readonly policy: OpcuaPolicy | undefined
}

/** What a server says of one of its endpoints, as far as it matters here. */
export interface Offer {
  /** OPC UA Part 4, 7.20: 1 none, 2 sign, 3 sign and encrypt. */
  readonly securityMode: number
  readonly securityPolicyUri: string | null
  readonly serverCertificate: Buffer | null
}

const POLICY_URI = 'http://opcfoundation.org/UA/SecurityPolicy#'
const MODE_NUMBER: { readonly [mode in OpcuaMode]: number } = { none: 1, sign: 2, 'sign-and-encrypt': 3 }

/** The strongest way to talk that was asked for and is offered, never a weaker mode or an older policy; undefined: none. */
export const chooseOffer = (
  offers: readonly Offer[],
  { mode, policy }: OpcuaSecurity,
): { readonly policy: OpcuaPolicy; readonly certificate: Buffer } | undefined => {
  for (const wanted of policy === undefined ? OPCUA_POLICIES : [policy]) {
    const offer = offers.find(
      one => one.securityMode === MODE_NUMBER[mode] && one.securityPolicyUri === `${POLICY_URI}${wanted}`,
    )
    if (offer?.serverCertificate?.length) return { policy: wanted, certificate: offer.serverCertificate }
  }
  return undefined
}

/** For the message of a failure: what the server does offer. */
export const offersText = (offers: readonly Offer[]): string =>
  offers
    .map(({ securityMode, securityPolicyUri }) => {
      const mode = OPCUA_MODES.find(name => MODE_NUMBER[name] === securityMode) ?? `mode ${securityMode}`
      return `${mode} ${securityPolicyUri?.replace(POLICY_URI, '') ?? ''}`.trim()
    })
    .join(', ')
