import { NakamaError } from '@nakama/contract'
import { parseOptions, wholeNumber } from '@nakama/service'

export interface DemoArgs {
  /** How long to run after `ready`; undefined until Ctrl-C. */
  readonly forMs: number | undefined
  readonly httpPort: number
  readonly mqttPort: number
  /** Kept at the end; undefined for a temporary folder, removed at the end. */
  readonly data: string | undefined
  readonly seed: number
  /** Simulated time, and every waiting time with it, runs so many times faster. */
  readonly speed: number
  /** Drop-outs from the start. Without it the first two minutes have none. */
  readonly faults: boolean
  readonly help: boolean
}

export const USAGE = `npm run demo -- [options]

  --for 60s          終了までの時間（s, m, h）。省略すると Ctrl-C まで / how long to run after "ready"; otherwise until Ctrl-C
  --http-port 8080   画面とAPIのポート（0 = 空きポート） / port of board and API (0 = any free one)
  --mqtt-port 0      MQTTのポート（0 = 空きポート） / port of the broker (0 = any free one)
  --data DIR         データを残すフォルダ。省略すると一時フォルダ / folder to keep the data in; otherwise a temporary one
  --seed 1           機械の動きの種 / seed of the machines' behaviour
  --speed 1          模擬の時間と待ち時間を何倍速で進めるか（1〜60） / simulated time and waiting times so many times faster (1 to 60)
  --faults           通信断を最初から起こす / drop-outs from the start
`

/** @throws NakamaError `DEMO_BAD_ARGUMENT`, naming the option, what was expected and what came. */
export const parseDemoArgs = (argv: readonly string[]): DemoArgs => {
  const values = parse(argv)
  return {
    forMs: values.for === undefined ? undefined : duration('--for', values.for),
    httpPort: wholeNumber(CODE, '--http-port', values['http-port'], 0, 65_535),
    mqttPort: wholeNumber(CODE, '--mqtt-port', values['mqtt-port'], 0, 65_535),
    data: values.data,
    seed: wholeNumber(CODE, '--seed', values.seed, 0, 2 ** 32 - 1),
    speed: wholeNumber(CODE, '--speed', values.speed, 1, SPEED_MAX),
    faults: values.faults,
    help: values.help,
  }
}

const CODE = 'DEMO_BAD_ARGUMENT'

const parse = (argv: readonly string[]) =>
  parseOptions(CODE, argv, {
    for: { type: 'string' },
    'http-port': { type: 'string', default: '8080' },
    'mqtt-port': { type: 'string', default: '0' },
    data: { type: 'string' },
    seed: { type: 'string', default: '1' },
    speed: { type: 'string', default: '1' },
    faults: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  })

/** Beyond it a short stop is over before a machine is asked again. */
const SPEED_MAX = 60

const UNIT_MS: { readonly [unit: string]: number } = { s: 1_000, m: 60_000, h: 3_600_000 }
// setTimeout counts in 31 bits.
const DURATION_MAX_MS = 24 * 3_600_000

const duration = (option: string, text: string): number => {
  const match = /^(\d{1,6})([smh])$/.exec(text)
  const ms = match === null ? 0 : Number(match[1]) * (UNIT_MS[match[2] as string] as number)
  if (ms > 0 && ms <= DURATION_MAX_MS) return ms
  throw new NakamaError(CODE, `${option}: expected a time up to 24h such as 60s, 5m or 1h, got "${text}"`)
}
