import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AgentConfig, checkAgentConfig, startAgent } from '@nakama/edge-agent'
import { createLog, createMetrics, loadConfig } from '@nakama/service'
import { afterEach, describe, expect, it } from 'vitest'
import { makeImage } from '../src/interop/image.ts'
import {
  goldenNow,
  missingPackages,
  openSerialLine,
  type Peer,
  startJsmodbus,
  startLibmodbus,
  startPymodbus,
} from '../src/interop/peers.ts'
import { startTap } from '../src/interop/tap.ts'
import { until } from '../src/until.ts'

const missing = missingPackages()
if (missing.length > 0) {
  process.stdout.write(
    `interop-modbus: peers not found, so their tests are left out (Debian: apt-get install ${missing.join(' ')})\n`,
  )
}

let stack = new AsyncDisposableStack()
afterEach(async () => {
  await stack.disposeAsync()
  stack = new AsyncDisposableStack()
})

const temporary = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'interop-'))
  stack.defer(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

const { image, expected } = makeImage()

/** What an agent with this source reads, as its own page shows it. */
const readWith = async (source: object): Promise<{ [signal: string]: unknown }> => {
  const dir = temporary()
  const names = Object.keys(expected)
  const text = names.find(name => expected[name]?.config.type === 'string') as string
  const config = {
    ...{ shop: 'ota', agent: 'pi-1', dataDir: 'data', http: { host: '127.0.0.1', port: 0 } },
    broker: { url: 'mqtt://127.0.0.1:9', username: 'agent:ota:pi-1', password: { file: 'password' } },
    machines: [
      {
        ...{ id: 'peer', kind: 'nc-lathe', name: 'peer', source: { pollMs: 200, ...source } },
        signals: Object.fromEntries(names.map(name => [name, expected[name]?.config])),
        // A text is shown on the page where a rule knows it.
        rules: {
          running: [{ signal: text, is: expected[text]?.value }],
          idle: [{ all: names.filter(name => name !== text).map(signal => ({ signal, is: 0 })) }],
        },
      },
    ],
  }
  writeFileSync(join(dir, 'password'), 'secret')
  const configFile = join(dir, 'agent.yaml')
  writeFileSync(configFile, JSON.stringify(config))
  const agent = await startAgent({
    ...{ configFile, config: loadConfig(configFile, AgentConfig, checkAgentConfig) },
    ...{
      log: createLog('edge-agent', 'silent'),
      metrics: createMetrics('edge-agent'),
      now: Date.now,
      random: Math.random,
    },
  })
  stack.defer(() => agent.stop())
  let values: { [signal: string]: unknown } = {}
  await until('the machine is read', async () => {
    const answer = await fetch(`${agent.addresses.http}/status.json`)
    const { machines } = (await answer.json()) as { machines: { signals: { name: string; value: unknown }[] }[] }
    values = Object.fromEntries((machines[0]?.signals ?? []).map(({ name, value }) => [name, value]))
    return Object.keys(values).length === names.length
  })
  return values
}

const VALUES = Object.fromEntries(Object.entries(expected).map(([name, { value }]) => [name, value]))

const expectOnlyReads = (functions: readonly number[]): void => {
  expect(new Set(functions)).toEqual(new Set([1, 2, 3, 4]))
}

const behindTap = async (peer: Peer) => {
  stack.defer(() => peer.stop())
  const tap = await startTap(peer.port)
  stack.defer(() => tap.stop())
  return tap
}

describe('an agent reads every type in every area from', () => {
  it('jsmodbus over TCP', async () => {
    const tap = await behindTap(await startJsmodbus(image))
    expect(await readWith({ type: 'modbus-tcp', host: '127.0.0.1', port: tap.port })).toEqual(VALUES)
    expectOnlyReads(tap.functions('mbap'))
  })
})

describe.runIf(missing.length === 0)('an agent reads every type in every area from', () => {
  it('libmodbus over TCP', async () => {
    const tap = await behindTap(await startLibmodbus(image, temporary()))
    expect(await readWith({ type: 'modbus-tcp', host: '127.0.0.1', port: tap.port })).toEqual(VALUES)
    expectOnlyReads(tap.functions('mbap'))
  })

  it('libmodbus over a serial line', async () => {
    const dir = temporary()
    const line = await openSerialLine(dir)
    stack.defer(() => line.stop())
    const peer = await startLibmodbus(image, dir, line.far)
    stack.defer(() => peer.stop())
    expect(await readWith({ type: 'modbus-rtu', path: line.near })).toEqual(VALUES)
    expectOnlyReads(peer.functions)
  })

  it('pymodbus over TCP', async () => {
    const tap = await behindTap(await startPymodbus(image, 'tcp'))
    expect(await readWith({ type: 'modbus-tcp', host: '127.0.0.1', port: tap.port })).toEqual(VALUES)
    expectOnlyReads(tap.functions('mbap'))
  })

  it('pymodbus over RTU over TCP', async () => {
    const tap = await behindTap(await startPymodbus(image, 'rtu-tcp'))
    expect(await readWith({ type: 'modbus-rtu-tcp', host: '127.0.0.1', port: tap.port })).toEqual(VALUES)
    expectOnlyReads(tap.functions('rtu'))
  })

  it('pymodbus over a serial line', async () => {
    const dir = temporary()
    const line = await openSerialLine(dir)
    stack.defer(() => line.stop())
    const peer = await startPymodbus(image, 'rtu', line.far)
    stack.defer(() => peer.stop())
    expect(await readWith({ type: 'modbus-rtu', path: line.near })).toEqual(VALUES)
  })

  it('golden vectors, which pymodbus writes as they are in the repository', () => {
    const golden = join(import.meta.dirname, '../../edge-agent/test/golden')
    const committed = readFileSync(join(golden, 'modbus-vectors.json'), 'utf8')
    expect(JSON.parse(goldenNow(join(golden, 'modbus_vectors.py')))).toEqual(JSON.parse(committed))
  })
})

describe('the package of the agent', () => {
  it('has no Modbus library in it that could write, and no function code above 4', () => {
    const room = join(import.meta.dirname, '../../edge-agent')
    const { dependencies } = JSON.parse(readFileSync(join(room, 'package.json'), 'utf8')) as {
      dependencies: { [name: string]: string }
    }
    expect(Object.keys(dependencies).filter(name => /modbus/.test(name))).toEqual([])
    const protocol = readFileSync(join(room, 'src/sources/modbus/protocol.ts'), 'utf8')
    const [, table] = /FUNCTION_OF = \{([^}]*)\}/.exec(protocol) as unknown as [string, string]
    expect([...table.matchAll(/: (\d+)/g)].map(([, code]) => Number(code)).toSorted()).toEqual([1, 2, 3, 4])
  })
})
