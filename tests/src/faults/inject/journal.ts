import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '@nakama/contract'
import type { World } from '../world.ts'
import { type Injector, mustHaveHappened, pause } from './fault.ts'
import { owedSince } from './owed.ts'
import { untilUp } from './processes.ts'

/** At most so much is missing at the end of what was written. */
const TORN_MAX_BYTES = 4_096
const FLIPS_MAX = 8

/** A power cut: the end of a file never reached the card. */
export const tornJournal: Injector = (world, { target, forMs }, random) =>
  whileDown(world, target, forMs, files => {
    const file = pick(files, random)
    const end = contentEnd(readFileSync(file))
    const size = Math.max(0, end - 1 - Math.floor(random() * Math.min(TORN_MAX_BYTES, end)))
    truncateSync(file, size)
    mustHaveHappened(statSync(file).size === size && end > 0, `${file} without its end`)
  })

/** A card that grows old. */
export const flippedJournal: Injector = (world, { target, forMs }, random) =>
  whileDown(world, target, forMs, files => {
    const file = pick(files, random)
    const before = readFileSync(file)
    const after = Buffer.from(before)
    const end = contentEnd(before)
    for (let left = 1 + Math.floor(random() * FLIPS_MAX); left > 0; left--) {
      const at = Math.floor(random() * end)
      after[at] = (after[at] ?? 0) ^ (1 << Math.floor(random() * 8))
    }
    writeFileSync(file, after)
    mustHaveHappened(end > 0 && !readFileSync(file).equals(before), `flipped bits in ${file}`)
  })

const STARTS_MAX = 5

const whileDown = async (
  { path, ledger, journalDir }: World,
  target: string,
  forMs: number,
  damage: (files: readonly string[]) => void,
): Promise<void> => {
  await untilUp({ ledger }, target)
  const owed = await owedSince({ path, ledger }, target)
  const from = Date.now()
  ledger.killing(target)
  await path.unplug(target)
  try {
    const folder = journalDir(target)
    damage(segmentsIn(folder))
    await pause(forMs)
  } finally {
    await startAgain(path, target)
    ledger.note('corrupted', { process: target, from, to: await ledger.untilReady(target, from), owedSince: owed })
  }
}

const startAgain = async (path: World['path'], target: string): Promise<void> => {
  for (let left = STARTS_MAX; ; left--) {
    try {
      return await path.plugIn(target)
    } catch (error) {
      if (left === 1) throw new Error(`${target} does not start with a damaged journal: ${messageOf(error)}`)
    }
  }
}

/** The journal's files that have something in them, the one that was written last first. */
const segmentsIn = (folder: string): string[] => {
  const files = readdirSync(folder)
    .filter(name => name.endsWith('.segment'))
    .map(name => join(folder, name))
    .filter(file => contentEnd(readFileSync(file)) > 0)
    .toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  mustHaveHappened(files.length > 0, `files of a journal in ${folder}`)
  return files
}

/** Mostly what was written last, where something is owed. */
const pick = (files: readonly string[], random: () => number): string =>
  files[Math.min(files.length - 1, Math.floor(random() ** 2 * files.length))] as string

/** Files are made of zeros and written from the start. */
const contentEnd = (bytes: Buffer): number => bytes.findLastIndex(byte => byte !== 0) + 1
