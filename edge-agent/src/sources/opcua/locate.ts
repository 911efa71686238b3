import { NakamaError } from '@nakama/contract'
import type { ClientSession } from 'node-opcua-client'
import type { OpcuaLibrary } from './session.ts'
import { resolveNode } from './values.ts'

/** Finds nodes of one machine by their names. Asks the server once per node, so that one of it serves many paths. */
export interface Locator {
  /**
   * Node ids at the end of a path such as `Monitoring/MachineTool/OperationMode`; `*` stands for any one name. Names
   * are compared without their namespace, because the companion specifications move nodes from one into another.
   */
  find(path: string): Promise<string[]>
}

/** OPC UA for Machinery (40001-1), clause 9.2: every machine of a server is below this folder. */
const MACHINERY = 'http://opcfoundation.org/UA/Machinery/'
const MACHINES = `nsu=${MACHINERY};i=1001`
const HIERARCHICAL_REFERENCES = 'i=33'

const BROWSES_MAX = 300
const FOUND_MAX = 16

/**
 * Starts at a machine.
 *
 * @param machine its BrowseName or node id; undefined: the only machine of the server.
 * @throws NakamaError `NO_SUCH_MACHINE`, naming those that there are.
 */
export const locateMachine = async (
  library: OpcuaLibrary,
  session: ClientSession,
  namespaces: readonly string[],
  machine: string | undefined,
): Promise<Locator> => {
  const children = browser(library, session)
  const start = await startOf(children, namespaces, machine)
  const find = async (from: string, [name, ...rest]: readonly string[]): Promise<string[]> => {
    if (name === undefined) return [from]
    const found: string[] = []
    for (const child of await children(from)) {
      if (name !== '*' && child.name !== name) continue
      found.push(...(await find(child.nodeId, rest)))
      if (found.length >= FOUND_MAX || (name !== '*' && found.length > 0)) break
    }
    return found.slice(0, FOUND_MAX)
  }
  return { find: path => find(start, path.split('/')) }
}

interface Child {
  readonly name: string
  readonly nodeId: string
}
type Children = (nodeId: string) => Promise<readonly Child[]>

const browser = (library: OpcuaLibrary, session: ClientSession): Children => {
  const known = new Map<string, readonly Child[]>()
  return async nodeId => {
    const before = known.get(nodeId)
    if (before !== undefined) return before
    if (known.size >= BROWSES_MAX) return []
    const { references } = await library.browseAll(session, {
      nodeId,
      referenceTypeId: HIERARCHICAL_REFERENCES,
      includeSubtypes: true,
      browseDirection: library.BrowseDirection.Forward,
      nodeClassMask: 0,
      resultMask: 63,
    })
    const children = (references ?? []).flatMap(({ browseName, nodeId }) =>
      browseName.name ? [{ name: browseName.name, nodeId: nodeId.toString() }] : [],
    )
    known.set(nodeId, children)
    return children
  }
}

const startOf = async (
  children: Children,
  namespaces: readonly string[],
  machine: string | undefined,
): Promise<string> => {
  if (machine !== undefined && NODE_ID.test(machine)) {
    const nodeId = resolveNode(machine, namespaces)
    if (nodeId !== undefined && (await children(nodeId)).length > 0) return nodeId
    throw new NakamaError('NO_SUCH_MACHINE', `machine: expected a node with something below it, got ${machine}`)
  }
  const folder = resolveNode(MACHINES, namespaces)
  const machines = folder === undefined ? [] : await children(folder)
  const fitting = machines.filter(({ name }) => machine === undefined || name === machine)
  const [found] = fitting
  if (found !== undefined && fitting.length === 1) return found.nodeId
  const names = machines.map(({ name }) => name).join(', ') || 'none'
  throw new NakamaError(
    'NO_SUCH_MACHINE',
    `machine: expected one of the folder Machines (${names}), got ${machine ?? 'no name'}`,
  )
}

/** A node id, not the name of a machine. */
export const NODE_ID = /^(nsu=[^;]+;)?[sigb]=.+$/
