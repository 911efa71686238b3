import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { findPackageJSON, stripTypeScriptTypes } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { page } from './page.ts'

export interface BoardAssets {
  readonly html: string
  /** JavaScript modules by path below `prefix`. */
  readonly modules: ReadonlyMap<string, string>
  /** Folder of files that are served as they are. */
  readonly publicDir: string
  /** `/assets/<version>/`: a change of any file is another path, so that all of it may be cached for ever. */
  readonly prefix: string
  /** For the content security policy: of the import map, the only script within the page. */
  readonly scriptHashes: readonly string[]
}

const WEB = join(import.meta.dirname, '../web')
const CONTRACT = dirname(fileURLToPath(import.meta.resolve('@nakama/contract')))
const PUBLIC = join(WEB, 'public')

/** Reads the board's sources once, at start-up, and makes of them what a browser takes (see docs/adr/0003). */
export const loadBoardAssets = (): BoardAssets => {
  const own = readdirSync(WEB).filter(name => name.endsWith('.ts'))
  const modules = new Map([
    ...own.map(name => [name, stripTypes(readFileSync(join(WEB, name), 'utf8'))] as const),
    ...[...VENDOR].map(([specifier, path]) => [vendorPath(specifier), readVendor(path)] as const),
    ['contract.js', contractModule()] as const,
  ])
  const files = readdirSync(PUBLIC).map(name => readFileSync(join(PUBLIC, name), 'utf8'))
  const prefix = `/assets/${digest('sha256', [...files, ...modules.values()].join('\0'), 'hex').slice(0, 16)}/`
  const importMap = JSON.stringify({
    imports: {
      '@nakama/contract': `${prefix}contract.js`,
      ...Object.fromEntries([...VENDOR.keys()].map(specifier => [specifier, prefix + vendorPath(specifier)])),
    },
  })
  return {
    html: page({ prefix, importMap, modules: [...modules.keys()] }),
    modules,
    publicDir: PUBLIC,
    prefix,
    scriptHashes: [`'sha256-${digest('sha256', importMap, 'base64')}'`],
  }
}

const VENDOR: ReadonlyMap<string, string> = new Map([
  ['preact', 'preact/dist/preact.mjs'],
  ['preact/hooks', 'preact/hooks/dist/hooks.mjs'],
  ['htm', 'htm/dist/htm.mjs'],
  ['htm/preact', 'htm/preact/index.mjs'],
])

const vendorPath = (specifier: string): string => `vendor/${specifier.replace('/', '-')}.js`

/** The ES module that the package itself names for `import`, without a source map that we do not serve. */
const readVendor = (path: string): string => {
  const [name, ...inside] = path.split('/') as [string, ...string[]]
  const manifest = findPackageJSON(name, import.meta.url)
  if (manifest === undefined) throw new Error(`package ${name}: expected it to be installed, got nothing`)
  return readFileSync(join(dirname(manifest), ...inside), 'utf8').replace(/\n\/\/# sourceMappingURL=.*/, '')
}

/** Of the contract the board needs the words, the colours and the time of day; the schemas stay here. These files import nothing. */
const contractModule = (): string =>
  ['kinds', 'states', 'tokyo-time']
    .map(name => stripTypes(readFileSync(join(CONTRACT, `${name}.ts`), 'utf8')))
    .join('\n')

/** Types become white space, so that lines and columns stay. Node's notice that the function is young is left out: it is pinned by tests. */
const stripTypes = (source: string): string => {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    return stripTypeScriptTypes(source)
  } finally {
    process.emitWarning = emitWarning
  }
}

const digest = (algorithm: string, text: string, encoding: 'hex' | 'base64'): string =>
  createHash(algorithm).update(text).digest(encoding)
