import { globSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { basename, join, sep } from 'node:path'
import { describe, expect, it } from 'vitest'
import { allowedRooms, importsOf, violations } from '../src/architecture.ts'

const ROOT = join(import.meta.dirname, '../..')

const sources = Object.keys(allowedRooms).flatMap(room =>
  globSync(`${room}/src/**/*.ts`, { cwd: ROOT }).map(file => ({
    room,
    file: file.split(sep).join('/'),
    imports: importsOf(readFileSync(join(ROOT, file), 'utf8')),
  })),
)

const testImports = (room: string): string[] =>
  globSync(`${room}/test/**/*.ts`, { cwd: ROOT }).flatMap(file => importsOf(readFileSync(join(ROOT, file), 'utf8')))

describe('the rooms', () => {
  it('are all looked at', () => {
    const workspaces = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).workspaces as string[]
    expect(Object.keys(allowedRooms).toSorted()).toEqual(workspaces.toSorted())
    for (const room of workspaces) expect(sources.some(source => source.room === room)).toBe(true)
  })

  it('import each other one way only', () => {
    expect(sources.flatMap(violations)).toEqual([])
  })

  it('declare what they import, and nothing else', () => {
    for (const room of Object.keys(allowedRooms)) {
      const manifest = JSON.parse(readFileSync(join(ROOT, room, 'package.json'), 'utf8')) as {
        dependencies: { [name: string]: string }
      }
      const used = new Set(
        sources
          .filter(source => source.room === room)
          .flatMap(source => source.imports)
          .filter(specifier => !specifier.startsWith('.') && !isBuiltin(specifier))
          .map(packageName)
          .filter(name => name !== 'vitest' && name !== 'fast-check' && name !== `@nakama/${room}`),
      )
      const declared = Object.keys(manifest.dependencies)
      const missing = [...used].filter(name => !declared.includes(name))
      expect({ room, missing }).toEqual({ room, missing: [] })
      const inTests = new Set(testImports(room).map(packageName))
      const unused = declared.filter(name => !used.has(name) && !inTests.has(name))
      expect({ room, unused }).toEqual({ room, unused: [] })
      for (const version of Object.values(manifest.dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/)
    }
  })

  it('keep the contract pure: one outside dependency, no I/O', () => {
    const imports = sources.filter(source => source.room === 'contract').flatMap(source => source.imports)
    expect(new Set(imports.filter(specifier => !specifier.startsWith('.')).map(packageName))).toEqual(
      new Set(['typebox']),
    )
  })
})

describe('the test of the architecture', () => {
  const check = (file: string, specifier: string) =>
    violations({ room: file.split('/')[0] as string, file, imports: [specifier] })

  it.each([
    ['simulators/src/modbus-server.ts', '@nakama/edge-agent'],
    ['simulators/src/modbus-server.ts', '../../edge-agent/src/sources/modbus.ts'],
    ['edge-agent/src/agent.ts', '@nakama/store'],
    ['broker/src/broker.ts', '@nakama/ingest'],
    ['coordinator/src/coordinator.ts', '@nakama/ingest'],
    ['contract/src/topics.ts', '@nakama/service'],
    ['contract/src/topics.ts', 'node:fs'],
    ['ingest/src/ingest.ts', '@nakama/store/src/embedded/worker.ts'],
    ['ingest/src/timeline.ts', './main.ts'],
  ])('fails when %s imports %s', (file, specifier) => {
    expect(check(file, specifier)).toHaveLength(1)
  })

  it.each([
    ['ingest/src/ingest.ts', '@nakama/store'],
    ['ingest/src/ingest.ts', './timeline.ts'],
    ['edge-agent/src/sources/modbus.ts', '../config.ts'],
    ['edge-agent/src/sources/modbus.ts', 'node:net'],
  ])('lets %s import %s', (file, specifier) => {
    expect(check(file, specifier)).toEqual([])
  })

  it('sees imports however they are written', () => {
    const text = `import a from 'a'\nimport type { B } from "b"\nexport * from 'c'\nawait import('d')\nimport 'e'\nimport {\n  f,\n} from 'f'`
    expect(importsOf(text)).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  })
})

const packageName = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

describe('sources', () => {
  it('stay short enough to be read at one sitting', () => {
    const long = sources
      .map(({ file }) => ({ file, lines: readFileSync(join(ROOT, file), 'utf8').split('\n').length }))
      .filter(({ lines }) => lines > 400)
    expect(long).toEqual([])
  })

  it('are started only through a main.ts', () => {
    const starters = sources.filter(({ file }) => /\brunService\(\{/.test(readFileSync(join(ROOT, file), 'utf8')))
    for (const { file } of starters) expect(basename(file)).toBe('main.ts')
  })
})
