import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { eventually, later, REGISTER, startBroker, temporaryDir } from './helpers.ts'
import { openStream } from './sse.ts'

const MAIN = join(import.meta.dirname, '../src/main.ts')

const run = (args: readonly string[]): ChildProcess => {
  const child = fork(MAIN, args, {
    env: { ...process.env, COORDINATOR_TEST_PASSWORD: 'secret', LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  later(async () => {
    child.kill('SIGKILL')
  })
  return child
}

const writeConfig = async (brokerPort: number, more: object = {}): Promise<string> => {
  const file = join(await temporaryDir(), 'coordinator.yaml')
  // JSON is YAML.
  const config = {
    id: 'main',
    broker: {
      url: `mqtt://127.0.0.1:${brokerPort}`,
      username: 'coordinator:main',
      password: { env: 'COORDINATOR_TEST_PASSWORD' },
    },
    http: { host: '127.0.0.1', port: 0 },
    dataDir: 'data',
    store: { type: 'embedded', file: 'store.sqlite' },
    register: REGISTER,
    ...more,
  }
  await writeFile(file, JSON.stringify(config))
  return file
}

describe('the process', () => {
  it('says where it listens, is ready with the broker, and stops when asked although boards are open', async () => {
    const { port } = await startBroker()
    const child = run(['--config', await writeConfig(port)])
    const [ready] = (await once(child, 'message')) as [{ addresses: { http: string } }]
    const url = ready.addresses.http
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const stream = await openStream(url)
    await eventually(() => expect(stream.events.at(-1)?.data).toMatchObject({ feed: { connected: true } }))
    expect(await (await fetch(`${url}/healthz`)).json()).toMatchObject({ ok: true, feedConnected: true, machines: 4 })
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
    await eventually(() => expect(stream.ended()).toBe(true))
  })

  it('refuses a bad configuration with one line that names the place', async () => {
    const child = run(['--check-config', '--config', await writeConfig(1, { http: { host: '0.0.0.0', port: 0 } })])
    let said = ''
    child.stderr?.on('data', chunk => {
      said += chunk
    })
    expect(await once(child, 'exit')).toEqual([2, null])
    expect(said).toMatch(/^\S+coordinator\.yaml: http\.host: expected a loopback address .*, got "0\.0\.0\.0"\n$/)
  })
})
