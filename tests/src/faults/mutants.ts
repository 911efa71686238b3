import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { FinalFault } from './plan.ts'

interface Mutant {
  /** Which promise it breaks, for a person. */
  readonly breaks: string
  /** What brings it to light, whatever else is done. */
  readonly shownBy: (agent: string) => readonly FinalFault[]
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** The promise broken on purpose, each by one exact replacement: who judges must see it. */
export const MUTANTS = {
  'ack-before-commit': {
    breaks: 'ingest acknowledges before the store has committed',
    // What comes while the store is locked cannot be committed, and is gone with the process.
    shownBy: () => [
      { kind: 'store-locked', target: 'ingest', atMs: 0, forMs: 5_500 },
      { kind: 'kill', target: 'ingest', atMs: 5_000, forMs: 0 },
    ],
    file: 'ingest/src/commit/committer.ts',
    find: `      waiting.push(batch)
`,
    replace: `      waiting.push(batch)
      queueMicrotask(() => options.onStored([batch]))
`,
  },
  'delete-at-publish': {
    breaks: 'the agent deletes what it has published, without an ack',
    shownBy: agent => [{ kind: 'black-hole', target: agent, atMs: 0, forMs: 5_000 }],
    file: 'edge-agent/src/uplink/sender.ts',
    find: `        sentBatches.inc(batches.length)
`,
    replace: `        sentBatches.inc(batches.length)
        for (const { seq } of batches) journal.deleteUpTo(lane, epoch, seq)
`,
  },
  'add-to-rollup': {
    breaks: 'a rollup is added to the one before instead of replacing it',
    shownBy: agent => [{ kind: 'kill', target: agent, atMs: 0, forMs: 0 }],
    file: 'store/src/embedded/rollups.ts',
    find: `  return {
    write({ series, hour: at, minutes }) {
      const machine = dictionary.machine(series)
`,
    replace: `  const selectMinutes = db.prepare('SELECT pack FROM minutes WHERE hour = ? AND machine = ?')
  return {
    write({ series, hour: at, minutes: more }) {
      const machine = dictionary.machine(series)
      const old = decodeMinutes(selectMinutes.get<[Uint8Array]>(at / HOUR_MS, machine)?.[0] ?? new Uint8Array())
      const minutes = Object.fromEntries(
        STATE_CODES.map((code, column) => [
          code,
          Array.from({ length: 60 }, (_, i) => (old[i * CODES + column] ?? 0) + (more[code]?.[i] ?? 0)),
        ]),
      )
`,
  },
} as const satisfies { readonly [name: string]: Mutant }
export type MutantName = keyof typeof MUTANTS

/**
 * A copy of the source tree with one promise broken; the packages from outside are shared with the original.
 *
 * @param root of the repository.
 * @throws Error when the text to be replaced is not there exactly once: then the mutant must be written anew.
 */
export const createMutant = (root: string, name: MutantName): { readonly root: string; remove(): void } => {
  const { file, find, replace }: Mutant = MUTANTS[name]
  const source = readFileSync(join(root, file), 'utf8')
  const count = source.split(find).length - 1
  if (count !== 1) throw new Error(`mutant ${name}: expected its text once in ${file}, found it ${count} times`)
  const copy = mkdtempSync(join(tmpdir(), 'nakama-mutant-'))
  const remove = (): void => rmSync(copy, { recursive: true, force: true })
  try {
    const rooms = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { workspaces: string[] }).workspaces
    for (const room of rooms) {
      cpSync(join(root, room), join(copy, room), {
        recursive: true,
        filter: path => !['node_modules', 'test'].includes(basename(path)),
      })
    }
    cpSync(join(root, 'package.json'), join(copy, 'package.json'))
    linkPackages(root, copy, rooms)
    writeFileSync(
      join(copy, file),
      source.replace(find, () => replace),
    )
  } catch (error) {
    remove()
    throw error
  }
  return { root: copy, remove }
}

/** Rooms are the copy's own, everything else is the original's. */
const linkPackages = (root: string, copy: string, rooms: readonly string[]): void => {
  const [from, to] = [join(root, 'node_modules'), join(copy, 'node_modules')]
  mkdirSync(join(to, '@nakama'), { recursive: true })
  for (const entry of readdirSync(from)) if (entry !== '@nakama') symlinkSync(join(from, entry), join(to, entry))
  for (const room of rooms) {
    const { name } = JSON.parse(readFileSync(join(copy, room, 'package.json'), 'utf8')) as { name: string }
    symlinkSync(join(copy, room), join(to, name))
  }
}
