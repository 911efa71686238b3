import type { Verdict } from './judge/judge.ts'

const COLUMNS = [
  'machine',
  'served',
  'stored',
  'in gaps',
  'in doubt',
  'lost',
  'duplicated',
  'disordered',
  'min wrongly idle',
  'min rollups wrong',
]

export interface Totals {
  readonly lost: number
  readonly duplicated: number
  readonly disordered: number
  readonly wronglyIdle: number
  readonly wrongRollups: number
}

export const totalsOf = (verdicts: readonly Verdict[]): Totals => ({
  lost: sum(verdicts, ({ readings }) => readings.lost.length),
  duplicated: sum(verdicts, ({ readings }) => readings.duplicated),
  disordered: sum(verdicts, ({ readings }) => readings.disordered),
  wronglyIdle: sum(verdicts, verdict => verdict.wronglyIdle),
  wrongRollups: sum(verdicts, verdict => verdict.wrongRollups),
})

/** A Markdown table, one machine per line, and their sum. `served` is the sum of the next four. */
export const formatTable = (verdicts: readonly Verdict[]): string => {
  const rows = verdicts.map(verdict => [verdict.name, ...figures(verdict)])
  const total = COLUMNS.slice(1).map((_, column) => sum(rows, row => Number(row[column + 1])))
  const cells = [COLUMNS, ...rows.map(row => row.map(String)), ['total', ...total.map(String)]]
  const widths = COLUMNS.map((_, column) => Math.max(...cells.map(row => (row[column] as string).length)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] as number) : cell.padStart(widths[at] as number))).join(' | ')} |`
  const rule = `|${widths.map((width, at) => (at === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  const [head, ...body] = cells.map(line)
  return [head, rule, ...body].join('\n')
}

const figures = ({ readings, wronglyIdle, wrongRollups }: Verdict): number[] => [
  readings.served,
  readings.stored,
  readings.inGaps,
  readings.inDoubt,
  readings.lost.length,
  readings.duplicated,
  readings.disordered,
  wronglyIdle,
  wrongRollups,
]

const sum = <T>(list: readonly T[], of: (each: T) => number): number =>
  list.reduce((total, each) => total + of(each), 0)
