import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig, type ReadyMessage } from '@nakama/service'
import { describe, expect, it } from 'vitest'
import {
  checkSimulatorsConfig,
  MODEL_NAMES,
  MODELS,
  type ModbusSignal,
  readTruth,
  SimulatorsConfig,
  signalsOf,
} from '../src/index.ts'
import { openReader } from './modbus-client.ts'
import { onCleanup, temporaryFolder } from './support.ts'

const MAIN = join(import.meta.dirname, '../src/main.ts')
const TOP = 'seed: 7\ntruthDir: truth\nhttp: { host: 127.0.0.1, port: 0 }\nservers:\n'
const NC = '  - { protocol: modbus-tcp, port: 0, shop: a, machine: nc-1, model: nc-lathe }\n'

const run = (config: string, ...more: string[]): { child: ChildProcess; folder: string } => {
  const folder = temporaryFolder()
  const file = join(folder, 'simulators.yaml')
  writeFileSync(file, config)
  const child = spawn(process.execPath, [MAIN, '--config', file, ...more], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  onCleanup(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  return { child, folder }
}

describe('the process', () => {
  it('tells every server by name, speaks, and stops at SIGTERM', async () => {
    const { child, folder } = run(TOP + NC + NC.replaceAll('nc-1', 'nc-2'))
    const [{ addresses }] = (await once(child, 'message')) as [ReadyMessage]
    expect(Object.keys(addresses)).toEqual(['http', 'modbus:a/nc-1', 'modbus:a/nc-2'])
    const { read } = await openReader(Number(new URL(addresses['modbus:a/nc-2'] as string).port), 'nc-lathe')
    expect((await read()).tick).toBeGreaterThan(0)
    const health = (await (await fetch(`${addresses.http}/healthz`)).json()) as { machines: number }
    expect(health.machines).toBe(2)
    expect(await (await fetch(`${addresses.http}/metrics`)).text()).toContain(
      'nakama_simulators_ticks_served_total{shop="a",machine="nc-2"} 1',
    )
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(readTruth(join(folder, 'truth', 'a-nc-1.ndjson')).at(-1)?.reachable).toBe(false)
  })

  it('leaves OPC UA and its memory alone when no machine speaks it', async () => {
    const { child } = run(TOP + NC)
    const [{ addresses }] = (await once(child, 'message')) as [ReadyMessage]
    const metrics = await (await fetch(`${addresses.http}/metrics`)).text()
    const heap = Number(/^nodejs_heap_size_used_bytes (\S+)/m.exec(metrics)?.[1])
    expect(heap).toBeLessThan(40 * 1024 * 1024)
  })
})

describe('the configuration', () => {
  const load = (text: string) => {
    const file = join(temporaryFolder(), 'simulators.yaml')
    writeFileSync(file, text)
    return () => loadConfig(file, SimulatorsConfig, checkSimulatorsConfig)
  }

  it('is good as the examples have it', () => {
    const opcua = '  - { protocol: opcua, port: 0, shop: a, machines: [{ machine: mc-1, model: vertical-mc }] }\n'
    expect(load(TOP + NC + opcua)().servers).toHaveLength(2)
  })

  it.each([
    [
      'a model that speaks another protocol',
      NC.replace('nc-lathe', 'vertical-mc'),
      'servers.0: expected a model that speaks modbus-tcp, got vertical-mc',
    ],
    [
      'a machine named twice',
      NC + NC,
      'servers.1: expected one server per shop and protocol, or machine, got a second modbus:a/nc-1',
    ],
    [
      'two machines with one log file',
      NC + NC.replace('shop: a, machine: nc-1', 'shop: a-nc, machine: "1"'),
      'expected machines whose log files have names of their own, got a second a-nc-1.ndjson',
    ],
    ['an unknown model', NC.replace('nc-lathe', 'robot'), 'servers.0.model: expected one of'],
    ['a time that does not exist', `${NC}start: 2026-13-03T10:20:00Z\n`, 'start: expected a time that exists'],
  ])('refuses %s, naming the place', (_, rest, words) => {
    expect(load(TOP + rest)).toThrow(words)
  })

  it('refuses to let the whole network stop machines', () => {
    expect(load(TOP.replace('127.0.0.1', '0.0.0.0') + NC)).toThrow('http.host: expected a loopback address')
  })
})

describe('the catalogue', () => {
  it.each(MODEL_NAMES)(
    'of model %s names every signal once, at a place of its own, with one tick of 32 bits',
    model => {
      const { signals, protocol } = MODELS[model]
      expect(new Set(signals.map(({ name }) => name)).size).toBe(signals.length)
      expect(signals.filter(({ role }) => role === 'tick').map(({ name, type }) => [name, type.toLowerCase()])).toEqual(
        [['tick', 'uint32']],
      )
      if (protocol === 'opcua') return
      const places = (signals as readonly ModbusSignal[]).flatMap(({ area, address, type, bit }) =>
        (type === 'uint32' ? [0, 1] : [0]).map(offset => `${area} ${address + offset} ${bit ?? 'whole'}`),
      )
      expect(new Set(places).size).toBe(places.length)
      const words = places.filter(place => place.endsWith('whole')).map(place => place.replace(' whole', ''))
      expect(places.filter(place => !place.endsWith('whole') && words.includes(place.replace(/ \d+$/, '')))).toEqual([])
    },
  )

  it('keeps know-how out of what is offered to agents', () => {
    const offered = Object.keys(signalsOf({ shop: 'a', machine: 'mc-1', model: 'vertical-mc' }))
    expect(offered).toContain('execution')
    expect(offered).not.toContain('program')
    expect(offered).not.toContain('message')
    expect(signalsOf({ shop: 'a', machine: 'mc-1', model: 'vertical-mc' }, ['private'])).toEqual({
      program: { node: 'nsu=urn:nakama:simulators:machines;s=a/mc-1/program' },
      message: { node: 'nsu=urn:nakama:simulators:machines;s=a/mc-1/message' },
    })
  })
})
