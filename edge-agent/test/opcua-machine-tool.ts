import {
  type AddressSpace,
  BrowseDirection,
  coerceLocalizedText,
  DataType,
  type NodeId,
  nodesets,
  resolveNodeId,
  StatusCodes,
  type UAObject,
  type UAVariable,
  Variant,
} from 'node-opcua'

/** What a server of OPC UA for Machine Tools loads: the genuine nodesets. */
export const MACHINE_TOOL_NODESETS = [
  nodesets.standard,
  nodesets.di,
  nodesets.ia,
  nodesets.machinery,
  nodesets.isa95JobControl,
  nodesets.machineryJobs,
  nodesets.machineTool,
]

const MACHINERY = 'http://opcfoundation.org/UA/Machinery/'
const MACHINE_TOOL = 'http://opcfoundation.org/UA/MachineTool/'

const BLOCKS = 'MachineryBuildingBlocks'
const STATE_MACHINES = { item: `${BLOCKS}.MachineryItemState`, mode: `${BLOCKS}.MachineryOperationMode` }

/** A machine tool as MachineToolType makes it, below the folder Machines; with or without the states of Machinery. */
export const addMachineTool = (
  addressSpace: AddressSpace,
  name: string,
  { has = ['item', 'mode'] }: { readonly has?: readonly ('item' | 'mode')[] } = {},
) => {
  const machinery = addressSpace.getNamespaceIndex(MACHINERY)
  const machineTool = addressSpace.getNamespaceIndex(MACHINE_TOOL)
  const machines = addressSpace.findNode(resolveNodeId(`ns=${machinery};i=1001`)) as UAObject
  const type = addressSpace.findObjectType('MachineToolType', machineTool)
  const machine = type?.instantiate({
    browseName: name,
    namespace: addressSpace.registerNamespace('urn:nakama:test:vendor'),
    organizedBy: machines,
    optionals: has.length === 0 ? [] : [BLOCKS, ...has.map(one => STATE_MACHINES[one])],
  }) as UAObject
  const find = (path: string): UAObject | UAVariable => {
    let node: UAObject | UAVariable = machine
    for (const part of path.split('/')) {
      const child = node
        .findReferencesExAsObject('HierarchicalReferences', BrowseDirection.Forward)
        .find(one => one.browseName.name === part)
      if (child === undefined) throw new Error(`${name}: expected ${path}, got no ${part}`)
      node = child as UAObject | UAVariable
    }
    return node
  }
  const set = (path: string, dataType: DataType, value: unknown): void =>
    (find(path) as UAVariable).setValueFromSource(new Variant({ dataType, value }))
  return {
    machine,
    find,
    set,
    addOperationMode(mode: string) {
      const building = find('MachineryBuildingBlocks') as UAObject
      addressSpace
        .findObjectType('MachineryOperationModeStateMachineType', machinery)
        ?.instantiate({ browseName: 'MachineryOperationMode', componentOf: building })
      this.setState('MachineryBuildingBlocks/MachineryOperationMode', { name: mode })
    },
    /** Keeps the value, and says that it is none. */
    spoil(path: string) {
      const variable = find(path) as UAVariable
      variable.setValueFromSource(variable.readValue().value, StatusCodes.BadNoCommunication)
    },
    /** As a German control shows it: the text is its own, the id is everybody's. */
    setState(path: string, state: { readonly name: string; readonly text?: string }) {
      const stateMachine = find(path) as UAObject
      set(`${path}/CurrentState`, DataType.LocalizedText, coerceLocalizedText(state.text ?? state.name))
      set(`${path}/CurrentState/Id`, DataType.NodeId, stateNode(stateMachine, state.name))
    },
  }
}

const stateNode = (stateMachine: UAObject, name: string): NodeId => {
  for (let type = stateMachine.typeDefinitionObj; type !== null && type !== undefined; ) {
    const state = type.getComponents().find(({ browseName }) => browseName.name === name)
    if (state !== undefined) return state.nodeId
    type = type.subtypeOfObj as typeof type
  }
  throw new Error(`expected a state ${name}`)
}
