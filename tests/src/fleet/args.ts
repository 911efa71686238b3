import { parseOptions, wholeNumber } from '@nakama/service'

export interface FleetArgs {
  readonly shops: number
  readonly machines: number
  readonly signals: number
  /** How long to send live readings. */
  readonly seconds: number
  /** History that every agent has collected before any of them connects; they then come back all at once. */
  readonly outageMinutes: number
  readonly seed: number
  /** What makes a run fail: see `complaintsOf`. */
  readonly statesWithinS: number
  readonly allWithinS: number
  readonly ingestMaxMiB: number
  readonly brokerMaxMiB: number
  readonly growthMaxMiB: number
  readonly help: boolean
}

export const USAGE = `npm run fleet -- [options]

  --shops 503         agents, each a connection of its own
  --machines 5        per shop
  --signals 10        per machine, one reading a second
  --seconds 60        how long
  --outage-minutes 0  history that all agents bring when they come back at once
  --seed 1

It fails where more is needed than:

  --states-within-s 60    of an outage, until the states of all are acknowledged
  --all-within-s 600      until everything is
  --ingest-max-mib 800    memory of ingest
  --broker-max-mib 600    memory of the broker
  --growth-max-mib 100    by which either holds more in the last fifth of the run than in the middle one
`

/** @throws NakamaError `FLEET_BAD_ARGUMENT` */
export const parseFleetArgs = (argv: readonly string[]): FleetArgs => {
  const values = parse(argv)
  return {
    shops: wholeNumber(CODE, '--shops', values.shops, 1, 10_000),
    machines: wholeNumber(CODE, '--machines', values.machines, 1, 64),
    signals: wholeNumber(CODE, '--signals', values.signals, 1, 200),
    seconds: wholeNumber(CODE, '--seconds', values.seconds, 1, 86_400),
    outageMinutes: wholeNumber(CODE, '--outage-minutes', values['outage-minutes'], 0, 24 * 60),
    seed: wholeNumber(CODE, '--seed', values.seed, 0, 2 ** 32 - 1),
    statesWithinS: wholeNumber(CODE, '--states-within-s', values['states-within-s'], 1, 86_400),
    allWithinS: wholeNumber(CODE, '--all-within-s', values['all-within-s'], 1, 86_400),
    ingestMaxMiB: wholeNumber(CODE, '--ingest-max-mib', values['ingest-max-mib'], 1, 1_000_000),
    brokerMaxMiB: wholeNumber(CODE, '--broker-max-mib', values['broker-max-mib'], 1, 1_000_000),
    growthMaxMiB: wholeNumber(CODE, '--growth-max-mib', values['growth-max-mib'], 1, 1_000_000),
    help: values.help,
  }
}

const CODE = 'FLEET_BAD_ARGUMENT'

const parse = (argv: readonly string[]) =>
  parseOptions(CODE, argv, {
    shops: { type: 'string', default: '503' },
    machines: { type: 'string', default: '5' },
    signals: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '60' },
    'outage-minutes': { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    'states-within-s': { type: 'string', default: '60' },
    'all-within-s': { type: 'string', default: '600' },
    'ingest-max-mib': { type: 'string', default: '800' },
    'broker-max-mib': { type: 'string', default: '600' },
    'growth-max-mib': { type: 'string', default: '100' },
    help: { type: 'boolean', short: 'h', default: false },
  })
