import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundleAgent, copyLibrary, licencesOf } from './bundle.ts'
import { ARCHITECTURES, type Architecture, fetchNode } from './node-binary.ts'

const ROOT = join(import.meta.dirname, '../../..')
const FILES = join(ROOT, 'deploy/agent')

export interface PackageOptions {
  readonly arch: Architecture
  /** Folder for the package; made if it is not there. */
  readonly out: string
  /** Of the package: `none` is quick and large. */
  readonly compression: 'xz' | 'none'
  readonly say: (line: string) => void
}

/**
 * Makes `nakama-agent_<version>_<arch>.deb`: the agent bundled, Node's binary, unit files and a sample configuration. It needs
 * nothing on the Pi but Debian itself.
 *
 * @returns the path of the package.
 */
export const packageAgent = async ({ arch, out, compression, say }: PackageOptions): Promise<string> => {
  const tree = mkdtempSync(join(tmpdir(), 'nakama-deb-'))
  try {
    const { version } = readJson(join(ROOT, 'edge-agent/package.json')) as { version: string }
    const { devDependencies } = readJson(join(ROOT, 'package.json')) as { devDependencies: { node: string } }
    const [lib, doc] = [join(tree, 'usr/lib/nakama-agent'), join(tree, 'usr/share/doc/nakama-agent')]
    // Made for its owner alone, and the root folder of every Pi to be.
    chmodSync(tree, 0o755)
    for (const folder of [lib, doc]) mkdirSync(folder, { recursive: true })

    say(`1/4  Node ${devDependencies.node} for ${arch}`)
    fetchNode(devDependencies.node, arch, lib)
    say('2/4  the agent')
    const bundled = await bundleAgent(ROOT, lib)
    const copied = copyLibrary(ROOT, 'serialport', join(lib, 'node_modules'), `linux-${ARCHITECTURES[arch]}`)
    say('3/4  units, scripts, documents')
    install(tree, 'nakama-agent', 'usr/bin', 0o755)
    for (const unit of ['nakama-agent.service', 'nakama-agent.path'])
      install(tree, unit, 'usr/lib/systemd/system', 0o644)
    for (const script of ['postinst', 'prerm', 'postrm']) install(tree, script, 'DEBIAN', 0o755)
    cpSync(join(ROOT, 'deploy/agent.sample.yaml'), join(doc, 'agent.sample.yaml'))
    cpSync(join(ROOT, 'docs/operating.md'), join(doc, 'operating.md'))
    writeFileSync(
      join(doc, 'copyright'),
      `${readFileSync(join(ROOT, 'LICENSE'), 'utf8')}\n----\n\n${licencesOf(ROOT, [...bundled, ...copied])}`,
    )
    writeFileSync(join(tree, 'DEBIAN/control'), control(version, arch, kibibytesIn(tree)))
    say('4/4  the package')
    mkdirSync(out, { recursive: true })
    const file = join(out, `nakama-agent_${version}_${arch}.deb`)
    execFileSync('dpkg-deb', ['--root-owner-group', `-Z${compression}`, '--build', tree, file], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    return file
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

/** deb-control(5). */
const control = (version: string, arch: Architecture, kibibytes: number): string => `Package: nakama-agent
Version: ${version}
Architecture: ${arch}
Maintainer: Nakama <nakama@localhost>
Installed-Size: ${kibibytes}
Depends: adduser, libc6 (>= 2.28), libstdc++6
Recommends: systemd
Section: misc
Priority: optional
Description: reads the machines of one small shop for Nakama (仲間まわし)
 Reads lathes and mills over Modbus and OPC UA, decides whether each runs or is
 free, keeps every reading on the card until the server has stored it, and
 shows the shop its own page. It never writes to a machine.
`

const install = (tree: string, name: string, folder: string, mode: number): void => {
  mkdirSync(join(tree, folder), { recursive: true })
  cpSync(join(FILES, name), join(tree, folder, name))
  chmodSync(join(tree, folder, name), mode)
}

const readJson = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'))

const kibibytesIn = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .reduce((sum, entry) => sum + Math.ceil(statSync(join(entry.parentPath, entry.name)).size / 1024), 0)
