/** One line of a bench: what the design asks for, and what came of it. */
export interface Row {
  readonly what: string
  readonly target: string
  readonly measured: string
  readonly isMet: boolean
}

/** A Markdown table. */
export const formatRows = (rows: readonly Row[]): string => {
  const cells = [
    ['what', 'target', 'measured', ''],
    ...rows.map(({ what, target, measured, isMet }) => [what, target, measured, isMet ? 'met' : 'NOT MET']),
  ]
  const widths = [0, 1, 2, 3].map(column => Math.max(3, ...cells.map(row => (row[column] as string).length)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`
  const [head, ...body] = cells as [string[], ...string[][]]
  return [line(head), `|${widths.map(width => '-'.repeat(width + 2)).join('|')}|`, ...body.map(line)].join('\n')
}

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
