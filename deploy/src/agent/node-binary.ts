import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Debian's names of the architectures, and Node's. */
export const ARCHITECTURES = { amd64: 'x64', arm64: 'arm64' } as const
export type Architecture = keyof typeof ARCHITECTURES

/**
 * Puts Node's binary for another machine, with its licence, into `folder` as `node` and `LICENSE.node`. npm brings it and checks
 * what it got against the registry's checksum.
 */
export const fetchNode = (version: string, arch: Architecture, folder: string): void => {
  const scratch = mkdtempSync(join(tmpdir(), 'nakama-node-'))
  try {
    const specifier = `node-linux-${ARCHITECTURES[arch]}@${version}`
    execFileSync('npm', ['pack', '--silent', '--pack-destination', scratch, specifier], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [archive] = readdirSync(scratch).filter(name => name.endsWith('.tgz'))
    if (archive === undefined) throw new Error(`${specifier}: expected an archive from npm, got none`)
    execFileSync('tar', ['-xzf', join(scratch, archive), '-C', scratch, 'package/bin/node', 'package/LICENSE'])
    execFileSync('install', ['-m', '0755', join(scratch, 'package/bin/node'), join(folder, 'node')])
    execFileSync('install', ['-m', '0644', join(scratch, 'package/LICENSE'), join(folder, 'LICENSE.node')])
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
