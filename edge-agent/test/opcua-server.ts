import {
  type AddressSpace,
  type DataType,
  MessageSecurityMode,
  nodesets,
  OPCUACertificateManager,
  OPCUAServer,
  type SecurityPolicy,
  type StatusCode,
  type UAVariable,
  Variant,
} from 'node-opcua'
import { freePort } from './support.ts'

export const NAMESPACE = 'urn:nakama:test:machines'

export type Nodes = { readonly [name: string]: { readonly dataType: DataType; readonly value: unknown } }

export interface ServerOptions {
  readonly port?: number
  /** Registered before ours, which so gets another number. */
  readonly namespaces?: readonly string[]
  readonly nodesets?: readonly string[]
  /** More nodes, of whatever form. */
  readonly build?: (addressSpace: AddressSpace) => void
  /** Default: all that there are. */
  readonly policies?: readonly SecurityPolicy[]
  readonly users?: { readonly [name: string]: string }
}

/** A small OPC UA server, whose variables `<NAMESPACE>;s=<name>` can be set, added and removed while it runs. */
export const startOpcuaServer = async (pkiDir: string, nodes: Nodes, options: ServerOptions = {}) => {
  const port = options.port ?? (await freePort())
  const certificates = new OPCUACertificateManager({
    rootFolder: pkiDir,
    automaticallyAcceptUnknownCertificate: true,
    disableFileWatchers: true,
  })
  const logins: string[] = []
  const server = new OPCUAServer({
    port,
    resourcePath: '/UA/Test',
    serverCertificateManager: certificates,
    userCertificateManager: certificates,
    nodeset_filename: [...(options.nodesets ?? [nodesets.standard])],
    ...(options.policies === undefined ? {} : { securityPolicies: [...options.policies] }),
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    allowAnonymous: options.users === undefined,
    userManager: {
      isValidUser(name: string, password: string) {
        logins.push(password)
        return options.users?.[name] === password
      },
    },
  })
  await server.initialize()
  const { addressSpace } = server.engine
  if (addressSpace === null) throw new Error('expected an address space')
  for (const uri of options.namespaces ?? []) addressSpace.registerNamespace(uri)
  options.build?.(addressSpace)
  const variables = new Map<string, UAVariable>()
  const add = (more: Nodes): void => {
    const namespace = addressSpace.registerNamespace(NAMESPACE)
    for (const [name, { dataType, value }] of Object.entries(more)) {
      const variable = namespace.addVariable({
        organizedBy: addressSpace.rootFolder.objects,
        browseName: name,
        nodeId: `s=${name}`,
        dataType,
        minimumSamplingInterval: 10,
      })
      variable.setValueFromSource({ dataType, value })
      variables.set(name, variable)
    }
  }
  if (Object.keys(nodes).length > 0) add(nodes)
  await server.start()
  const sessions = () => server.engine.getSessions()
  return {
    port,
    endpoint: `opc.tcp://127.0.0.1:${port}/UA/Test`,
    addressSpace,
    /** Passwords that were tried, in their order. */
    logins,
    add,
    set(name: string, dataType: DataType, value: unknown, status?: StatusCode, sourceTimestamp?: Date) {
      variables.get(name)?.setValueFromSource(new Variant({ dataType, value }), status, sourceTimestamp)
    },
    /** Takes every subscription away, as a server under pressure may; sessions stay. */
    dropSubscriptions() {
      for (const session of sessions()) {
        for (const { id } of session.publishEngine.subscriptions) session.deleteSubscription(id)
      }
    },
    /** Closes every session, as an operator at the control may. */
    killSessions() {
      for (const session of sessions()) server.engine.closeSession(session.authenticationToken, true, 'Terminated')
    },
    /** How the clients that are there now came in. */
    visitors: () =>
      sessions().map(({ channel, userIdentityToken }) => ({
        policy: channel?.securityPolicy.split('#')[1],
        mode: MessageSecurityMode[channel?.securityMode ?? 0],
        user: userIdentityToken?.constructor.name,
      })),
    async stop() {
      await server.shutdown(0)
      await certificates.dispose()
    },
  }
}
