import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ProcessEvent, type ProcessSpec, type Supervisor, superviseProcesses } from '../src/supervisor.ts'

const FIXTURE = join(import.meta.dirname, 'fixture-service.ts')
let folder: string
let running: Supervisor | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nakama-supervisor-'))
})

afterEach(async () => {
  await running?.stop()
  running = undefined
  rmSync(folder, { recursive: true })
})

const fixture = (name: string, needs: string[] = [], port = 0): ProcessSpec => ({
  name,
  main: FIXTURE,
  needs,
  config: (_of, own) => ({
    http: { host: '127.0.0.1', port: own?.http === undefined ? port : Number(new URL(own.http).port) },
  }),
})

const start = async (specs: ProcessSpec[], onEvent: (event: ProcessEvent) => void = () => {}): Promise<Supervisor> => {
  running = await superviseProcesses(specs, { folder, onEvent, readyTimeoutMs: 10_000 })
  return running
}

const alive = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')

describe('the supervisor', () => {
  it('starts a process only when what it needs is ready, and tells it where that is', async () => {
    const order: string[] = []
    const supervisor = await start(
      [
        fixture('broker'),
        {
          ...fixture('ingest', ['broker']),
          config: of => {
            expect(of('broker').http).toMatch(/^http:/)
            return { http: { host: '127.0.0.1', port: 0 } }
          },
        },
      ],
      event => order.push(`${event.name} ${event.type}`),
    )
    expect(order).toEqual(['broker ready', 'ingest ready'])
    expect((await fetch(`${supervisor.addresses('ingest').http}/healthz`)).status).toBe(200)
  })

  it('starts a killed process again, at the same address, and says so', async () => {
    const events: ProcessEvent[] = []
    const supervisor = await start([fixture('broker')], event => events.push(event))
    const before = supervisor.addresses('broker').http
    const pid = supervisor.pid('broker')
    supervisor.kill('broker', 'SIGKILL')
    await vi.waitFor(() => expect(events.map(event => event.type)).toEqual(['ready', 'died', 'ready']), 8_000)
    expect(events[1]).toMatchObject({ name: 'broker', how: 'SIGKILL', againInMs: 500 })
    expect(supervisor.addresses('broker').http).toBe(before)
    expect(supervisor.pid('broker')).not.toBe(pid)
    expect(supervisor.restarts).toBe(1)
  })

  it('leaves an unplugged process dead until it is plugged in', async () => {
    const supervisor = await start([fixture('agent')])
    const pid = supervisor.pid('agent')
    await supervisor.unplug('agent')
    expect(alive(pid)).toBe(false)
    await supervisor.plugIn('agent')
    expect(alive(supervisor.pid('agent'))).toBe(true)
    expect(supervisor.restarts).toBe(0)
  })

  it('moves the clock of one process, for its later lives too', async () => {
    const supervisor = await start([fixture('broker'), fixture('agent')])
    const errorMs = async (name: string, offsetMs: number): Promise<number> => {
      const health = await (await fetch(`${supervisor.addresses(name).http}/healthz`)).json()
      return Math.abs((health as { now: number }).now - offsetMs - Date.now())
    }
    supervisor.setClock('agent', -10_800_000)
    await vi.waitFor(async () => expect(await errorMs('agent', -10_800_000)).toBeLessThan(5_000), 5_000)
    expect(await errorMs('broker', 0)).toBeLessThan(5_000)
    await supervisor.unplug('agent')
    await supervisor.plugIn('agent')
    expect(await errorMs('agent', -10_800_000)).toBeLessThan(5_000)
  })

  it('ends everything, even a frozen process', async () => {
    const supervisor = await start([fixture('broker'), fixture('agent', ['broker'])])
    const pids = supervisor.names.map(name => supervisor.pid(name))
    supervisor.kill('agent', 'SIGSTOP')
    await supervisor.stop()
    expect(pids.map(alive)).toEqual([false, false])
    await supervisor.stop()
  })

  it('that cannot start one process ends the others and says which, and why', async () => {
    const first = await start([fixture('broker')])
    const taken = Number(new URL(first.addresses('broker').http as string).port)
    let other = ''
    const failure = superviseProcesses([fixture('other'), fixture('second', ['other'], taken)], {
      folder,
      onEvent: event => {
        if (event.type === 'ready') other = event.addresses.http as string
      },
    })
    await expect(failure).rejects.toMatchObject({
      code: 'DEMO_START_FAILED',
      message: expect.stringMatching(/^second ended \(exit 1\)[\s\S]*EADDRINUSE/),
    })
    expect(other).toMatch(/^http:/)
    await expect(fetch(`${other}/healthz`)).rejects.toThrow('fetch failed')
  })
})
