import { connect, type Socket } from 'node:net'
import type { Log } from '@nakama/service'
import {
  DataChangeNotification,
  DataType,
  DataValue,
  get_mini_nodeset_filename,
  MessageSecurityMode,
  type MonitoredItem,
  type NotificationMessage,
  OPCUACertificateManager,
  OPCUAServer,
  SecurityPolicy,
  type ServerSession,
  StatusCodes,
  type Subscription,
  setErrorLogger,
  setWarningLogger,
  Variant,
} from 'node-opcua'
import { MODELS, OPCUA_NAMESPACE, type OpcuaSignal } from '../catalogue.ts'
import type { Machine, Reading } from '../floor.ts'
import { FROZEN } from './gate.ts'

export interface OpcuaServer {
  readonly sessions: number
  /** Serves a connection that came through the gate. */
  serve(socket: Socket): void
  stop(): Promise<void>
}

export interface OpcuaServerOptions {
  /** Path of the endpoint, such as `/UA/shop-a`. */
  readonly resourcePath: string
  /** What clients are told: the gate's address, not ours. */
  readonly advertised: string
  readonly machines: readonly Machine[]
  /** For the server's key, and its clients' certificates: any is trusted, since a reader harms nobody here. */
  readonly pkiDir: string
  readonly log: Log
}

const MAX_CONNECTIONS = 100
const MAX_SESSIONS = 200
const SAMPLING_MIN_MS = 100
/** The variables of a machine that are sampled together come from one reading. */
const READING_MAX_AGE_MS = 20

/** The OPC UA machines of one shop, on a port of its own on loopback that only the gate knows. */
export const startOpcuaServer = async (options: OpcuaServerOptions): Promise<OpcuaServer> => {
  const { resourcePath, advertised, machines, pkiDir, log } = options
  setWarningLogger((...words: unknown[]) => log.debug({ code: 'OPCUA_LIBRARY' }, words.join(' ')))
  setErrorLogger((...words: unknown[]) => log.debug({ code: 'OPCUA_LIBRARY' }, words.join(' ')))
  const certificates = new OPCUACertificateManager({
    rootFolder: pkiDir,
    automaticallyAcceptUnknownCertificate: true,
    disableFileWatchers: true,
  })
  const server = new OPCUAServer({
    host: '127.0.0.1',
    hostname: '127.0.0.1',
    port: 0,
    resourcePath,
    advertisedEndpoints: advertised,
    serverCertificateManager: certificates,
    userCertificateManager: certificates,
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    // The whole standard nodeset costs 50 MB and half a second, and nobody asks for it.
    nodesets: [get_mini_nodeset_filename()],
    maxConnectionsPerEndpoint: MAX_CONNECTIONS,
    serverCapabilities: { maxSessions: MAX_SESSIONS },
    // One for all servers of a process, which share a certificate.
    serverInfo: { applicationUri: 'urn:nakama:simulators' },
  })
  await server.initialize()
  const ticks = addVariables(server, machines)
  server.on('create_session', session => noteServedTicks(session, ticks))
  await server.start()
  const [endpoint] = server.endpoints
  const innerPort = endpoint?.port ?? 0
  return {
    get sessions() {
      return server.engine.currentSessionCount
    },
    serve: socket => passOn(socket, innerPort),
    async stop() {
      await server.shutdown(0)
      await certificates.dispose()
    },
  }
}

/** Puts every signal of every machine into the address space; returns the machines by the identifier of their tick. */
const addVariables = (server: OPCUAServer, machines: readonly Machine[]): Map<unknown, Machine> => {
  const { addressSpace } = server.engine
  if (addressSpace === null) throw new Error('an initialised OPC UA server has an address space')
  const namespace = addressSpace.registerNamespace(OPCUA_NAMESPACE)
  const ticks = new Map<unknown, Machine>()
  for (const machine of machines) {
    const { shop, machine: name, model } = machine.entry
    const folder = namespace.addFolder(addressSpace.rootFolder.objects, {
      browseName: name,
      nodeId: `s=${shop}/${name}`,
    })
    const latest = latestReading(machine)
    for (const signal of MODELS[model].signals as readonly OpcuaSignal[]) {
      const identifier = `${shop}/${name}/${signal.name}`
      if (signal.role === 'tick') ticks.set(identifier, machine)
      namespace.addVariable({
        componentOf: folder,
        browseName: signal.name,
        nodeId: `s=${identifier}`,
        dataType: DataType[signal.type],
        minimumSamplingInterval: SAMPLING_MIN_MS,
        accessLevel: 'CurrentRead',
        userAccessLevel: 'CurrentRead',
        value: { timestamped_get: () => dataValueOf(signal, latest()) },
      })
    }
  }
  return ticks
}

interface Latest extends Reading {
  readonly at: Date
}

const latestReading = (machine: Machine): (() => Latest) => {
  let latest: Latest | undefined
  return () => {
    if (latest === undefined || Math.abs(Date.now() - latest.at.getTime()) > READING_MAX_AGE_MS)
      latest = { ...machine.read(), at: new Date() }
    return latest
  }
}

const dataValueOf = ({ name, role, type }: OpcuaSignal, { values, tick, outage, at }: Latest): DataValue => {
  const dataType = DataType[type]
  const good = (value: unknown): DataValue =>
    new DataValue({ statusCode: StatusCodes.Good, sourceTimestamp: at, value: new Variant({ dataType, value }) })
  if (outage === null) return good(role === 'tick' ? tick : values[name])
  // MTConnect's own way to say that the machine behind the adapter is gone.
  if (outage === 'unavailable' && type === 'String') return good('UNAVAILABLE')
  return new DataValue({ statusCode: StatusCodes.BadNoCommunication, sourceTimestamp: at })
}

/** A tick counts as served when it goes out in a notification, not when it is sampled. */
const noteServedTicks = (session: ServerSession, ticks: ReadonlyMap<unknown, Machine>): void => {
  session.on('new_subscription', (subscription: Subscription) => {
    const watched = new Map<number, Machine>()
    subscription.on('monitoredItem', (item: MonitoredItem) => {
      const machine = ticks.get(item.node?.nodeId.value)
      if (machine !== undefined) watched.set(item.clientHandle, machine)
    })
    subscription.on('notification', (message: NotificationMessage) => {
      for (const data of message.notificationData ?? []) {
        if (!(data instanceof DataChangeNotification)) continue
        for (const { clientHandle, value } of data.monitoredItems ?? []) {
          const machine = watched.get(clientHandle)
          // While the gate holds the connection nothing gets through.
          if (machine === undefined || !value.statusCode.isGoodish() || machine.portOutage() !== null) continue
          machine.served(value.value.value as number)
        }
      }
    })
  })
}

const passOn = (socket: Socket, innerPort: number): void => {
  const inner = connect({ host: '127.0.0.1', port: innerPort, noDelay: true })
  let frozen = false
  socket.once(FROZEN, () => {
    frozen = true
    inner.destroy()
  })
  inner.on('error', () => {})
  inner.on('close', () => {
    if (!frozen) socket.destroy()
  })
  socket.on('close', () => inner.destroy())
  socket.pipe(inner)
  inner.pipe(socket)
}
