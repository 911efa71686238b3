import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GapRecord } from '@nakama/contract'
import type { ReadyMessage } from '@nakama/service'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { MACHINE_NAME, type MachineToolServer, startMachineTool } from '../src/interop/opcua-machine-tool.ts'
import { startTcpProxy, type TcpProxy } from '../src/tcp-proxy.ts'
import { until } from '../src/until.ts'

const MAIN = join(import.meta.dirname, '../../edge-agent/src/main.ts')
const RESUME_MAX_MS = 15_000

interface Shown {
  readonly code: string
  readonly readAt: number | null
  readonly failing: { readonly kind: string; readonly message: string } | null
}

let dir: string
let proxy: TcpProxy
let port: number
let server: MachineToolServer | undefined
let agent: ChildProcess | undefined
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'interop-opcua-'))
  port = await freePort()
  proxy = await startTcpProxy({ host: '127.0.0.1', port })
})
afterEach(async () => {
  agent?.kill('SIGKILL')
  await server?.stop()
  await proxy.stop()
  rmSync(dir, { recursive: true, force: true })
})

it('a machine tool over OPC UA is read again within 15 s of whatever happened to its server, and each time a gap is told', async () => {
  const endpoint = `opc.tcp://127.0.0.1:${proxy.port}/UA/MachineTool`
  const serve = (pki: string, options: { earlierNamespaces?: string[]; hasMachine?: boolean } = {}) =>
    startMachineTool({ port, advertised: endpoint, pkiDir: join(dir, pki), ...options })
  server = await serve('server')
  const config = join(dir, 'agent.yaml')
  writeFileSync(config, configText(endpoint, await freePort()))
  writeFileSync(join(dir, 'password'), 'secret')
  agent = spawn(process.execPath, [MAIN, '--config', config], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const [{ addresses }] = (await once(agent, 'message')) as [ReadyMessage]
  const shown = async (): Promise<Shown> => {
    const { machines } = (await (await fetch(`${addresses.http}/status.json`)).json()) as { machines: [Shown] }
    return machines[0]
  }
  const untilShown = (code: string): Promise<unknown> =>
    until(`it is ${code}`, async () => (await shown()).code === code, { withinMs: 20_000 })
  const resumed: { [fault: string]: number } = {}
  const noticed = (): Promise<unknown> =>
    until('it is noticed', async () => (await shown()).failing !== null, { withinMs: 15_000, everyMs: 50 })
  /** How long it takes from the healing, or from harm that heals at once, to the first new reading. */
  const healed = async (fault: string, at: number): Promise<void> => {
    const isRead = async (): Promise<boolean> => {
      const { failing, readAt } = await shown()
      return failing === null && (readAt ?? 0) > at
    }
    await until(`read again after ${fault}`, isRead, { withinMs: RESUME_MAX_MS - (Date.now() - at) })
    resumed[fault] = Date.now() - at
  }

  await untilShown('RUNNING')
  server.set('OutOfService', 'Processing')
  await untilShown('ALARM')
  server.set('Executing', 'Processing')
  await untilShown('RUNNING')

  let at = Date.now()
  server.killSessions()
  await noticed()
  await healed('a killed session', at)

  at = Date.now()
  server.dropSubscriptions()
  await noticed()
  await healed('a deleted subscription', at)

  proxy.blackHole()
  await noticed()
  proxy.pass()
  await healed('a black hole', Date.now())

  await server.stop()
  server = await serve('server', { earlierNamespaces: ['urn:another:first', 'urn:another:second'], hasMachine: false })
  await sleep(6_000)
  server.addMachine()
  await healed('a restart with namespaces in another order and nodes 6 s late', Date.now())

  await server.stop()
  server = await serve('another-server')
  const refusal = await until(
    'the new certificate is refused',
    async () => {
      const { failing } = await shown()
      return failing?.kind === 'refused' ? failing.message : undefined
    },
    { withinMs: 15_000 },
  )
  const fingerprint = /[0-9a-f]{40}/.exec(refusal)?.[0] as string
  expect(await command('trust', '--config', config)).toMatch(/trusted.*rejected/s)
  await command('trust', '--config', config, '--accept', fingerprint)
  await healed('a changed certificate, once it is trusted', Date.now())
  await untilShown('RUNNING')
  console.log(JSON.stringify({ resumedMs: resumed }))

  agent.kill('SIGTERM')
  await once(agent, 'exit')
  const card = join(dir, 'data', 'journal')
  const written = readdirSync(card, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('')
  const records = [...written.matchAll(/\{"type":"(gap|state)"[^}]*\}/g)].map(([json]) => JSON.parse(json))
  const gaps = records.filter(({ why }: GapRecord) => why === 'source-outage')
  expect(gaps.map(({ machine, what }: GapRecord) => `${machine} ${what}`)).toEqual(Array(5).fill('mc-1 samples'))
  for (const { from, to } of gaps) expect(to).toBeGreaterThan(from)
  expect(records.map(({ code }) => code)).not.toContain('IDLE')
  // Neither the program's name nor the control's own words leave the machine.
  expect(written).not.toMatch(/SECRET|Deutsch/)
}, 150_000)

const command = async (...args: readonly string[]): Promise<string> => {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [out, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  expect(code).toBe(0)
  return out
}

/** All that a person has to write for such a machine. The broker is not there: what matters here is on the card. */
const configText = (endpoint: string, brokerPort: number): string => `
shop: misaki
agent: pi-1
broker: { url: 'mqtt://127.0.0.1:${brokerPort}', username: 'agent:misaki:pi-1', password: { file: password } }
http: { host: 127.0.0.1, port: 0 }
dataDir: data
telemetry: true
machines:
  - id: mc-1
    kind: vertical-mc
    name: 立形MC
    source: { type: opcua, endpoint: '${endpoint}', machine: '${MACHINE_NAME}', security: sign-and-encrypt, trust: first-use }
    presets: [machine-tools]
    samples: [operationMode]
`

const freePort = async (): Promise<number> => {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  await new Promise(resolve => listener.close(resolve))
  return port
}
