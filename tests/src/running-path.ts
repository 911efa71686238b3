import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DemoShop, type Path, type PathOptions, startPath } from '@nakama/demo'
import { logName } from '@nakama/simulators'
import { until } from './until.ts'

export interface ShownMachine {
  readonly shop: string
  readonly machine: string
  readonly state: string
  readonly since: string | null
  readonly taking: boolean | null
}

export interface RunningPath extends AsyncDisposable {
  readonly path: Path
  /** What the API shows now, by `shop/machine`. */
  machines(): Promise<Map<string, ShownMachine>>
  get<T>(route: string): Promise<T>
  /** Makes a simulated machine do something (`{ action: 'start-cycle' }`), or its network go away (`unplug`, `plug`). */
  control(machine: string, verb: 'do' | 'unplug' | 'plug', body?: object): Promise<void>
  /** The file of a machine's truth or served log. */
  log(which: 'truth' | 'served', machine: string): string
}

/** The whole path in a temporary folder; everything ends with the `await using` that holds it. */
export const runPath = async (options: Omit<PathOptions, 'folder'> = {}): Promise<RunningPath> => {
  const folder = mkdtempSync(join(tmpdir(), 'nakama-path-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  const path = await startPath({ readyTimeoutMs: 60_000, ...options, folder }).catch(error => {
    remove()
    throw error
  })
  const get = async <T>(route: string): Promise<T> => {
    const answer = await fetch(`${path.url}${route}`)
    if (!answer.ok) throw new Error(`${route}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as T
  }
  return {
    path,
    get,
    async machines() {
      const { machines } = await get<{ machines: ShownMachine[] }>('/api/v1/machines')
      return new Map(machines.map(machine => [`${machine.shop}/${machine.machine}`, machine]))
    },
    async control(machine, verb, body = {}) {
      const { http } = path.addresses('simulators')
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(`${http}/machines/${machine}/${verb}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      })
      if (!answer.ok) throw new Error(`${machine} ${verb}: ${answer.status} ${await answer.text()}`)
    },
    log(which, name) {
      const [shop, machine] = name.split('/') as [string, string]
      return join(path.dataDir, which, logName({ shop, machine }))
    },
    async [Symbol.asyncDispose]() {
      await path.stop()
      remove()
    },
  }
}

export const machineNames = (fleet: readonly DemoShop[]): string[] =>
  fleet.flatMap(({ shop, machines }) => machines.map(({ machine }) => `${shop}/${machine}`))

/** Resolves when no machine is OFFLINE. */
export const untilAllHeard = (running: RunningPath): Promise<true> =>
  until(
    'every machine is heard',
    async () => {
      const silent = [...(await running.machines()).entries()].filter(([, { state }]) => state === 'OFFLINE')
      if (silent.length > 0) throw new Error(`OFFLINE: ${silent.map(([name]) => name).join(', ')}`)
      return true as const
    },
    { withinMs: 40_000 },
  )
