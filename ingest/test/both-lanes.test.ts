import type { Lane, NakamaRecord } from '@nakama/contract'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { historyOf, type Life, MINUTE, MORNING } from './support/history.ts'
import { epochOf, type Journal, message, openJournal } from './support/journal.ts'
import { contents, deliver, EVERYTHING, hoursFrom, takeAcks, timelineOf, type Who } from './support/store-contents.ts'
import { openWorkbench, statusOf, type Workbench } from './support/workbench.ts'

let bench: Workbench

beforeAll(async () => {
  bench = await openWorkbench()
})

afterAll(() => bench.close())

type StateRecord = Extract<NakamaRecord, { type: 'state' }>

/** One agent's hour and what it journals, epoch by epoch. */
interface Hour {
  readonly epochs: readonly (readonly NakamaRecord[])[]
  readonly states: readonly StateRecord[]
  /** When it runs. */
  readonly runs: readonly { readonly from: number; readonly to: number }[]
}

/** What happens between this agent and ingest. Minutes from the start of the hour. */
interface Trouble {
  readonly silentFrom: number
  readonly silentFor: number
  /** Which lane arrives first afterwards, and for how many minutes it alone does, with what is read meanwhile. */
  readonly first: Lane | 'either'
  readonly aheadFor: number
  /** Ingest starts anew after so many lines of the history, of which one bit each says whether they arrive. */
  readonly restartAfterLines: readonly number[]
  readonly arriving: number
  readonly restartAt: readonly number[]
}

const LASTS_MIN = 60
const SAMPLE_MS = 10_000

const change = fc.record({
  afterMs: fc.oneof(fc.integer({ min: 1, max: 30_000 }), fc.integer({ min: MINUTE, max: 15 * MINUTE })),
  backMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 6 * MINUTE })),
  code: fc.constantFrom('RUNNING', 'PAUSED', 'SETUP', 'IDLE', 'ALARM', 'OFF', 'OFFLINE'),
})
const life = fc.record({
  changes: fc.array(change, { minLength: 3, maxLength: 9 }),
  lastReadingMs: fc.integer({ min: 0, max: 4 * MINUTE }),
  awayMs: fc.integer({ min: 1_000, max: 8 * MINUTE }),
}) satisfies fc.Arbitrary<Life>

const trouble: fc.Arbitrary<Trouble> = fc.record({
  silentFrom: fc.integer({ min: 3, max: 25 }),
  silentFor: fc.integer({ min: 18, max: 24 }),
  first: fc.constantFrom('events', 'samples', 'either'),
  aheadFor: fc.integer({ min: 0, max: 4 }),
  restartAfterLines: fc.array(fc.integer({ min: 0, max: 24 }), { maxLength: 3 }),
  arriving: fc.nat(),
  restartAt: fc.array(fc.integer({ min: 2, max: LASTS_MIN - 2 }), { maxLength: 3 }),
})

const hourOf = (lives: readonly Life[]): Hour => {
  const histories = historyOf('m1', lives)
  let tick = 0
  const runs = histories.map((records, index) => {
    const from = records[0]?.at as number
    const gap = histories[index + 1]?.find(record => record.type === 'gap')
    return { from, to: gap?.from ?? MORNING + LASTS_MIN * MINUTE }
  })
  const epochs = histories.map((records, index) => {
    const { from, to } = runs[index] as { from: number; to: number }
    const samples: NakamaRecord[] = []
    for (let at = from; at <= to; at += SAMPLE_MS) {
      samples.push({ type: 'samples', machine: 'm1', kind: 'nc-lathe', at: [at], signals: { tick: [tick++] } })
    }
    return [...records, ...samples].sort((a, b) => timeOf(a) - timeOf(b))
  })
  return { epochs, states: histories.flat().filter(record => record.type === 'state'), runs }
}

const timeOf = (record: NakamaRecord): number => (record.type === 'samples' ? (record.at[0] as number) : record.at)

const isLine = (line: string, lane: Lane): boolean => line.includes(`"lane":"${lane}"`)

/** Lives through the hour, minute by minute; the agent journals what it reads whether it is heard or not. */
const live = async (hour: Hour, what: Trouble | undefined): Promise<Who> => {
  const who = await bench.fresh()
  const journal = openJournal()
  const back = what === undefined ? 0 : what.silentFrom + what.silentFor
  for (let minute = 0; minute <= LASTS_MIN; minute++) {
    bench.now = MORNING + minute * MINUTE + 200
    const isDue = (record: NakamaRecord): boolean => timeOf(record) < bench.now && timeOf(record) >= bench.now - MINUTE
    for (const [epoch, records] of hour.epochs.entries()) journal.append(epochOf(epoch), records.filter(isDue))
    if (what?.restartAt.includes(minute)) await bench.restart()
    if (what === undefined || minute < what.silentFrom || minute >= back) {
      if (hour.runs.some(({ from, to }) => from < bench.now && bench.now < to)) {
        const { code, since } = hour.states.findLast(({ at }) => at < bench.now) as StateRecord
        bench.pipeline.status(who, statusOf({ m1: { code, since } }, bench.now), false)
      }
      if (what !== undefined && minute === back) await deliverInParts(who, journal, what)
      if (what === undefined || minute >= back + what.aheadFor || what.first === 'either' || minute < back) {
        await deliver(bench, who, journal)
      } else await deliverLane(who, journal, what.first)
    }
    bench.pipeline.tick()
  }
  await deliver(bench, who, journal)
  return who
}

/** A few lines at a time, with ingest forgetting everything in between. */
const deliverInParts = async (
  who: Who,
  journal: Journal,
  { first, restartAfterLines, arriving }: Trouble,
): Promise<void> => {
  for (const lines of restartAfterLines) {
    const waiting = journal.unacked().filter(line => first === 'either' || isLine(line, first))
    bench.pipeline.records(who, message(waiting.slice(0, lines).filter((_, line) => (arriving >> line) & 1)))
    // Whatever it is in the middle of then: taken, stored, or acknowledged to nobody.
    await new Promise(resolve => setTimeout(resolve, lines % 5))
    takeAcks(bench, journal)
    await bench.restart()
  }
}

const deliverLane = async (who: Who, journal: Journal, lane: Lane): Promise<void> => {
  const waiting = (): string[] => journal.unacked().filter(line => isLine(line, lane))
  while (waiting().length > 0) {
    bench.pipeline.records(who, message(waiting()))
    await new Promise(resolve => setTimeout(resolve, 2))
    takeAcks(bench, journal)
  }
}

/** Everything that is known of the hour, but for what is only presumed: that is the next minute's to say. */
const known = async (who: Who) => {
  const { shop, machine } = who
  const { timeline, minutes } = await vi.waitFor(async () => {
    const found = await contents(bench, who)
    // What was presumed last is written too.
    expect(found.hours).toEqual(hoursFrom(found.timeline))
    return found
  })
  return {
    timeline: timeline.filter(({ provisional }) => !provisional),
    minutes: minutes.filter(({ at }) => at < MORNING + (LASTS_MIN - 11) * MINUTE),
    samples: await bench.store.samples({ shop, machine, ...EVERYTHING }),
    gaps: (await bench.store.gaps({ shop, ...EVERYTHING })).map(({ from, to, what }) => ({ from, to, what })),
  }
}

describe('both lanes of an agent', () => {
  it('are, after twenty minutes of silence and then their history, as if there had been no silence, whatever comes first and wherever ingest starts anew', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 3 }), trouble, async (lives, what) => {
        const hour = hourOf(lives)
        const calm = await known(await live(hour, undefined))
        const cut = await known(await live(hour, what))
        expect(cut).toEqual(calm)
        const due = hour.epochs.flat().filter(record => timeOf(record) < bench.now)
        expect(calm.timeline).toEqual(timelineOf(due))
        expect(calm.samples.at).toEqual(due.filter(({ type }) => type === 'samples').map(timeOf))
        expect(calm.samples.signals.tick).toEqual(calm.samples.at.map((_, row) => row))
      }),
      { numRuns: 12 },
    )
  }, 60_000)
})
