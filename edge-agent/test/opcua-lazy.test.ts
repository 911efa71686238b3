import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { configText } from './agent-support.ts'
import { until } from './opcua-support.ts'
import { freePort } from './support.ts'

const MAIN = join(import.meta.dirname, '../src/main.ts')
/** Says the name of every library that a process loads. */
const TELL_LOADED = `import { registerHooks } from 'node:module'
registerHooks({ load(url, context, next) {
  const name = /\\/node_modules\\/([^/]+)/.exec(url)?.[1]
  if (name !== undefined) process.stderr.write('loads ' + name + '\\n')
  return next(url, context)
} })`

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'opcua-lazy-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

it('a process loads no library for machines that it does not read: not for OPC UA, not for serial lines', async () => {
  const machine = `  - { id: mc-1, kind: vertical-mc, name: MC, source: { type: opcua, endpoint: 'opc.tcp://127.0.0.1:${await freePort()}' }, presets: [machinery] }\n`
  const loadedBy = async (config: string, isEnough: (loaded: string) => boolean): Promise<string> => {
    const file = join(dir, 'agent.yaml')
    await writeFile(file, config)
    await writeFile(join(dir, 'password'), 'secret')
    const hook = join(dir, 'hook.mjs')
    await writeFile(hook, TELL_LOADED)
    const child = spawn(process.execPath, ['--import', hook, MAIN, '--config', file], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, LOG_LEVEL: 'silent' },
    })
    let loaded = ''
    child.stderr?.on('data', text => {
      loaded += text
    })
    try {
      await once(child, 'message')
      await until(() => expect(isEnough(loaded)).toBe(true))
      return loaded
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
  const port = await freePort()
  const startedAt = performance.now()
  const both = await loadedBy(`${configText(port, port)}${machine}`, text => text.includes('node-opcua-client'))
  const tookMs = performance.now() - startedAt
  expect(both).toContain('loads mqtt')
  // As long as it took where it is wanted, and it is still not there.
  const quiet = setTimeout(tookMs, true)
  let isOver = false
  void quiet.then(() => {
    isOver = true
  })
  const modbusOnly = await loadedBy(configText(port, port), () => isOver)
  expect(modbusOnly).toContain('loads mqtt')
  expect(modbusOnly).not.toMatch(/node-opcua|serialport/)
})
