import { isBuiltin } from 'node:module'
import { posix } from 'node:path'

/** Which other rooms each room may import. Imports point one way: to the contract and the service shell, and to the store. */
export const allowedRooms: { readonly [room: string]: readonly string[] } = {
  contract: [],
  service: ['contract'],
  store: ['contract', 'service'],
  'edge-agent': ['contract', 'service'],
  broker: ['contract', 'service'],
  ingest: ['contract', 'service', 'store'],
  coordinator: ['contract', 'service', 'store'],
  simulators: ['contract', 'service'],
  // Puts the whole path together: it may know everybody's configuration, but only as a starter of processes.
  demo: ['contract', 'service', 'simulators'],
  tests: ['contract', 'service', 'store', 'simulators', 'demo', 'edge-agent', 'broker', 'ingest', 'coordinator'],
}

export interface Source {
  readonly room: string
  /** Path from the repository's root, with forward slashes. */
  readonly file: string
  readonly imports: readonly string[]
}

/** Every module specifier that a source text imports, statically or dynamically, in order of appearance. */
export const importsOf = (text: string): string[] =>
  [...text.matchAll(/(?:^|[\s;}])(?:import|export)\s*(?:[^'"`;()]*?\sfrom\s*)?\(?\s*['"]([^'"]+)['"]/g)].map(
    match => match[1] as string,
  )

/** What a source imports and must not, as sentences; empty when all is well. */
export const violations = ({ room, file, imports }: Source): string[] =>
  imports.flatMap(specifier => {
    const why = refusal(room, file, specifier)
    return why === undefined ? [] : [`${file} imports ${specifier}: ${why}`]
  })

const refusal = (room: string, file: string, specifier: string): string | undefined => {
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(file), specifier)
    if (!target.startsWith(`${room}/`)) return 'another room is imported by its name, never by a path'
    if (posix.basename(target) === 'main.ts') return 'nothing imports a process'
    return undefined
  }
  if (isBuiltin(specifier)) return room === 'contract' ? 'the contract does no I/O' : undefined
  if (!specifier.startsWith('@nakama/')) return undefined
  const [, other, ...inside] = specifier.split('/')
  if (inside.length > 0) return 'a room is imported through its front door'
  if (other === room) return 'a room imports itself by relative paths'
  return allowedRooms[room]?.includes(other as string)
    ? undefined
    : `${room} may import ${allowedRooms[room]?.join(', ') || 'no other room'}`
}
