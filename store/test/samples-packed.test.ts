import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { openReaderCore, openWriterCore } from '../src/embedded/core.ts'
import { openForWriting } from '../src/embedded/database.ts'
import { openRegrouper } from '../src/embedded/regroup.ts'
import { decodePack, encodePack, type Table } from '../src/embedded/sample-codec.ts'
import { HOUR_MS, machines, T0, temporaryFolder } from './support.ts'

const HOUR = T0 / HOUR_MS

const value = fc.oneof(
  fc.constant(null),
  fc.integer({ min: -100_000, max: 100_000 }).map(each => each / 1000),
  fc.double({ noNaN: true }).map(each => each + 0),
  fc.maxSafeInteger(),
)

const table: fc.Arbitrary<Table> = fc
  .uniqueArray(fc.integer({ min: 0, max: HOUR_MS - 1 }), { minLength: 1, maxLength: 50 })
  .chain(offsets =>
    fc.record({
      at: fc.constant(offsets.toSorted((a, b) => a - b).map(offset => T0 + offset)),
      columns: fc
        .uniqueArray(fc.integer({ min: 1, max: 50_000 }), { maxLength: 5 })
        .chain(signals =>
          fc.tuple(
            ...signals.map(signal =>
              fc
                .array(value, { minLength: offsets.length, maxLength: offsets.length })
                .map(column => [signal, column] as const),
            ),
          ),
        )
        .map(columns => new Map(columns)),
    }),
  )

const filled = ({ at, columns }: Table): Table => ({
  at,
  columns: new Map([...columns].filter(([, column]) => column.some(each => each !== null))),
})

describe('packed samples', () => {
  it('are what was packed, number by number', () => {
    fc.assert(
      fc.property(table, fc.boolean(), (rows, compress) => {
        expect(decodePack(encodePack(rows, HOUR, compress), HOUR)).toEqual(filled(rows))
      }),
    )
  })

  it('of a machine that is read once a second take less than two bytes a value', () => {
    const at = Array.from({ length: 3600 }, (_, second) => T0 + second * 1000 + (second % 7))
    const column = (of: (second: number) => number): number[] => at.map((_, second) => of(second))
    const columns = new Map([
      [1, column(second => second)],
      [2, column(second => (second % 300 < 200 ? 1 : 0))],
      [3, column(second => Math.round(4000 + 50 * Math.sin(second / 20)))],
      [
        4,
        column(second => Math.round(10 * (40 + 5 * Math.sin(second / 3) + Math.cos(second * 7)))).map(
          each => each / 10,
        ),
      ],
    ])
    const bytes = encodePack({ at, columns }, HOUR, true).length
    expect(bytes / (at.length * columns.size)).toBeLessThan(2)
  })

  it('that are damaged are an error, never another answer or a loop without end', () => {
    fc.assert(
      fc.property(table, fc.nat(), (rows, cut) => {
        const pack = encodePack(rows, HOUR, false)
        const short = pack.subarray(0, cut % pack.length)
        expect(() => decodePack(short, HOUR)).toThrow()
      }),
    )
  })
})

describe('regrouping samples', () => {
  const folder = temporaryFolder()
  afterAll(() => folder.remove())

  it('never changes an answer, whenever it happens between writes', () => {
    const limits = { fileMaxBytes: 1e9, walMaxBytes: 1e8, busyTimeoutMs: 100 }
    const db = openForWriting(join(folder.path, 'regroup.db'), limits)
    const [writer, reader, regrouper] = [openWriterCore(db), openReaderCore(db), openRegrouper(db)]
    const later = T0 + 48 * HOUR_MS
    type Step =
      | { readonly fold: number; readonly budgetMs: number }
      | { readonly compact: true }
      | { readonly offset: number; readonly rows: number; readonly load: number }
    const step: fc.Arbitrary<Step> = fc.oneof(
      { weight: 1, arbitrary: fc.record({ fold: fc.constantFrom(1, 1_000_000), budgetMs: fc.constantFrom(0, 1_000) }) },
      { weight: 1, arbitrary: fc.constant({ compact: true } as const) },
      {
        weight: 3,
        arbitrary: fc.record({
          offset: fc.integer({ min: 0, max: 2 * 3600 }),
          rows: fc.integer({ min: 1, max: 20 }),
          load: fc.integer({ min: 0, max: 9 }),
        }),
      },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), steps => {
        const series = machines.next()
        const model = new Map<number, number>()
        for (const each of steps) {
          if ('fold' in each) regrouper.fold(each.fold, each.budgetMs)
          else if ('compact' in each) while (regrouper.compactOne(later));
          else {
            const at = Array.from({ length: each.rows }, (_, row) => T0 + (each.offset + row) * 1000)
            for (const time of at) model.set(time, each.load)
            const write = { type: 'samples', series, at, signals: { load: at.map(() => each.load) } } as const
            expect(writer.write([write], later)).toEqual({ rejected: [] })
          }
        }
        const expected = [...model].toSorted(([a], [b]) => a - b)
        const check = (): void => {
          const { at, signals } = reader.samples({ ...series, from: T0, to: T0 + 3 * HOUR_MS })
          expect(at).toEqual(expected.map(([time]) => time))
          expect(signals.load ?? []).toEqual(expected.map(([, load]) => load))
        }
        check()
        while (regrouper.recentBytes() > 0) regrouper.fold(1_000_000, 1_000)
        check()
        while (regrouper.compactOne(later));
        check()
      }),
    )
    const perHour = db
      .prepare('SELECT count(*), count(DISTINCT hour * 1000000 + machine), sum(loose) FROM sample_pack')
      .get()
    expect(perHour?.[0]).toBe(perHour?.[1])
    expect(perHour?.[2]).toBe(0)
    db.close()
  })
})
