import type { Log } from '@nakama/service'
import { type ServerConfig, type SimulatorsConfig, serverName } from './config.ts'
import type { Machine } from './floor.ts'
import { type Gate, openGate } from './net/gate.ts'
import { serveModbus } from './net/modbus-server.ts'

/** A port and the machines behind it. */
export interface RunningServer {
  readonly name: string
  readonly address: string
  readonly connections: number
  /** Takes the network away from the port, or gives it back, as its machines have it. */
  applyOutage(): void
  stop(): Promise<void>
}

const MODBUS_MAX_CONNECTIONS = 32
const OPCUA_MAX_CONNECTIONS = 100

/**
 * Opens every server of the configuration, or none.
 *
 * @param pkiDir for the OPC UA servers' key and certificates.
 * @throws NakamaError `SIMULATORS_LISTEN`.
 */
export const openServers = async (
  { servers, host = '127.0.0.1' }: SimulatorsConfig,
  machines: readonly Machine[],
  pkiDir: string,
  log: Log,
): Promise<RunningServer[]> => {
  const opened: RunningServer[] = []
  try {
    for (const server of servers) {
      const behind = machines.filter(machine => machine.server === serverName(server))
      opened.push(await openServer(server, behind, host, pkiDir, log))
    }
    return opened
  } catch (error) {
    await Promise.all(opened.map(server => server.stop()))
    throw error
  }
}

const openServer = async (
  server: ServerConfig,
  machines: readonly Machine[],
  host: string,
  pkiDir: string,
  log: Log,
): Promise<RunningServer> => {
  const [first] = machines as [Machine, ...Machine[]]
  const running = (gate: Gate, address: string, stop: () => Promise<unknown>): RunningServer => ({
    name: serverName(server),
    address,
    get connections() {
      return gate.connections
    },
    applyOutage: () => gate.setOutage(first.portOutage()),
    async stop() {
      await Promise.all([gate.stop(), stop()])
    },
  })

  if (server.protocol === 'modbus-tcp') {
    const serve = serveModbus(first, server.unit ?? 1)
    const gate = await openGate({ host, port: server.port, maxConnections: MODBUS_MAX_CONNECTIONS, serve, log })
    return running(gate, `modbus-tcp://${host}:${gate.port}`, async () => {})
  }

  // Loaded only where it is served: it costs 80 MB.
  const { startOpcuaServer } = await import('./net/opcua-server.ts')
  const inner = Promise.withResolvers<Awaited<ReturnType<typeof startOpcuaServer>>>()
  inner.promise.catch(() => {})
  const gate = await openGate({
    host,
    port: server.port,
    maxConnections: OPCUA_MAX_CONNECTIONS,
    serve: socket =>
      void inner.promise.then(
        opcua => opcua.serve(socket),
        () => socket.destroy(),
      ),
    log,
  })
  const resourcePath = `/UA/${server.shop}`
  const address = `opc.tcp://${host}:${gate.port}${resourcePath}`
  try {
    const opcua = await startOpcuaServer({ resourcePath, advertised: address, machines, pkiDir, log })
    inner.resolve(opcua)
    return running(gate, address, () => opcua.stop())
  } catch (error) {
    inner.reject(error)
    await gate.stop()
    throw error
  }
}
