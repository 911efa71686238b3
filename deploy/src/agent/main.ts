import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ARCHITECTURES, type Architecture } from './node-binary.ts'
import { packageAgent } from './package.ts'

const USAGE = 'usage: npm run package:agent -- --arch arm64|amd64 [--out DIR] [--compression xz|none]'

const isArchitecture = (text: string | undefined): text is Architecture =>
  text !== undefined && Object.hasOwn(ARCHITECTURES, text)

try {
  const { values } = parseArgs({
    options: {
      arch: { type: 'string' },
      out: { type: 'string', default: 'dist' },
      compression: { type: 'string', default: 'xz' },
    },
  })
  const { arch, out, compression } = values
  if (!isArchitecture(arch)) throw new Error(`--arch: expected arm64 or amd64, got ${arch ?? 'nothing'}`)
  if (compression !== 'xz' && compression !== 'none')
    throw new Error(`--compression: expected xz or none, got ${compression}`)
  const file = await packageAgent({
    arch,
    out: resolve(out),
    compression,
    say: line => process.stderr.write(`${line}\n`),
  })
  process.stdout.write(`${file}\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`)
  process.exitCode = 2
}
