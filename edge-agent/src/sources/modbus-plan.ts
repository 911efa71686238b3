import { type ModbusSignal, widthOf } from '../settings.ts'

/** One request for `count` addresses from `address` on, and the signals that its answer carries. */
export interface ModbusRequest {
  readonly area: ModbusSignal['area']
  readonly address: number
  readonly count: number
  readonly signals: readonly ModbusSignal[]
}

/** Modbus application protocol 1.1b3, sections 6.1 to 6.4: what one answer can carry. The client does not hold it. */
const MAX_COUNT = { coil: 2_000, 'discrete-input': 2_000, 'holding-register': 125, 'input-register': 125 } as const

/** Reading this many unwanted addresses costs less than another request. */
const MAX_HOLE = { coil: 64, 'discrete-input': 64, 'holding-register': 8, 'input-register': 8 } as const

/** As few requests as will do: sorted by address, small holes filled, no signal split over two. */
export const planRequests = (signals: readonly ModbusSignal[]): ModbusRequest[] => plan(signals, MAX_HOLE)

/**
 * Finer requests for one that the machine refused as a whole, since it may lack the addresses in a hole, or just one
 * signal: first without holes, then signal by signal. The request itself when it cannot be split further.
 */
export const splitRequest = (request: ModbusRequest): ModbusRequest[] => {
  const { signals } = request
  const withoutHoles = plan(signals, { coil: 0, 'discrete-input': 0, 'holding-register': 0, 'input-register': 0 })
  return withoutHoles.length > 1 ? withoutHoles : signals.flatMap(signal => plan([signal], MAX_HOLE))
}

const plan = (
  signals: readonly ModbusSignal[],
  maxHole: { readonly [area in ModbusSignal['area']]: number },
): ModbusRequest[] => {
  const sorted = signals.toSorted((a, b) => a.area.localeCompare(b.area) || a.address - b.address)
  const requests: ModbusRequest[] = []
  for (const signal of sorted) {
    const last = requests.at(-1)
    const end = signal.address + widthOf(signal)
    const fits =
      last !== undefined &&
      last.area === signal.area &&
      signal.address - (last.address + last.count) <= maxHole[signal.area] &&
      end - last.address <= MAX_COUNT[signal.area]
    if (last !== undefined && fits) {
      const count = Math.max(last.count, end - last.address)
      requests[requests.length - 1] = { ...last, count, signals: [...last.signals, signal] }
    } else {
      requests.push({ area: signal.area, address: signal.address, count: widthOf(signal), signals: [signal] })
    }
  }
  return requests
}
