import { MODELS } from '../catalogue.ts'
import type { MachineEntry } from '../config.ts'
import type { Outage } from '../control-types.ts'
import type { TruthLine } from '../truth.ts'
import { dayOf, dayStart } from './calendar.ts'
import { changeAfter, type Link, nextOutage, outageAt, startLink } from './link.ts'
import { nextSegment, type Plan, startPlan } from './plan.ts'
import { PROFILES } from './profiles.ts'
import { hash } from './random.ts'
import { shownBy } from './shows.ts'

export interface Pulled {
  readonly mode: Outage
  readonly until: number
}

/** A machine with its network interface. All times are simulated milliseconds. */
export interface Unit {
  readonly entry: MachineEntry
  readonly at: number
  readonly plan: Plan
  /** Of the port behind which it stands, perhaps with others. */
  readonly serverLink: Link
  /** Its own behind a shared port. */
  readonly ownLink: Link | undefined
  readonly serverPulled: Pulled | undefined
  readonly ownPulled: Pulled | undefined
  /** When `state` last changed. */
  readonly since: number
}

export interface UnitOptions {
  readonly seed: number
  readonly start: number
  readonly dropOutsPerDay: number
  readonly dropOutsFrom: number
}

/** The machine as it is at `start`, having lived through the day before. */
export const startUnit = (entry: MachineEntry, { seed, start, dropOutsPerDay, dropOutsFrom }: UnitOptions): Unit => {
  const { shop, machine, model } = entry
  let plan = startPlan({ seed, shop, machine }, dayStart(dayOf(start) - 1))
  while (plan.segment.until <= start) plan = nextSegment(PROFILES[model], plan)
  const shared = MODELS[model].protocol === 'opcua'
  const perDay = shared ? dropOutsPerDay / 2 : dropOutsPerDay
  const link = (name: string): Link => startLink(hash(name, seed), perDay, start, dropOutsFrom)
  return {
    entry,
    at: start,
    plan: { ...plan, parts: 0 },
    serverLink: link(shared ? `server ${shop}` : `machine ${shop}/${machine}`),
    ownLink: shared ? link(`machine ${shop}/${machine}`) : undefined,
    serverPulled: undefined,
    ownPulled: undefined,
    since: plan.segment.from,
  }
}

/** Lets time pass, and tells every change on the way: the same ones whether it passes in one step or in many. */
export const advance = (before: Unit, to: number): { readonly unit: Unit; readonly changes: readonly Unit[] } => {
  const changes: Unit[] = []
  let unit = before
  for (;;) {
    const next = nextChange(unit)
    if (next > to) return { unit: { ...unit, at: Math.max(unit.at, to) }, changes }
    unit = changeAt(unit, next)
    changes.push(unit)
  }
}

const nextChange = ({ at, plan, serverLink, ownLink, serverPulled, ownPulled }: Unit): number =>
  Math.min(
    plan.segment.until,
    changeAfter(serverLink, at),
    ownLink === undefined ? Number.POSITIVE_INFINITY : changeAfter(ownLink, at),
    serverPulled?.until ?? Number.POSITIVE_INFINITY,
    ownPulled?.until ?? Number.POSITIVE_INFINITY,
  )

const changeAt = (unit: Unit, at: number): Unit => {
  const renewed = (link: Link): Link => (at >= link.outage.until ? nextOutage(link) : link)
  const still = (pulled: Pulled | undefined): Pulled | undefined => (pulled && at < pulled.until ? pulled : undefined)
  const plan = at >= unit.plan.segment.until ? nextSegment(PROFILES[unit.entry.model], unit.plan) : unit.plan
  return withPlan(
    {
      ...unit,
      at,
      serverLink: renewed(unit.serverLink),
      ownLink: unit.ownLink === undefined ? undefined : renewed(unit.ownLink),
      serverPulled: still(unit.serverPulled),
      ownPulled: still(unit.ownPulled),
    },
    plan,
  )
}

/** The unit with another plan from its `at` on. */
export const withPlan = (unit: Unit, plan: Plan): Unit => {
  const { model } = unit.entry
  const same = shownBy(model, unit.plan.segment.activity).state === shownBy(model, plan.segment.activity).state
  return { ...unit, plan, since: same ? unit.since : unit.at }
}

/** What happens to the port at which the machine is served. */
export const portOutage = ({ entry, at, plan, serverLink, serverPulled }: Unit): Outage | null => {
  if (serverPulled !== undefined) return serverPulled.mode
  // Without power there is nobody to refuse a connection. Behind a shared port only the machine itself is gone.
  if (plan.segment.activity === 'breaker-off' && MODELS[entry.model].protocol === 'modbus-tcp') return 'hang'
  return outageAt(serverLink, at)
}

/** What a shared server says of the machine: nothing wrong, that it does not know, or that the machine is not available. */
export const ownOutage = ({ entry, at, plan, ownLink, ownPulled }: Unit): 'unknown' | 'unavailable' | null => {
  if (MODELS[entry.model].protocol !== 'opcua') return null
  if (ownPulled !== undefined || plan.segment.activity === 'breaker-off') return 'unknown'
  const outage = ownLink === undefined ? null : outageAt(ownLink, at)
  return outage === null ? null : outage === 'hang' ? 'unknown' : 'unavailable'
}

export const isReachable = (unit: Unit): boolean => portOutage(unit) === null && ownOutage(unit) === null

/** A unit as a line of the truth log; `toWall` tells the real time of a simulated one. */
export const truthOf = (unit: Unit, toWall: (simAt: number) => number): TruthLine => ({
  at: toWall(unit.at),
  simAt: unit.at,
  ...shownBy(unit.entry.model, unit.plan.segment.activity),
  reachable: isReachable(unit),
  activity: unit.plan.segment.activity,
  parts: unit.plan.parts,
})
