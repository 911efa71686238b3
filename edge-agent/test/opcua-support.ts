import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, vi } from 'vitest'
import type { OpcuaMachine, OpcuaSignal } from '../src/settings.ts'
import { opcuaSource } from '../src/sources/opcua/opcua.ts'
import type { Pace } from '../src/sources/opcua/session.ts'
import { NAMESPACE, startOpcuaServer } from './opcua-server.ts'
import { recorder } from './support.ts'

/** As patient as a test can be. */
export const QUICK: Pace = {
  connectMaxMs: 3_000,
  requestMaxMs: 1_000,
  watchMs: 100,
  silenceMinMs: 900,
  retryFirstMs: 100,
  retryMaxMs: 500,
  absentAfterMs: 400,
  retryAbsentMs: 500,
}

export const nodeSignal = (name: string, over: Partial<OpcuaSignal> = {}): OpcuaSignal => ({
  ...{ name, node: `nsu=${NAMESPACE};s=${name}`, paths: [], isOptional: false, scale: 1, offset: 0 },
  ...over,
})

export const opcuaMachine = (
  endpoint: string,
  names: readonly string[],
  over: Partial<OpcuaMachine> = {},
): OpcuaMachine => ({
  ...{ type: 'opcua', endpoint, pollMs: 200, publishMs: 100, security: { mode: 'none', policy: undefined } },
  ...{ trust: 'by-hand', identity: undefined, machine: undefined },
  signals: names.map(name => nodeSignal(name)),
  ...over,
})

export const until = (what: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(what, { timeout: 15_000, interval: 20 })

/** Servers and sources of one test file, which end with each test, in a folder that ends with the file. */
export const opcuaBench = () => {
  const cleanups: (() => Promise<unknown>)[] = []
  let dir: string | undefined
  const folder = async (name: string): Promise<string> => {
    dir ??= await mkdtemp(join(tmpdir(), 'opcua-'))
    return join(dir, name)
  }
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  })
  afterAll(async () => {
    if (dir !== undefined) await rm(dir, { recursive: true, force: true })
  })
  return {
    folder,
    cleanUp: (work: () => Promise<unknown>) => cleanups.push(work),
    /** Reads machines until the test ends. */
    run: async (machines: { readonly [id: string]: OpcuaMachine }, { pace = QUICK, pki = 'client' } = {}) => {
      const seen = recorder()
      const aborter = new AbortController()
      const stations = Object.entries(machines).map(([id, source]) => ({ id, source }))
      const files = { pkiDir: await folder(pki), configFile: await folder('agent.yaml') }
      const running = opcuaSource(stations, files, seen.context, pace).run(aborter.signal)
      const stop = (): Promise<void> => {
        aborter.abort()
        return running
      }
      cleanups.push(stop)
      const latest = (id: string) => seen.of(id).at(-1)?.values
      return { ...seen, latest, lastFailure: (id: string) => seen.failuresOf(id).at(-1), stop }
    },
    serve: async (
      ...[nodes, options]: Parameters<typeof startOpcuaServer> extends [string, ...infer Rest] ? Rest : never
    ) => {
      const server = await startOpcuaServer(await folder('server'), nodes, options)
      cleanups.push(server.stop)
      return server
    },
  }
}
