import { openEmbeddedStore, type StoreWrite } from '../src/index.ts'
import { HOUR_MS, T0 } from './support.ts'

/**
 * A process to be killed: writes numbered counts, samples and states without end, several calls at a time, and tells its
 * parent each number once it is acknowledged. Arguments: file, first number, start time of the test.
 */
const [file = '', first = '0', start = String(T0)] = process.argv.slice(2)
const series = { shop: 'killed', machine: 'lathe', kind: 'nc-lathe' } as const
/** A clock that runs fast, so that samples are regrouped all the time. */
const now = (): number => T0 + HOUR_MS + performance.now() * 1000
const store = await openEmbeddedStore({ file, commitDelayMs: 0, upkeepMs: 20, now })
let next = Number(first)

const writesOf = (number: number): StoreWrite[] => {
  const at = Number(start) + number
  return [
    { type: 'count', series, at, parts: 1, total: number },
    { type: 'samples', series, at: [at], signals: { ticks: [number] } },
    {
      type: 'state',
      series,
      from: at,
      to: at + 1,
      code: number % 2 === 0 ? 'IDLE' : 'RUNNING',
      since: at,
      provisional: false,
    },
  ]
}

const writeOn = async (): Promise<void> => {
  for (;;) {
    const number = next++
    const { accepted } = await store.write(writesOf(number))
    if (accepted === 3) process.send?.(number)
  }
}

for (let parallel = 0; parallel < 8; parallel++) void writeOn()
