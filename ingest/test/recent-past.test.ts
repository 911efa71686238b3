import type { NakamaRecord } from '@nakama/contract'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { HOUR, historyOf, type Life, MINUTE, MORNING } from './support/history.ts'
import { epochOf, openJournal } from './support/journal.ts'
import { contents, currentOf, deliver, hoursFrom, state, timelineOf, type Who } from './support/store-contents.ts'
import { openWorkbench, statusOf, type Workbench } from './support/workbench.ts'

let bench: Workbench

beforeAll(async () => {
  bench = await openWorkbench()
})

afterAll(() => bench.close())

describe('the recent past', () => {
  const DAY: readonly Life[] = [
    {
      changes: [
        { afterMs: 0, backMs: 0, code: 'RUNNING' },
        { afterMs: 12 * MINUTE, backMs: 4 * MINUTE, code: 'IDLE' },
        { afterMs: 7 * MINUTE, backMs: 0, code: 'SETUP' },
        { afterMs: 9 * MINUTE, backMs: 0, code: 'RUNNING' },
        { afterMs: 20 * MINUTE, backMs: 0, code: 'PAUSED' },
        { afterMs: 30 * MINUTE, backMs: 0, code: 'RUNNING' },
        { afterMs: 45 * MINUTE, backMs: 0, code: 'OFFLINE' },
      ],
      lastReadingMs: 0,
      awayMs: 1,
    },
  ]
  const records = historyOf('m1', DAY).flat() as Extract<NakamaRecord, { type: 'state' }>[]

  /** Lives through two hours minute by minute. `silent` minutes: the agent is cut off, but goes on journaling. */
  const live = async (silent: (minute: number) => boolean, restartAt?: number): Promise<Who> => {
    const who = await bench.fresh()
    const journal = openJournal()
    for (let minute = 0; minute <= 125; minute++) {
      bench.now = MORNING + minute * MINUTE + 200
      const due = records.filter(({ at }) => at < bench.now && at >= bench.now - MINUTE)
      if (due.length > 0) journal.append(epochOf(1), due)
      if (minute === restartAt) await bench.restart()
      if (!silent(minute)) {
        const { code, since } = records.findLast(({ at }) => at < bench.now)!
        bench.pipeline.status(who, statusOf({ m1: { code, since } }, bench.now), false)
        await deliver(bench, who, journal)
      }
      bench.pipeline.tick()
    }
    // What was presumed last is written too.
    await vi.waitFor(async () => expect((await contents(bench, who)).timeline.at(-1)?.to).toBe(MORNING + 125 * MINUTE))
    return who
  }
  const confirmed = ({ timeline }: Awaited<ReturnType<typeof contents>>) =>
    timeline.filter(({ provisional }) => !provisional)

  it('is, after twenty minutes of silence and then their history, as if there had been no silence', async () => {
    const calm = await contents(bench, await live(() => false))
    const cut = await contents(bench, await live(minute => minute >= 50 && minute < 70))
    expect(cut).toEqual(calm)
    const restarted = await contents(bench, await live(minute => minute >= 50 && minute < 70, 60))
    expect(restarted).toEqual(calm)
    expect(confirmed(calm)).toEqual(timelineOf(records))
    expect(calm.hours).toEqual(hoursFrom(calm.timeline))
  })

  it('is OFFLINE, provisionally, from when the agent was last heard, once it was silent for 90 s', async () => {
    const who = await bench.fresh()
    const journal = openJournal()
    journal.append(epochOf(1), [state(MORNING, 'RUNNING', MORNING)])
    await deliver(bench, who, journal)
    const heardAt = MORNING + 2 * MINUTE + 10_000
    bench.now = heardAt
    bench.pipeline.status(who, statusOf({ m1: { code: 'RUNNING', since: MORNING } }, heardAt), false)
    const timeline = async () => (await contents(bench, who)).timeline.map(({ code, to }) => [code, to - MORNING])
    await vi.waitFor(async () =>
      expect(await timeline()).toEqual([
        ['RUNNING', 1],
        ['RUNNING', 2 * MINUTE],
      ]),
    )
    bench.now = heardAt + 89_000
    bench.pipeline.tick()
    bench.now = heardAt + 10 * MINUTE
    expect(await timeline()).toHaveLength(2)
    bench.pipeline.tick()
    await vi.waitFor(async () => expect((await timeline()).at(-1)).toEqual(['OFFLINE', 12 * MINUTE]))
    const newest = await currentOf(bench, who)
    expect(newest).toMatchObject({ code: 'OFFLINE', since: heardAt, provisional: true, confirmed: { code: 'RUNNING' } })
  })

  it('is not called OFFLINE for 90 s after ingest itself was cut off', async () => {
    const who = await bench.fresh()
    const journal = openJournal()
    journal.append(epochOf(1), [state(MORNING, 'RUNNING', MORNING)])
    await deliver(bench, who, journal)
    bench.pipeline.status(who, statusOf({ m1: { code: 'RUNNING', since: MORNING } }, MORNING), false)
    bench.activeSince = MORNING + HOUR
    bench.now = bench.activeSince + 89_000
    bench.pipeline.tick()
    // What is acknowledged after the tick was written after whatever the tick said.
    journal.append(epochOf(1), [state(MORNING, 'RUNNING', MORNING)])
    await deliver(bench, who, journal)
    expect(await currentOf(bench, who)).toMatchObject({ code: 'RUNNING', to: MORNING + 1 })
    bench.now += 1_000
    bench.pipeline.tick()
    await vi.waitFor(async () =>
      expect(await currentOf(bench, who)).toMatchObject({ code: 'OFFLINE', since: MORNING + 1 }),
    )
  })

  it('goes on being OFFLINE after a restart, though the agent is never heard again', async () => {
    const who = await bench.fresh()
    const journal = openJournal()
    journal.append(epochOf(1), [state(MORNING, 'RUNNING', MORNING)])
    await deliver(bench, who, journal)
    await bench.restart()
    bench.now = MORNING + 30 * MINUTE
    bench.pipeline.tick()
    await vi.waitFor(async () =>
      expect(await currentOf(bench, who)).toMatchObject({ code: 'OFFLINE', to: MORNING + 30 * MINUTE }),
    )
  })

  it('knows nothing of the minutes between one card and the next, also after a restart and when the first is read late', async () => {
    const card = { at: MORNING + 8 * MINUTE, from: MORNING + 8 * MINUTE, to: MORNING + 8 * MINUTE }
    const first: NakamaRecord[] = [state(MORNING, 'IDLE', MORNING), state(MORNING + 5 * MINUTE, 'IDLE', MORNING)]
    const second: NakamaRecord[] = [
      { type: 'gap', ...card, machine: 'm1', what: 'all', why: 'journal-new' },
      state(card.at, 'IDLE', card.at),
    ]
    for (const order of ['as lived', 'late']) {
      const who = await bench.fresh({ now: card.at + 200 })
      const [old, fresh] = [openJournal(), openJournal()]
      old.append(epochOf(1), first)
      fresh.append(epochOf(2), second)
      for (const journal of order === 'late' ? [fresh, old] : [old, fresh]) {
        await deliver(bench, who, journal)
        await bench.restart()
      }
      // Its acks were lost.
      const again = openJournal()
      again.append(epochOf(2), second)
      await deliver(bench, who, again)
      const { timeline, hours } = await contents(bench, who)
      expect(timeline.map(({ code, from, to }) => [code, from - MORNING, to - MORNING])).toEqual([
        ['IDLE', 0, 5 * MINUTE + 1],
        ['OFFLINE', 8 * MINUTE - 1, 8 * MINUTE],
        ['IDLE', 8 * MINUTE, 8 * MINUTE + 1],
      ])
      expect(hours).toEqual(hoursFrom(timeline))
    }
  })

  it('stays exact when a week of history arrives behind live data, and is not slow', async () => {
    const who = await bench.fresh({ now: MORNING + 7 * 24 * HOUR + HOUR })
    const week: Life[] = Array.from({ length: 7 }, () => ({
      changes: Array.from({ length: 150 }, (_, i) => ({
        afterMs: 5 * MINUTE + (i % 7) * 17_000,
        backMs: i % 3 === 0 ? 40_000 : 0,
        code: (['RUNNING', 'PAUSED', 'IDLE', 'SETUP'] as const)[i % 4]!,
      })),
      lastReadingMs: 1_000,
      awayMs: 9 * HOUR,
    }))
    const history = historyOf('m1', week)
    const now = state(bench.now, 'RUNNING', bench.now - 20_000)
    const journal = openJournal()
    journal.append(epochOf(99), [now])
    await deliver(bench, who, journal)
    for (const [i, of] of history.entries()) {
      for (let first = 0; first < of.length; first += 50) journal.append(epochOf(i), of.slice(first, first + 50))
    }
    const began = performance.now()
    await deliver(bench, who, journal)
    const tookMs = performance.now() - began
    const expected = timelineOf([...history.flat(), now])
    const { timeline, hours } = await contents(bench, who)
    expect(timeline).toEqual(expected)
    expect(hours).toEqual(hoursFrom(expected))
    expect(tookMs).toBeLessThan(5_000)
  })
})
