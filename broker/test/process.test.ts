import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ReadyMessage } from '@nakama/service'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  AGENT,
  connected,
  INGEST,
  listen,
  onCleanUp,
  passwordOf,
  startTestBroker,
  temporaryFolder,
  tidyUp,
  WAIT,
} from './support.ts'

afterEach(tidyUp)

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

const writeConfig = (yaml: string): string => {
  const file = join(temporaryFolder(), 'broker.yaml')
  writeFileSync(file, yaml)
  return file
}

const CONFIG = `
listen: { host: 127.0.0.1, port: 0 }
http: { host: 127.0.0.1, port: 0 }
credentials:
  - { username: '${AGENT}', password: { env: AGENT_SECRET } }
  - { username: '${INGEST}', password: { env: INGEST_SECRET } }
`

const startProcess = async (): Promise<{ child: ChildProcess; port: number; http: string }> => {
  const child = fork(MAIN, ['--config', writeConfig(CONFIG)], {
    env: { ...process.env, AGENT_SECRET: passwordOf(AGENT), INGEST_SECRET: passwordOf(INGEST), LOG_LEVEL: 'silent' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  onCleanUp(() => child.kill('SIGKILL'))
  const [{ addresses }] = (await once(child, 'message')) as [ReadyMessage]
  return { child, port: Number(new URL(addresses.mqtt as string).port), http: addresses.http as string }
}

describe('the broker as a process', () => {
  it('serves, tells its health and metrics, and stops in time at SIGTERM with clients connected', async () => {
    const { child, port, http } = await startProcess()
    const ingest = await connected(port, INGEST)
    const heard = await listen(ingest, 'nakama/v1/+/+/records')
    const agent = await connected(port, AGENT)
    await agent.publishAsync('nakama/v1/kamata/pi/records', 'batch')
    await vi.waitFor(() => expect(heard).toHaveLength(1), WAIT)

    const health = (await (await fetch(`${http}/healthz`)).json()) as { [name: string]: unknown }
    expect(health).toMatchObject({ ok: true, agents: 1, ingests: 1, strangers: 0 })
    expect(health.lastMessageInAgeMs).toBeLessThan(5_000)
    expect(health.lastMessageOutAgeMs).toBeLessThan(5_000)
    expect((await fetch(`${http}/readyz`)).status).toBe(200)
    const metrics = await (await fetch(`${http}/metrics`)).text()
    expect(metrics).toMatch(/^nakama_broker_connections\{role="agent"\} 1$/m)
    expect(metrics).toMatch(/^nakama_broker_messages_total\{direction="out"\} 1$/m)

    const before = performance.now()
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
    expect(performance.now() - before).toBeLessThan(3_000)
  })

  it('checks a configuration without starting', () => {
    const check = (yaml: string) =>
      spawnSync(process.execPath, [MAIN, '--config', writeConfig(yaml), '--check-config'], { encoding: 'utf8' })
    expect(check(CONFIG)).toMatchObject({ status: 0, stdout: expect.stringMatching(/broker\.yaml: ok/) })
    expect(check(`${CONFIG}limits: { drainTimeoutMs: soon }`)).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/limits\.drainTimeoutMs: expected .*number|integer.*, got "soon"/),
    })
  })
})

describe('stopping', () => {
  it('lets go of the port and of every client, twice as well as once, and forgets everything', async () => {
    const first = await startTestBroker()
    const agent = await connected(first.port, AGENT)
    await agent.publishAsync('nakama/v1/kamata/pi/status', 'here', { qos: 1, retain: true })
    const gone = once(agent.stream, 'close')
    await Promise.all([first.service.stop(), first.service.stop()])
    await gone
    await expect(fetch(`${first.http}/healthz`)).rejects.toThrow()

    const second = await startTestBroker({}, { listen: { host: '127.0.0.1', port: first.port } })
    expect(second.port).toBe(first.port)
    await connected(second.port, AGENT)
    expect(await second.metric('retained_messages')).toBe(0)
  })

  it('says where it cannot listen, and leaves nothing open behind', async () => {
    const { port } = await startTestBroker()
    await expect(startTestBroker({}, { listen: { host: '127.0.0.1', port } })).rejects.toMatchObject({
      code: 'BROKER_CANNOT_LISTEN',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    })
    const free = await startTestBroker()
    await free.service.stop()
    const { port: taken } = new URL((await startTestBroker()).http)
    await expect(
      startTestBroker(
        {},
        {
          listen: { host: '127.0.0.1', port: free.port },
          http: { host: '127.0.0.1', port: Number(taken) },
        },
      ),
    ).rejects.toThrow(/EADDRINUSE/)
    // The MQTT port of the start that failed is free again.
    await startTestBroker({}, { listen: { host: '127.0.0.1', port: free.port } })
  })
})
