import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const LIB = 'usr/lib/nakama-agent'
/** ELF header, e_machine: which processor a program is for. */
const MACHINES = { amd64: 0x3e, arm64: 0xb7 } as const
const PLATFORMS = { amd64: 'linux-x64', arm64: 'linux-arm64' } as const
type Architecture = keyof typeof MACHINES

const hasDpkg = spawnSync('dpkg-deb', ['--version']).error === undefined
if (!hasDpkg)
  process.stdout.write('agent package: no dpkg-deb here, so its tests are left out (it comes with Debian)\n')

// Node for the other processor comes from the registry: only where that is asked for.
const architectures: Architecture[] = process.env.REQUIRE_TOOLS === undefined ? ['amd64'] : ['amd64', 'arm64']
const isHere = (arch: Architecture): boolean => process.arch === (arch === 'amd64' ? 'x64' : 'arm64')

describe.runIf(hasDpkg).each(architectures)('the package for %s', arch => {
  const work = mkdtempSync(join(tmpdir(), 'nakama-package-'))
  const tree = join(work, 'tree')
  afterAll(() => rmSync(work, { recursive: true, force: true }))
  beforeAll(() => {
    const args = ['deploy/src/agent/main.ts', '--arch', arch, '--out', work, '--compression', 'none']
    const file = execFileSync(process.execPath, args, {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    execFileSync('dpkg-deb', ['--raw-extract', file.trim(), tree])
  }, 300_000)
  const text = (name: string): string => readFileSync(join(tree, name), 'utf8')

  it('has a Node of the version of this project, for that processor', () => {
    const header = Buffer.alloc(20)
    const file = openSync(join(tree, LIB, 'node'), 'r')
    readSync(file, header, 0, header.length, 0)
    expect(header.readUInt16LE(18)).toBe(MACHINES[arch])
    if (isHere(arch)) {
      const version = execFileSync(join(tree, LIB, 'node'), ['--version'], { encoding: 'utf8' })
      expect(version.trim()).toBe(process.version)
    }
  })

  it('has the native part of the serial lines for that processor alone', () => {
    const prebuilds = join(tree, LIB, 'node_modules/@serialport/bindings-cpp/prebuilds')
    expect(readdirSync(prebuilds)).toEqual([PLATFORMS[arch]])
  })

  it('says what it is and needs, brings what it was told to, and keeps what belongs to the shop out of it', () => {
    expect(text('DEBIAN/control')).toMatch(
      new RegExp(`^Package: nakama-agent\\nVersion: \\d+\\.\\d+\\.\\d+\\nArchitecture: ${arch}\\n`),
    )
    for (const name of ['usr/lib/systemd/system/nakama-agent.service', 'usr/bin/nakama-agent', 'DEBIAN/postinst']) {
      expect(existsSync(join(tree, name))).toBe(true)
    }
    expect(statSync(tree).mode & 0o777).toBe(0o755)
    expect(existsSync(join(tree, 'etc'))).toBe(false)
    expect(text('usr/share/doc/nakama-agent/copyright')).toMatch(/Apache License[\s\S]*node-opcua-client/)
  })

  it('speaks of nothing on the machine that made it', () => {
    const code = readdirSync(join(tree, LIB)).filter(name => name.endsWith('.js'))
    expect(code).toContain('main.js')
    for (const name of code) expect(text(join(LIB, name))).not.toContain(ROOT)
  })

  // One for another processor cannot run here.
  if (!isHere(arch)) return
  it('runs from where it is unpacked', () => {
    const sample = join(tree, 'usr/share/doc/nakama-agent/agent.sample.yaml')
    const args = [join(tree, LIB, 'main.js'), '--config', sample, '--check-config']
    expect(execFileSync(join(tree, LIB, 'node'), args, { encoding: 'utf8' })).toBe(`${sample}: ok\n`)
  })
})
