import { describe, expect, it } from 'vitest'
import { parseBenchArgs } from '../src/bench/args.ts'
import { formatRows, median } from '../src/bench/row.ts'

describe('a bench', () => {
  it('takes a part and a time', () => {
    expect(parseBenchArgs(['edge'])).toMatchObject({ part: 'edge', seconds: 300 })
    expect(parseBenchArgs(['edge', '--seconds', '10'])).toMatchObject({ seconds: 10 })
    expect(() => parseBenchArgs(['moon'])).toThrow('expected one of edge, got moon')
    expect(() => parseBenchArgs([])).toThrow('expected one of edge, got nothing')
    expect(() => parseBenchArgs(['edge', '--seconds', '1'])).toThrow('--seconds: expected a whole number from 10')
  })

  it('says of each line whether its target is met', () =>
    expect(
      formatRows([
        { what: 'memory', target: '≤ 70 MiB', measured: '117 MiB', isMet: false },
        { what: 'processor', target: '≤ 15 %', measured: '2 %', isMet: true },
      ]).split('\n'),
    ).toEqual([
      '| what      | target   | measured |         |',
      '|-----------|----------|----------|---------|',
      '| memory    | ≤ 70 MiB | 117 MiB  | NOT MET |',
      '| processor | ≤ 15 %   | 2 %      | met     |',
    ]))

  it('takes the middle of what it measured', () => expect([median([3, 1, 2]), median([])]).toEqual([2, Number.NaN]))
})
