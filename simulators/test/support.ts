import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLog, createMetrics, type RunningService } from '@nakama/service'
import { afterEach } from 'vitest'
import type { MachineView, SimulatorsConfig } from '../src/index.ts'
import { startSimulators } from '../src/simulators.ts'

const cleanups: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

export const onCleanup = (cleanup: () => Promise<void> | void): void => void cleanups.push(cleanup)

export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'nakama-simulators-'))
  onCleanup(() => rmSync(folder, { recursive: true }))
  return folder
}

export interface Simulators {
  readonly folder: string
  readonly service: RunningService
  readonly port: (server: string) => number
  readonly address: (server: string) => string
  readonly truth: (machine: string) => string
  readonly served: (machine: string) => string
  readonly machines: () => Promise<MachineView[]>
  readonly post: (path: string, body?: object | string) => Promise<{ status: number; body: Answer }>
}

export interface Answer {
  readonly machines?: MachineView[]
  readonly error?: string
}

/** Simulators in this process, without drop-outs unless asked for, with their logs in a folder of their own. */
export const start = async (
  servers: SimulatorsConfig['servers'],
  more: Partial<SimulatorsConfig> = {},
  folder = temporaryFolder(),
): Promise<Simulators> => {
  const service = await startSimulators({
    config: {
      seed: 1,
      faults: { perDay: 0 },
      truthDir: 'truth',
      servedDir: 'served',
      http: { host: '127.0.0.1', port: 0 },
      servers,
      ...more,
    },
    configFile: join(folder, 'simulators.yaml'),
    log: createLog('simulators', 'silent'),
    metrics: createMetrics('simulators'),
    now: Date.now,
    random: Math.random,
  })
  onCleanup(service.stop)
  const address = (server: string): string => {
    const found = service.addresses[server]
    if (found === undefined) throw new Error(`expected a server ${server}, got ${Object.keys(service.addresses)}`)
    return found
  }
  const http = address('http')
  return {
    folder,
    service,
    address,
    port: server => Number(/:(\d+)(\/|$)/.exec(address(server))?.[1]),
    truth: machine => join(folder, 'truth', `${machine}.ndjson`),
    served: machine => join(folder, 'served', `${machine}.ndjson`),
    machines: async () => ((await (await fetch(`${http}/machines`)).json()) as { machines: MachineView[] }).machines,
    post: async (path, body) => {
      const text = typeof body === 'object' ? JSON.stringify(body) : body
      const response = await fetch(`${http}${path}`, { method: 'POST', ...(text === undefined ? {} : { body: text }) })
      return { status: response.status, body: (await response.json()) as Answer }
    },
  }
}
