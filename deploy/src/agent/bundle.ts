import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

/** What the bundle loads by name at run time: `serialport` has a native part. The other is asked for only to be done without. */
const LEFT_OUT = ['serialport', 'proper-lockfile']

/** Libraries among the bundled ones that are CommonJS ask for Node's own modules by `require`. */
const BANNER = "import{createRequire as nakamaRequire}from'node:module';const require=nakamaRequire(import.meta.url);"

/**
 * The agent as ES modules in `folder`; what is loaded only when configured is in files of its own.
 *
 * @returns the names of the libraries in it.
 */
export const bundleAgent = async (root: string, folder: string): Promise<Set<string>> => {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['edge-agent/src/main.ts'],
    outdir: folder,
    ...{ bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node24' },
    ...{ minify: true, keepNames: true, legalComments: 'none', logLevel: 'warning', metafile: true },
    external: LEFT_OUT,
    banner: { js: BANNER },
  })
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ type: 'module' })}\n`)
  const names = Object.keys(metafile.inputs).map(path => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1])
  return new Set(names.filter(name => name !== undefined))
}

/** What of a library no agent needs. */
const SUPERFLUOUS = /\/(test|tests|docs|src|binding\.gyp|CHANGELOG\.md|tsconfig.*)$/

/**
 * Copies an installed library and everything it depends on into `folder`; of native parts only those for `platform`
 * (`linux-arm64`).
 *
 * @returns their names.
 */
export const copyLibrary = (root: string, name: string, folder: string, platform: string): Set<string> => {
  const copied = new Set<string>()
  const copy = (each: string): void => {
    if (copied.has(each)) return
    copied.add(each)
    const from = join(root, 'node_modules', each)
    cpSync(from, join(folder, each), {
      recursive: true,
      filter: path => {
        const inside = path.slice(from.length)
        const native = /^\/prebuilds\/([^/]+)/.exec(inside)?.[1]
        return !SUPERFLUOUS.test(inside) && (native === undefined || native === platform)
      },
    })
    const { dependencies = {} } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')) as {
      readonly dependencies?: { readonly [name: string]: string }
    }
    for (const dependency of Object.keys(dependencies)) copy(dependency)
  }
  copy(name)
  return copied
}

/** The licences of libraries, each text once. */
export const licencesOf = (root: string, names: readonly string[]): string => {
  const texts = new Map<string, string[]>()
  for (const name of [...new Set(names)].toSorted()) {
    const folder = join(root, 'node_modules', name)
    const { license = 'unknown' } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      license?: string
    }
    const file = readdirSync(folder).find(each => /^licen[cs]e/i.test(each))
    const text = file === undefined ? `Licence: ${license}` : readFileSync(join(folder, file), 'utf8').trim()
    texts.set(text, [...(texts.get(text) ?? []), name])
  }
  return [...texts].map(([text, of]) => `${of.join(', ')}\n\n${text}\n`).join('\n----\n\n')
}
