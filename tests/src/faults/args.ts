import { NakamaError } from '@nakama/contract'
import { parseOptions, wholeNumber } from '@nakama/service'
import { MUTANTS, type MutantName } from './mutants.ts'
import { FAULT_KINDS, type FaultKind } from './plan.ts'

export interface FaultsArgs {
  readonly seed: number
  readonly minutes: number
  readonly kills: number
  readonly kinds: readonly FaultKind[]
  /** A promise that is broken on purpose. */
  readonly mutant: MutantName | undefined
  /** The plan ends with what would bring this broken promise to light. */
  readonly show: MutantName | undefined
  /** Folder for logs and data, kept; undefined for a temporary one. */
  readonly keep: string | undefined
  readonly help: boolean
}

export const USAGE = `npm run faults -- [options]

  --seed 1       of the machines, and of what is done to them
  --minutes 3    of faults, with a calm of 45 s at the end
  --kills N      processes killed; otherwise four a minute
  --kinds a,b    of ${FAULT_KINDS.join(', ')}; otherwise all
  --mutant NAME  break a promise on purpose: ${Object.keys(MUTANTS).join(', ')}
  --show NAME    end with what would bring that to light; --mutant implies it
  --keep DIR     keep logs and data there, in an empty folder
`

const KILLS_PER_MINUTE = 4
const MINUTES_MAX = 24 * 60

/** @throws NakamaError `FAULTS_BAD_ARGUMENT`, naming the option, what was expected and what came. */
export const parseFaultsArgs = (argv: readonly string[]): FaultsArgs => {
  const values = parse(argv)
  const minutes = number('--minutes', values.minutes, 1, MINUTES_MAX)
  return {
    seed: wholeNumber(CODE, '--seed', values.seed, 0, 2 ** 32 - 1),
    minutes,
    kills:
      values.kills === undefined
        ? Math.round(minutes * KILLS_PER_MINUTE)
        : wholeNumber(CODE, '--kills', values.kills, 0, 100_000),
    kinds:
      values.kinds === undefined
        ? FAULT_KINDS
        : values.kinds.split(',').map(kind => oneOf('--kinds', kind, FAULT_KINDS)),
    mutant: mutant('--mutant', values.mutant),
    show: mutant('--show', values.show),
    keep: values.keep,
    help: values.help,
  }
}

const CODE = 'FAULTS_BAD_ARGUMENT'

const parse = (argv: readonly string[]) =>
  parseOptions(CODE, argv, {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '3' },
    kills: { type: 'string' },
    kinds: { type: 'string' },
    mutant: { type: 'string' },
    show: { type: 'string' },
    keep: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  })

const number = (option: string, text: string, min: number, max: number): number => {
  const value = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && value >= min && value <= max) return value
  throw new NakamaError(CODE, `${option}: expected a number from ${min} to ${max}, got "${text}"`)
}

const mutant = (option: string, text: string | undefined): MutantName | undefined =>
  text === undefined ? undefined : oneOf(option, text, Object.keys(MUTANTS) as MutantName[])

const oneOf = <T extends string>(option: string, text: string, allowed: readonly T[]): T => {
  const found = allowed.find(each => each === text)
  if (found !== undefined) return found
  throw new NakamaError(CODE, `${option}: expected one of ${allowed.join(', ')}, got "${text}"`)
}
