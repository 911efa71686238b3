import { NakamaError } from '@nakama/contract'
import { parseOptions, wholeNumber } from '@nakama/service'

export const PARTS = ['edge'] as const
export type Part = (typeof PARTS)[number]

export interface BenchArgs {
  readonly part: Part
  /** For how long each row is measured, once it has settled. */
  readonly seconds: number
  readonly help: boolean
}

export const USAGE = `npm run bench -- edge [options]

  edge             the packaged agent with 20 machines, 500 values a second: memory, processor, card

  --seconds 300    for how long each row is measured
`

const CODE = 'BENCH_BAD_ARGUMENT'

/** @throws NakamaError `BENCH_BAD_ARGUMENT`, naming the option, what was expected and what came. */
export const parseBenchArgs = (argv: readonly string[]): BenchArgs => {
  const [part, ...rest] = argv
  const help = argv.includes('--help') || argv.includes('-h')
  if (!help && !PARTS.some(one => one === part)) {
    throw new NakamaError(CODE, `expected one of ${PARTS.join(', ')}, got ${part ?? 'nothing'}`)
  }
  if (help) return { part: 'edge', seconds: 0, help }
  const { seconds } = parseOptions(CODE, rest, { seconds: { type: 'string', default: '300' } })
  return { part: part as Part, seconds: wholeNumber(CODE, '--seconds', seconds, 10, 86_400), help }
}
