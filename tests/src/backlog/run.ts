import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { agentName, type DemoShop, type Path, startPath, storeFile } from '@nakama/demo'
import { openEmbeddedReader, type StoreReader } from '@nakama/store'
import { emptyFolder } from '../empty-folder.ts'
import { seededRandom } from '../random.ts'
import { until } from '../until.ts'
import type { BacklogArgs } from './args.ts'
import { judgePast, type PastVerdict } from './judge.ts'
import { type Drain, measureDrain, watchBoard } from './measure.ts'
import { type Past, type PastOptions, pastOf } from './past.ts'
import { writePast } from './write-past.ts'

export interface BacklogResult extends Drain {
  readonly journalBytes: number
  readonly verdicts: readonly PastVerdict[]
  /** Everything that must not be; empty when all is well. */
  readonly complaints: readonly string[]
}

const SHOP = 'toyo'
const SECOND_MS = 1_000
const HOUR_MS = 3_600_000
const READY_TIMEOUT_MS = 120_000
/** What the design asks for. */
const TIMES_REAL_TIME_MIN = 200
const PRESENT_WITHIN_MS = 10_000
/** A value takes about nineteen bytes in a record, a record about a hundred more; a journal has room for twice that. */
const journalMaxBytes = ({ hours, machines, signals }: BacklogArgs): number =>
  64 * 1024 * 1024 + 2 * hours * 3_600 * machines * (100 + 19 * signals)

/**
 * Writes the history into an agent's journal, starts the whole path on it with machines that live, and measures how both
 * past and present arrive; then holds the store against what was written. Nothing is left behind, also when it is aborted.
 *
 * @param say is told of progress, a line at a time.
 */
export const runBacklog = async (
  args: BacklogArgs,
  say: (line: string) => void,
  signal: AbortSignal = new AbortController().signal,
): Promise<BacklogResult> => {
  await using stack = new AsyncDisposableStack()
  const folder =
    args.keep === undefined
      ? mkdtempSync(join(tmpdir(), 'nakama-backlog-'))
      : emptyFolder('BACKLOG_BAD_ARGUMENT', args.keep)
  if (args.keep === undefined) stack.defer(() => rmSync(folder, { recursive: true, force: true }))

  const to = Math.floor(Date.now() / SECOND_MS) * SECOND_MS
  const names = Array.from({ length: args.machines }, (_, index) => `lathe-${index + 1}`)
  const options = { ...args, from: to - args.hours * HOUR_MS, to, machines: names }
  const past = pastOf(options)
  const maxBytes = journalMaxBytes(args)
  const dir = join(folder, 'data', agentName(SHOP), 'journal')
  mkdirSync(dir, { recursive: true })
  say(`writing ${args.hours} h of ${args.machines} machines with ${args.signals} signals`)
  const { bytes, records } = await writePast(past, dir, maxBytes, seededRandom(args.seed))
  say(`${records} records, ${(bytes / 2 ** 20).toFixed(0)} MiB in the journal`)
  signal.throwIfAborted()

  const board = watchBoard(names)
  stack.defer(() => board.stop())
  const path = await startPath({
    ...{ folder, fleet: [shopOf(names)], simulation: { seed: args.seed }, journalMaxBytes: maxBytes },
    readyTimeoutMs: READY_TIMEOUT_MS,
    onEvent: event => {
      if (event.type === 'ready' && event.name === 'coordinator') board.ask(event.addresses.http as string)
    },
  })
  stack.defer(() => path.stop())
  const reader = await until('the store', () => openEmbeddedReader({ file: storeFile(path.dataDir) }))
  stack.defer(() => reader.close())
  const drain = await measureDrain({ path, reader, past, board, options, shop: SHOP, say, signal })
  const verdicts = await judgeAll(reader, options, past)
  return { ...drain, journalBytes: bytes, verdicts, complaints: complaintsOf(drain, verdicts, path) }
}

const judgeAll = async (reader: StoreReader, options: PastOptions, past: Past): Promise<PastVerdict[]> => {
  const verdicts: PastVerdict[] = []
  for (const [index, machine] of past.machines.entries()) {
    const range = { shop: SHOP, machine: machine.machine, from: options.from, to: machine.spans.at(-1)?.to as number }
    const whole = { ...range, to: options.to }
    verdicts.push(
      judgePast({ ...options, machine: index }, machine, {
        samples: await reader.samples({ ...whole, limitRows: machine.readAt.length + 1_000 }),
        counts: await reader.counts(whole),
        timeline: await reader.timeline(range),
        minutes: await reader.rollups({ ...range, resolution: 'minute' }),
        hours: await reader.rollups({ ...range, resolution: 'hour' }),
      }),
    )
  }
  return verdicts
}

const complaintsOf = (drain: Drain, verdicts: readonly PastVerdict[], path: Path): string[] => {
  const { timesRealTime, presentMs, statesMs, drainedMs } = drain
  const wrong = verdicts.flatMap(({ machine, readings: _, ...faults }) =>
    Object.entries(faults).flatMap(([what, count]) => (count === 0 ? [] : [`${machine}: ${what} ${count}`])),
  )
  return [
    ...(timesRealTime >= TIMES_REAL_TIME_MIN
      ? []
      : [`drained at ${timesRealTime.toFixed(0)} × real time: expected ${TIMES_REAL_TIME_MIN} ×`]),
    ...(presentMs <= PRESENT_WITHIN_MS
      ? []
      : [`the present was shown after ${presentMs} ms: expected at most ${PRESENT_WITHIN_MS} ms`]),
    ...(presentMs < statesMs && statesMs < drainedMs ? [] : ['expected first the present, then states, then samples']),
    ...(path.restarts === 0 ? [] : [`${path.restarts} processes died`]),
    ...wrong,
  ]
}

const shopOf = (machines: readonly string[]): DemoShop => ({
  ...{ shop: SHOP, agent: 'pi-1', name: '東洋精工', nameEn: 'Toyo Seiko', phone: '03-0000-0009' },
  ...{ town: '大森', townEn: 'Omori', area: '大森', areaEn: 'Omori' },
  machines: machines.map(machine => ({ machine, model: 'nc-lathe', name: machine, nameEn: machine })),
})
