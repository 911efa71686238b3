import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'

// What can be said of the container files without an engine to run them.
const ROOT = join(import.meta.dirname, '../..')
const text = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

interface Service {
  readonly command: readonly string[]
  readonly ports?: readonly string[]
  readonly volumes: readonly string[]
  readonly depends_on?: { readonly [service: string]: unknown }
  readonly healthcheck?: { readonly test: readonly string[] }
}

const compose = parse(text('docker-compose.yml'), { merge: true }) as {
  readonly services: { readonly [name: string]: Service }
  readonly volumes: { readonly [name: string]: unknown }
}
const services = Object.entries(compose.services)
const configured = services.flatMap(([name, service]) => {
  const inside = service.command[service.command.indexOf('--config') + 1]
  if (!service.command.includes('--config') || inside === undefined) return []
  const mount = service.volumes.map(volume => volume.split(':')).find(([, target]) => target === inside)
  return [
    {
      name,
      service,
      main: service.command.find(word => word.endsWith('main.ts')) as string,
      config: mount?.[0] ?? `nothing mounted at ${inside}`,
    },
  ]
})

const folder = mkdtempSync(join(tmpdir(), 'nakama-compose-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('docker-compose.yml', () => {
  it('runs broker, ingest and coordinator', () => {
    expect(configured.map(({ name }) => name).toSorted()).toEqual(['broker', 'coordinator', 'ingest'])
  })

  it.each(configured)('gives $name a configuration that it takes', async ({ main, config }) => {
    const checked = promisify(execFile)(process.execPath, [
      join(ROOT, main),
      '--config',
      join(ROOT, config),
      '--check-config',
    ])
    await expect(checked).resolves.toMatchObject({ stdout: expect.stringContaining(': ok') })
  })

  it.each(configured)(
    'asks the health of $name where it answers, and publishes what it listens on',
    ({ service, config }) => {
      const { http, listen } = parse(text(config)) as { http: { port: number }; listen?: { port: number } }
      expect(service.healthcheck?.test.join(' ')).toContain(`http://127.0.0.1:${http.port}/readyz`)
      for (const port of service.ports ?? []) {
        expect([http.port, listen?.port]).toContain(Number(port.split(':').at(-1)))
      }
    },
  )

  it.each(services)('mounts for %s only what is there', (_name, service) => {
    for (const volume of service.volumes) {
      const source = volume.split(':')[0] as string
      if (source.startsWith('./')) expect(existsSync(join(ROOT, source)), source).toBe(true)
      else expect(Object.keys(compose.volumes)).toContain(source)
    }
    for (const needed of Object.keys(service.depends_on ?? {})) expect(Object.keys(compose.services)).toContain(needed)
  })

  it('makes every secret that a configuration reads, once', async () => {
    const firstStart = join(ROOT, compose.services['first-start']?.command[1] as string)
    const run = () => promisify(execFile)(process.execPath, [firstStart, '--folder', folder])
    await run()
    const password = readFileSync(join(folder, 'ingest-main'), 'utf8')
    await run()
    expect(readFileSync(join(folder, 'ingest-main'), 'utf8')).toBe(password)
    for (const { config } of configured) {
      for (const [, file] of text(config).matchAll(/\/run\/nakama\/([\w.-]+)/g)) {
        expect(existsSync(join(folder, file as string)), file).toBe(true)
      }
    }
    const names = (parse(readFileSync(join(folder, 'credentials.yaml'), 'utf8')) as { username: string }[]).map(
      ({ username }) => username,
    )
    for (const { config } of configured) {
      const { broker } = parse(text(config)) as { broker?: { username: string } }
      if (broker !== undefined) expect(names).toContain(broker.username)
    }
  })
})

it('the sample configuration of an agent is one that an agent takes', async () => {
  const [main, sample] = [join(ROOT, 'edge-agent/src/main.ts'), join(ROOT, 'deploy/agent.sample.yaml')]
  const checked = promisify(execFile)(process.execPath, [main, '--config', sample, '--check-config'])
  await expect(checked).resolves.toMatchObject({ stdout: `${sample}: ok\n` })
})

describe('Dockerfile', () => {
  it('runs the same Node as everywhere else', () => {
    const { devDependencies } = JSON.parse(text('package.json')) as { devDependencies: { node: string } }
    const images = [...text('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(match => match[1])
    expect(new Set(images)).toEqual(new Set([`node:${devDependencies.node}-slim`]))
  })

  it('holds every room that a service needs', () => {
    const needed = configured.flatMap(({ main }) => roomsNeeded(main.split('/')[0] as string))
    for (const room of new Set(needed)) expect(text('Dockerfile')).toContain(`COPY ${room} ${room}/`)
  })
})

const roomsNeeded = (room: string): string[] => {
  const { dependencies } = JSON.parse(text(`${room}/package.json`)) as { dependencies: { [name: string]: string } }
  const others = Object.keys(dependencies).filter(name => name.startsWith('@nakama/'))
  return [room, ...others.flatMap(name => roomsNeeded(name.slice('@nakama/'.length)))]
}
