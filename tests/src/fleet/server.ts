import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Supervisor, superviseProcesses } from '@nakama/demo'
import { machineId } from './virtual-agent.ts'

export const AGENT = 'pi-1'
export const shopId = (index: number): string => `shop-${index + 1}`

export interface FleetServer extends Supervisor {
  readonly brokerUrl: string
  readonly storeFile: string
  /** One for all: these agents exist on loopback and for minutes. */
  readonly password: string
}

/** Broker, ingest with the embedded store, and coordinator, for so many shops. */
export const startFleetServer = (folder: string, shops: number, machines: number): Promise<FleetServer> => {
  const password = 'fleet-on-loopback'
  writeFileSync(join(folder, 'fleet.password'), password, { mode: 0o600 })
  const secret = { file: join(folder, 'fleet.password') }
  const http = { host: '127.0.0.1', port: 0 }
  const agents = Array.from({ length: shops }, (_, i) => `agent:${shopId(i)}:${AGENT}`)
  const store = { type: 'embedded', file: join(folder, 'nakama.db') }
  const register = Array.from({ length: shops }, (_, i) => ({
    ...{ id: shopId(i), name: `第${i + 1}工場`, town: '大森', area: '大森', agents: [AGENT] },
    machines: Array.from({ length: machines }, (_, m) => ({ id: machineId(m), kind: 'nc-lathe', name: machineId(m) })),
  }))
  const access = (url: string | undefined, username: string) => ({ url, username, password: secret })
  return superviseProcesses(
    [
      {
        ...{ name: 'broker', main: mainOf('broker'), needs: [] },
        config: () => ({
          ...{ listen: http, http },
          credentials: ['ingest:main', 'coordinator:main', ...agents].map(username => ({ username, password: secret })),
          limits: { connectionsPerAddressMax: 5_000 },
        }),
      },
      {
        ...{ name: 'ingest', main: mainOf('ingest'), nodeFlags: ['--max-semi-space-size=16'], needs: ['broker'] },
        config: of => ({
          ...{ id: 'main', http, store, dataDir: join(folder, 'ingest') },
          broker: access(of('broker').mqtt, 'ingest:main'),
        }),
      },
      {
        ...{ name: 'coordinator', main: mainOf('coordinator'), needs: ['ingest'] },
        config: of => ({
          ...{ id: 'main', http, store, register, dataDir: join(folder, 'coordinator') },
          broker: access(of('broker').mqtt, 'coordinator:main'),
        }),
      },
    ],
    { folder, readyTimeoutMs: 60_000 },
  ).then(supervisor =>
    Object.assign(supervisor, {
      ...{ brokerUrl: supervisor.addresses('broker').mqtt as string, storeFile: store.file, password },
    }),
  )
}

const mainOf = (room: string): string => fileURLToPath(new URL(`../../../${room}/src/main.ts`, import.meta.url))
