import { attendanceAt, dayOf } from './calendar.ts'
import { type Job, newJob, oneCycle, setupOf } from './job.ts'
import type { Profile } from './profiles.ts'
import { between, hash, type Random, streamOf } from './random.ts'

/** What a machine and the people around it do, one thing at a time. */
export const ACTIVITIES = [
  'breaker-off',
  'off',
  'ready',
  'warm-up',
  'jogging',
  'measuring',
  'start-refused',
  'loading',
  'cutting',
  'short-stop',
  'feed-hold',
  'optional-stop',
  'complete',
  'alarm',
  'emergency-stop',
] as const
export type Activity = (typeof ACTIVITIES)[number]

/** An activity of some length, in milliseconds. `partDone`: at its end one more part is finished. */
export interface Step {
  readonly activity: Activity
  readonly ms: number
  readonly partDone?: true
}

/** An activity with its place in time: from `from` (inclusive) to `until` (exclusive). */
export interface Segment {
  readonly activity: Activity
  readonly from: number
  readonly until: number
  /** Its number, from which everything random within it is drawn. */
  readonly index: number
}

export interface Plan {
  /** Whose plan: everything random comes from it and from `index`. */
  readonly who: { readonly seed: number; readonly shop: string; readonly machine: string }
  readonly index: number
  readonly segment: Segment
  readonly partDone: boolean
  readonly queue: readonly Step[]
  readonly job: Job | undefined
  /** The last day on which the machine was switched on, and on which it was ready for work. */
  readonly poweredDay: number | undefined
  /** Parts since the start of the simulation. */
  readonly parts: number
  /** Parts by the machine's own counter, which people reset. */
  readonly counter: number
}

const SECOND = 1_000
const MINUTE = 60_000

/** A machine that is off at `at`; whatever happens from then on follows from `who`. */
export const startPlan = (who: Plan['who'], at: number): Plan => ({
  who,
  index: 0,
  segment: { activity: 'off', from: at, until: at + 1, index: 0 },
  partDone: false,
  queue: [],
  job: undefined,
  poweredDay: undefined,
  parts: 0,
  counter: 0,
})

/** The plan after the end of its present segment. */
export const nextSegment = (profile: Profile, before: Plan): Plan => {
  const at = before.segment.until
  const index = before.index + 1
  const random = streamOf(hash(`${before.who.shop}/${before.who.machine}`, before.who.seed, index))
  const finished = before.partDone ? 1 : 0
  const done = { ...before, index, parts: before.parts + finished, counter: before.counter + finished }
  const plan = done.queue.length > 0 ? done : decide(profile, done, at, random)
  const [step, ...queue] = plan.queue as [Step, ...Step[]]
  // Whole milliseconds, and never none, so that every change has a time of its own.
  const until = at + Math.max(1, Math.round(step.ms))
  return {
    ...plan,
    queue,
    partDone: step.partDone === true,
    segment: { activity: step.activity, from: at, until, index },
  }
}

/** Cuts the present segment off at `at` and does something else for `ms` (Infinity: until told otherwise), then goes on as it sees fit. */
export const interrupt = (plan: Plan, activity: Activity, at: number, ms: number): Plan => {
  const finishes = activity === 'complete' && plan.segment.activity === 'cutting' ? 1 : 0
  const index = plan.index + 1
  return {
    ...plan,
    index,
    queue: [],
    partDone: false,
    parts: plan.parts + finishes,
    counter: plan.counter + finishes,
    segment: { activity, from: at, until: at + ms, index },
  }
}

/** What comes next when nothing is queued: as the hour, the job and chance have it. */
const decide = (profile: Profile, plan: Plan, at: number, random: Random): Plan => {
  const { seed, shop } = plan.who
  const present = attendanceAt(seed, shop, at)
  const wasOff = plan.segment.activity === 'off' || plan.segment.activity === 'breaker-off'
  const queued = (...queue: readonly Step[]): Plan => ({ ...plan, queue })

  if (present.type === 'closed') {
    const untilMorning = present.until - at
    if (plan.segment.activity === 'off' && present.breaker && !plan.job?.overnight)
      return queued({ activity: 'breaker-off', ms: untilMorning })
    if (wasOff) return queued({ activity: 'off', ms: untilMorning })
    if (profile.unattended && plan.job !== undefined) {
      // What broke down at night stays as it is until somebody comes.
      if (plan.job.overnight) return queued({ activity: hasEnded(plan) ? 'complete' : 'alarm', ms: untilMorning })
      if (!present.breaker && plan.job.left > 0 && untilMorning > plan.job.cycleMs)
        return { ...plan, ...oneCycle(profile, { ...plan.job, overnight: true }, random) }
    }
    // The last one out tidies up, switches the machines off one by one, and then perhaps everything.
    const tidyMs = between(random, [1 * MINUTE, 12 * MINUTE])
    const offMs = present.breaker ? between(random, [2 * MINUTE, 10 * MINUTE]) : untilMorning
    return queued({ activity: 'ready', ms: tidyMs }, { activity: 'off', ms: Math.min(offMs, untilMorning) })
  }

  if (wasOff) return switchOn(profile, plan, at, random)
  if (present.type === 'break') {
    const waitMs = present.until - at + between(random, [0, 2 * MINUTE])
    return queued({ activity: hasEnded(plan) ? 'complete' : 'ready', ms: waitMs })
  }
  if (plan.job === undefined || plan.job.left === 0) {
    if (plan.job !== undefined && random() < profile.lullShare) {
      const lullMs = Math.min(between(random, profile.lullMin) * MINUTE, present.until - at + MINUTE)
      return { ...plan, job: undefined, queue: [{ activity: 'ready', ms: lullMs }] }
    }
    const job = newJob(profile, random)
    // Some reset the counter for a new job, some never do.
    return { ...plan, job, counter: random() < 0.5 ? 0 : plan.counter, queue: setupOf(profile, random) }
  }
  return { ...plan, ...oneCycle(profile, { ...plan.job, overnight: false }, random) }
}

/** The program has come to its end, and nobody has touched the machine since. */
const hasEnded = ({ segment }: Plan): boolean => segment.activity === 'cutting' || segment.activity === 'complete'

const switchOn = (profile: Profile, plan: Plan, at: number, random: Random): Plan => {
  const day = dayOf(at)
  const cold = plan.poweredDay !== day
  const steps: Step[] = [
    { activity: 'ready', ms: between(random, cold ? [20 * SECOND, 4 * MINUTE] : [20 * SECOND, MINUTE]) },
  ]
  if (cold && profile.warmUpMin !== undefined)
    steps.push({ activity: 'warm-up', ms: between(random, profile.warmUpMin) * MINUTE })
  return { ...plan, poweredDay: day, queue: steps }
}

/** Gives a machine back to its plan: at `at` it decides anew. */
export const release = (plan: Plan, at: number): Plan => ({
  ...plan,
  queue: [],
  partDone: false,
  segment: { ...plan.segment, until: at },
})
