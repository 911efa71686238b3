import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfig } from '@nakama/service'
import { describe, expect, it } from 'vitest'
import { coordinatorSense, readRegister } from '../src/config.ts'
import { CoordinatorConfig } from '../src/index.ts'
import { temporaryDir } from './helpers.ts'

const GOOD = `
id: main
broker: { url: mqtt://127.0.0.1:1883, username: coordinator:main, password: { env: X } }
http: { host: 127.0.0.1, port: 8080 }
dataDir: data
store: { type: embedded, file: store.sqlite }
register:
  - id: tanaka
    name: 田中製作所
    town: 大森南
    area: 大森
    agents: [pi]
    machines:
      - { id: lathe-1, kind: nc-lathe, name: NC旋盤 }
`

const load = async (text: string): Promise<CoordinatorConfig> => {
  const file = join(await temporaryDir(), 'coordinator.yaml')
  await writeFile(file, text)
  return loadConfig(file, CoordinatorConfig, coordinatorSense)
}

describe('a configuration', () => {
  it('is taken when it is good', async () => {
    expect((await load(GOOD)).register).toHaveLength(1)
  })

  it.each([
    ['host: 127.0.0.1', 'host: 0.0.0.0', 'http.host: expected a loopback address'],
    ['kind: nc-lathe', 'kind: lathe', 'register.0.machines.0.kind: expected one of "nc-lathe"'],
    ['agents: [pi]', 'agents: []', 'register.0.agents: expected'],
    ['agents: [pi]', 'agents: [pi-1, pi-2]', 'register.0.machines.0.agent: expected one of pi-1, pi-2, got nothing'],
    ['name: NC旋盤 }', 'name: NC旋盤, agent: other }', 'register.0.machines.0.agent: expected one of pi, got "other"'],
    [
      '- { id',
      '- { id: lathe-1, kind: laser, name: L }\n      - { id',
      'register.0.machines.1.id: expected a machine of this shop that is not there before',
    ],
    [
      'dataDir: data',
      'dataDir: data\nregisterFile: r.yaml',
      'register: expected either register or registerFile, got both',
    ],
    ['port: 8080', 'port: 8080, cors: true', 'http.cors: expected no such setting'],
  ])('with %s changed to %s is refused, naming the place', async (from, to, message) => {
    const text = GOOD.replace(from, to)
    expect(text).not.toBe(GOOD)
    await expect(load(text)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(message),
    })
  })

  it('may listen for everybody when it says that it means it', async () => {
    const text = GOOD.replace('host: 127.0.0.1,', 'host: 0.0.0.0, allowUnauthenticated: true,')
    expect((await load(text)).http.host).toBe('0.0.0.0')
  })

  it('may keep the register in a file of its own, which is checked alike', async () => {
    const dir = await temporaryDir()
    const [head, register] = GOOD.split('register:\n') as [string, string]
    const file = join(dir, 'coordinator.yaml')
    await writeFile(file, `${head}registerFile: shops.yaml\n`)
    await writeFile(join(dir, 'shops.yaml'), register)
    const config = loadConfig(file, CoordinatorConfig, coordinatorSense)
    expect(readRegister(config, file)[0]?.id).toBe('tanaka')
    await writeFile(join(dir, 'shops.yaml'), register + register)
    expect(() => readRegister(config, file)).toThrow(
      /shops.yaml: 1.id: expected a shop that is not there before, got "tanaka"/,
    )
  })
})
