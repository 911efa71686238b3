import { type DataType, OPCUACertificateManager, OPCUAServer, type UAVariable, Variant } from 'node-opcua'
import { freePort } from './support.ts'

export const NAMESPACE = 'urn:nakama:test:machines'

export type Nodes = { readonly [name: string]: { readonly dataType: DataType; readonly value: unknown } }

/** A small OPC UA server, whose variables `<NAMESPACE>;s=<name>` can be set, added and removed while it runs. */
export const startOpcuaServer = async (
  pkiDir: string,
  nodes: Nodes,
  options: { port?: number; namespaces?: string[] } = {},
) => {
  const port = options.port ?? (await freePort())
  const server = new OPCUAServer({
    port,
    resourcePath: '/UA/Test',
    serverCertificateManager: new OPCUACertificateManager({
      rootFolder: pkiDir,
      automaticallyAcceptUnknownCertificate: true,
      disableFileWatchers: true,
    }),
  })
  await server.initialize()
  const { addressSpace } = server.engine
  if (addressSpace === null) throw new Error('expected an address space')
  for (const uri of options.namespaces ?? []) addressSpace.registerNamespace(uri)
  const variables = new Map<string, UAVariable>()
  const add = (more: Nodes): void => {
    const namespace = addressSpace.registerNamespace(NAMESPACE)
    for (const [name, { dataType, value }] of Object.entries(more)) {
      const variable = namespace.addVariable({
        organizedBy: addressSpace.rootFolder.objects,
        browseName: name,
        nodeId: `s=${name}`,
        dataType,
      })
      variable.setValueFromSource({ dataType, value })
      variables.set(name, variable)
    }
  }
  if (Object.keys(nodes).length > 0) add(nodes)
  await server.start()
  return {
    port,
    endpoint: `opc.tcp://127.0.0.1:${port}/UA/Test`,
    add,
    set(name: string, dataType: DataType, value: unknown) {
      variables.get(name)?.setValueFromSource(new Variant({ dataType, value }))
    },
    /** Takes every subscription away, as a server under pressure may; sessions stay. */
    dropSubscriptions() {
      for (const session of server.engine.getSessions()) {
        for (const { id } of session.publishEngine.subscriptions) session.deleteSubscription(id)
      }
    },
    stop: () => server.shutdown(0),
  }
}
