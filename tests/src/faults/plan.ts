import { seededRandom } from '../random.ts'

export const FAULT_KINDS = [
  'kill',
  'freeze',
  'cut',
  'black-hole',
  'slow',
  'half-open',
  'new-broker',
  'disk-full',
  'torn-journal',
  'flipped-journal',
  'store-locked',
  'shuffle',
  'clock-at-start',
  'clock-step',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

/** What is done to whom, and when. */
export interface Fault {
  readonly kind: FaultKind
  /** A process, by its name; for the kinds of the network, whose connection to the broker. */
  readonly target: string
  /** Since the start of the run. */
  readonly atMs: number
  readonly forMs: number
  /** For what is left to chance while it is done. */
  readonly seed: number
}

export interface PlanOptions {
  readonly seed: number
  readonly minutes: number
  /** Of processes; without `kill` among the kinds there are none. */
  readonly kills: number
  readonly kinds: readonly FaultKind[]
  /** Names of the agents' processes. */
  readonly agents: readonly string[]
  /** What comes at the very end, when everything else has healed; times since its own beginning. */
  readonly finale?: readonly FinalFault[]
}
export type FinalFault = Omit<Fault, 'seed'>

/** Before the first fault. */
const START_MS = 2_000
/** At the end, so that everything drains, and wills and their grace pass. */
export const CALM_MS = 45_000
/** Beside the kills, one fault about this often. */
const OTHERS_EVERY_MS = 9_000
const TRIES = 60
const SCAN_MS = 250
/** Until whatever was done has healed. */
const HEALED_MS = 6_000

/** Lets several faults happen at once, but not to the same thing: otherwise none could show that it happened. */
interface Trait {
  readonly lastsMs: readonly [shortest: number, longest: number]
  /** Until what it was done to can be trusted to be well again. */
  readonly healsMs: number
  readonly targets: (agents: readonly string[]) => readonly string[]
  /** Only one fault at a time uses these. */
  readonly uses: (target: string) => readonly string[]
  /** Several may need these, but nobody else may use them. */
  readonly needs?: readonly string[]
}

const everyProcess = (agents: readonly string[]) => [...agents, 'broker', 'ingest', 'coordinator', 'simulators']
const itself = (target: string) => [target]
const clients = (agents: readonly string[]) => [...agents, 'ingest']
const onCable = {
  healsMs: 4_000,
  targets: clients,
  uses: (target: string) => [target, `cable ${target}`],
  needs: ['broker'],
}
const inJournal: Trait = {
  lastsMs: [500, 2_000],
  healsMs: 6_000,
  targets: agents => agents,
  uses: target => [target, `disk ${target}`],
}

const TRAITS: { readonly [kind in FaultKind]: Trait } = {
  kill: { lastsMs: [0, 0], healsMs: 6_000, targets: everyProcess, uses: itself },
  freeze: { lastsMs: [1_000, 10_000], healsMs: 2_000, targets: everyProcess, uses: itself },
  cut: { lastsMs: [500, 8_000], ...onCable },
  'black-hole': { lastsMs: [2_000, 15_000], ...onCable },
  slow: { lastsMs: [5_000, 12_000], ...onCable },
  'half-open': { lastsMs: [2_000, 15_000], ...onCable },
  'new-broker': { lastsMs: [500, 6_000], healsMs: 5_000, targets: () => ['broker'], uses: itself },
  'disk-full': { lastsMs: [3_000, 12_000], healsMs: 0, targets: agents => agents, uses: target => [`disk ${target}`] },
  'torn-journal': inJournal,
  'flipped-journal': inJournal,
  'store-locked': { lastsMs: [2_000, 8_000], healsMs: 1_000, targets: () => ['ingest'], uses: () => ['store'] },
  shuffle: { lastsMs: [6_000, 15_000], ...onCable, targets: () => ['ingest'] },
  'clock-at-start': { ...inJournal, lastsMs: [5_000, 20_000] },
  // A step is seen in what machines give meanwhile.
  'clock-step': { ...inJournal, lastsMs: [5_000, 15_000], healsMs: 2_000, needs: ['simulators'] },
}

/**
 * The whole schedule, by the seed alone, ascending in time. Each kind comes at least once, `kills` is exact apart from the finale, and
 * the last fault is over `CALM_MS` before the end.
 *
 * @throws RangeError when there is not time for that.
 */
export const planFaults = ({ seed, minutes, kills, kinds, agents, finale = [] }: PlanOptions): Fault[] => {
  const random = seededRandom(seed)
  const finaleMs = Math.max(0, ...finale.map(({ atMs, forMs }) => atMs + forMs))
  const finaleAtMs = minutes * 60_000 - CALM_MS - finaleMs
  const endMs = finale.length === 0 ? finaleAtMs : finaleAtMs - HEALED_MS
  const others = kinds.filter(kind => kind !== 'kill')
  const extras = Math.max(0, Math.round((endMs - START_MS) / OTHERS_EVERY_MS) - others.length)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const placed: Fault[] = []

  const fits = (fault: Fault): boolean =>
    fault.atMs + fault.forMs <= endMs && placed.every(other => !overlap(fault, other) || !conflict(fault, other))
  const place = (kind: FaultKind): boolean => {
    const { lastsMs, targets } = TRAITS[kind]
    const [shortest, longest] = lastsMs
    const draw = (): Fault => ({
      kind,
      target: pick(targets(agents)),
      atMs: Math.round(START_MS + random() * Math.max(0, endMs - START_MS - shortest)),
      forMs: Math.round(shortest + random() * (longest - shortest)),
      seed: Math.floor(random() * 2 ** 32),
    })
    let fault = draw()
    for (let left = TRIES; left > 0 && !fits(fault); left--) fault = draw()
    // Chance finds no room: the first that there is.
    for (const target of targets(agents)) {
      for (let atMs = START_MS; atMs < endMs && !fits(fault); atMs += SCAN_MS) {
        fault = { ...fault, target, atMs, forMs: shortest }
      }
    }
    if (!fits(fault)) return false
    placed.push(fault)
    return true
  }
  const demand = (kind: FaultKind): void => {
    if (place(kind)) return
    throw new RangeError(`expected time for each of ${kinds.join(', ')} and ${kills} kills, got ${minutes} minutes`)
  }

  // The long ones first, while there is room.
  for (const kind of others.toSorted((a, b) => TRAITS[b].lastsMs[0] - TRAITS[a].lastsMs[0])) demand(kind)
  if (kinds.includes('kill')) for (let left = kills; left > 0; left--) demand('kill')
  if (others.length > 0) for (let left = extras; left > 0; left--) place(pick(others))
  placed.push(
    ...finale.map(fault => ({ ...fault, atMs: finaleAtMs + fault.atMs, seed: Math.floor(random() * 2 ** 32) })),
  )
  return placed.sort((a, b) => a.atMs - b.atMs)
}

const overlap = (a: Fault, b: Fault): boolean => a.atMs < healedAt(b) && b.atMs < healedAt(a)

const healedAt = ({ kind, atMs, forMs }: Fault): number => atMs + forMs + TRAITS[kind].healsMs

const conflict = (a: Fault, b: Fault): boolean => {
  const [usesA, usesB] = [TRAITS[a.kind].uses(a.target), TRAITS[b.kind].uses(b.target)]
  const [needsA, needsB] = [TRAITS[a.kind].needs ?? [], TRAITS[b.kind].needs ?? []]
  const shared = (left: readonly string[], right: readonly string[]) => left.some(each => right.includes(each))
  return shared(usesA, usesB) || shared(usesA, needsB) || shared(needsA, usesB)
}
