import {
  type AddressSpace,
  BrowseDirection,
  coerceLocalizedText,
  DataType,
  MessageSecurityMode,
  nodesets,
  OPCUACertificateManager,
  OPCUAServer,
  resolveNodeId,
  type UAObject,
  type UAVariable,
  Variant,
} from 'node-opcua'

/** A server that this project did not write, with the genuine nodesets of OPC UA for Machine Tools and one machine. */
export interface MachineToolServer {
  /** Shows the machine, if it was started without. */
  addMachine(): void
  /** Of Machinery: the item state and the operation mode, which together are a state of the board. */
  set(itemState: string, operationMode: string): void
  readonly sessions: number
  killSessions(): void
  dropSubscriptions(): void
  stop(): Promise<void>
}

export interface MachineToolOptions {
  readonly port: number
  /** What clients are told, where they come through something else. */
  readonly advertised: string
  /** Its key and certificate; another folder is another certificate. */
  readonly pkiDir: string
  /** Namespaces of its own that come before those of the specifications. */
  readonly earlierNamespaces?: readonly string[]
  readonly hasMachine?: boolean
}

export const MACHINE_NAME = 'MC 1'
/** Stands in the program's name, which is nobody else's business. */
export const PROGRAM_NAME = 'O1234 SECRET (IMPELLER ACME)'

const MACHINERY = 'http://opcfoundation.org/UA/Machinery/'
const MACHINE_TOOL = 'http://opcfoundation.org/UA/MachineTool/'
const SPECIFICATIONS = [
  nodesets.di,
  nodesets.ia,
  nodesets.machinery,
  nodesets.isa95JobControl,
  nodesets.machineryJobs,
  nodesets.machineTool,
]
const BUILDING_BLOCKS = ['MachineryItemState', 'MachineryOperationMode'].map(name => `MachineryBuildingBlocks.${name}`)

export const startMachineTool = async (options: MachineToolOptions): Promise<MachineToolServer> => {
  const certificates = new OPCUACertificateManager({
    rootFolder: options.pkiDir,
    automaticallyAcceptUnknownCertificate: true,
    disableFileWatchers: true,
  })
  const server = new OPCUAServer({
    ...{ host: '127.0.0.1', hostname: '127.0.0.1', port: options.port, resourcePath: '/UA/MachineTool' },
    advertisedEndpoints: options.advertised,
    serverCertificateManager: certificates,
    userCertificateManager: certificates,
    securityModes: [MessageSecurityMode.SignAndEncrypt],
    nodeset_filename: [nodesets.standard, ...SPECIFICATIONS],
  })
  await server.initialize()
  const { addressSpace } = server.engine
  if (addressSpace === null) throw new Error('expected an address space')
  for (const uri of options.earlierNamespaces ?? []) addressSpace.registerNamespace(uri)
  let machine: UAObject | undefined
  const addMachine = (): void => {
    machine = instantiate(addressSpace)
    setValue(machine, 'Production/ActiveProgram/Name', DataType.String, PROGRAM_NAME)
    set('Executing', 'Processing')
  }
  const set = (itemState: string, operationMode: string): void => {
    if (machine === undefined) throw new Error('expected a machine')
    setState(machine, 'MachineryBuildingBlocks/MachineryItemState', itemState)
    setState(machine, 'MachineryBuildingBlocks/MachineryOperationMode', operationMode)
  }
  if (options.hasMachine ?? true) addMachine()
  await server.start()
  const sessions = () => server.engine.getSessions()
  return {
    addMachine,
    set,
    get sessions() {
      return sessions().length
    },
    killSessions() {
      for (const session of sessions()) server.engine.closeSession(session.authenticationToken, true, 'Terminated')
    },
    dropSubscriptions() {
      for (const session of sessions()) {
        for (const { id } of session.publishEngine.subscriptions) session.deleteSubscription(id)
      }
    },
    async stop() {
      await server.shutdown(0)
      await certificates.dispose()
    },
  }
}

const instantiate = (addressSpace: AddressSpace): UAObject => {
  const machinery = addressSpace.getNamespaceIndex(MACHINERY)
  const type = addressSpace.findObjectType('MachineToolType', addressSpace.getNamespaceIndex(MACHINE_TOOL))
  return type?.instantiate({
    browseName: MACHINE_NAME,
    namespace: addressSpace.registerNamespace('urn:nakama:tests:vendor'),
    organizedBy: addressSpace.findNode(resolveNodeId(`ns=${machinery};i=1001`)) as UAObject,
    optionals: ['MachineryBuildingBlocks', ...BUILDING_BLOCKS],
  }) as UAObject
}

type Node = UAObject | UAVariable

const find = (from: UAObject, path: string): Node =>
  path.split('/').reduce<Node>((node, name) => {
    const children = node.findReferencesExAsObject('HierarchicalReferences', BrowseDirection.Forward)
    const child = children.find(({ browseName }) => browseName.name === name)
    if (child === undefined) throw new Error(`${path}: expected ${name}, got nothing`)
    return child as Node
  }, from)

const setValue = (machine: UAObject, path: string, dataType: DataType, value: unknown): void =>
  (find(machine, path) as UAVariable).setValueFromSource(new Variant({ dataType, value }))

/** The id is what counts: the text is in the language of the control. */
const setState = (machine: UAObject, path: string, name: string): void => {
  const type = (find(machine, path) as UAObject).typeDefinitionObj
  const state = type.getComponents().find(({ browseName }) => browseName.name === name)
  if (state === undefined) throw new Error(`${path}: expected a state ${name}`)
  setValue(machine, `${path}/CurrentState`, DataType.LocalizedText, coerceLocalizedText(`${name} auf Deutsch`))
  setValue(machine, `${path}/CurrentState/Id`, DataType.NodeId, state.nodeId)
}
