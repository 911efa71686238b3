import { parseOptions, wholeNumber } from '@nakama/service'

export interface BacklogArgs {
  /** Length of the history, up to now. */
  readonly hours: number
  readonly machines: number
  readonly signals: number
  readonly seed: number
  /** Folder for logs and data, kept; undefined for a temporary one. */
  readonly keep: string | undefined
  readonly help: boolean
}

export const USAGE = `npm run backlog -- [options]

  --hours 24     of history in the journal of one agent when it is connected again
  --machines 5   of that agent
  --signals 10   per machine, one reading a second
  --seed 1       of what the machines did
  --keep DIR     keep logs and data there, in an empty folder
`

/** @throws NakamaError `BACKLOG_BAD_ARGUMENT`, naming the option, what was expected and what came. */
export const parseBacklogArgs = (argv: readonly string[]): BacklogArgs => {
  const values = parse(argv)
  return {
    hours: wholeNumber(CODE, '--hours', values.hours, 1, 7 * 24),
    machines: wholeNumber(CODE, '--machines', values.machines, 1, 64),
    signals: wholeNumber(CODE, '--signals', values.signals, 1, 200),
    seed: wholeNumber(CODE, '--seed', values.seed, 0, 2 ** 32 - 1),
    keep: values.keep,
    help: values.help,
  }
}

const CODE = 'BACKLOG_BAD_ARGUMENT'

const parse = (argv: readonly string[]) =>
  parseOptions(CODE, argv, {
    hours: { type: 'string', default: '24' },
    machines: { type: 'string', default: '5' },
    signals: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  })
