import type { Step } from './plan.ts'
import type { Profile } from './profiles.ts'
import { between, type Random, spread, waitFor } from './random.ts'

/** A lot of equal parts. */
export interface Job {
  /** Know-how: it is served, and must never leave the shop. */
  readonly program: string
  readonly cycleMs: number
  readonly left: number
  readonly fed: boolean
  readonly optionalStop: boolean
  /** It was left to itself for the night. */
  readonly overnight: boolean
}

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 3_600_000

export const newJob = (profile: Profile, random: Random): Job => ({
  program: `O${1_000 + Math.floor(random() * 9_000)}-SHAFT-${String.fromCharCode(65 + Math.floor(random() * 26))}`,
  cycleMs: spread(random, profile.cycleS) * SECOND,
  left: Math.round(spread(random, profile.lot)),
  fed: random() < profile.fedShare,
  optionalStop: random() < profile.optionalStopShare,
  overnight: false,
})

/** Clamping, touching off, measuring, with the door open; at the end somebody presses start and has forgotten the door. */
export const setupOf = (profile: Profile, random: Random): Step[] => {
  const steps: Step[] = []
  let leftMs = between(random, profile.setupMin) * MINUTE
  while (leftMs > 0) {
    const joggingMs = between(random, [20 * SECOND, 3 * MINUTE])
    // Still for less than 10 s: a setup is one activity, however the control shows it.
    const measuringMs = between(random, [2 * SECOND, 9 * SECOND])
    steps.push({ activity: 'jogging', ms: joggingMs }, { activity: 'measuring', ms: measuringMs })
    leftMs -= joggingMs + measuringMs
  }
  if (random() < 0.5) steps.push({ activity: 'start-refused', ms: between(random, [3 * SECOND, 9 * SECOND]) })
  return steps
}

/** Loading, one part, and what comes between; rarely something breaks and the part is lost. */
export const oneCycle = (
  profile: Profile,
  job: Job,
  random: Random,
): { readonly queue: readonly Step[]; readonly job: Job } => {
  const loadMs = SECOND * (job.fed ? between(random, profile.fedLoadS) : spread(random, profile.handLoadS))
  const queue: Step[] = job.overnight ? [] : [{ activity: 'loading', ms: loadMs }]
  let leftMs = job.cycleMs * between(random, [0.97, 1.05])
  let measured = !job.optionalStop
  for (;;) {
    const stop = nextStop(profile, random)
    const cutMs = Math.min(stop.afterMs, measured ? leftMs : leftMs / 2)
    leftMs -= cutMs
    if (leftMs < SECOND) {
      queue.push({ activity: 'cutting', ms: cutMs + leftMs, partDone: true })
      return { queue, job: { ...job, left: job.left - 1 } }
    }
    queue.push({ activity: 'cutting', ms: cutMs })
    if (cutMs < stop.afterMs) {
      measured = true
      queue.push({ activity: 'optional-stop', ms: between(random, [12 * SECOND, 2 * MINUTE]) })
      continue
    }
    queue.push(...stop.steps)
    if (stop.fatal) return { queue, job }
  }
}

interface Stop {
  readonly afterMs: number
  readonly steps: readonly Step[]
  readonly fatal: boolean
}

/** The first of the stops that may come. */
const nextStop = (profile: Profile, random: Random): Stop => {
  const stop = (perHour: number, fatal: boolean, ...steps: readonly Step[]): Stop => ({
    afterMs: perHour === 0 ? Number.POSITIVE_INFINITY : SECOND + waitFor(random, HOUR / perHour),
    steps,
    fatal,
  })
  const ms = (low: number, high: number): number => spread(random, [low * SECOND, high * SECOND])
  const stops = [
    stop(profile.shortStopsPerHour, false, { activity: 'short-stop', ms: ms(1.5, 9.5) }),
    stop(profile.holdsPerHour, false, { activity: 'feed-hold', ms: ms(8, 120) }),
    stop(profile.alarmsPerHour, true, { activity: 'alarm', ms: ms(40, 900) }, { activity: 'ready', ms: ms(10, 120) }),
    stop(
      profile.emergencyStopsPerHour,
      true,
      ...([
        { activity: 'emergency-stop', ms: ms(20, 240) },
        { activity: 'alarm', ms: ms(5, 60) },
        { activity: 'ready', ms: ms(15, 120) },
      ] as const),
    ),
  ]
  return stops.reduce((first, other) => (other.afterMs < first.afterMs ? other : first))
}
