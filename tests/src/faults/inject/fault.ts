import type { Fault } from '../plan.ts'
import type { World } from '../world.ts'

/**
 * Does a fault and undoes it. Resolves when it is over, and rejects when it cannot be shown to have happened: a fault that
 * did nothing would prove nothing.
 *
 * @param random for what the plan leaves open; from the fault's seed.
 */
export type Injector = (world: World, fault: Fault, random: () => number) => Promise<void>

export { setTimeout as pause } from 'node:timers/promises'

/** @throws Error saying what was expected to happen. */
export const mustHaveHappened = (happened: boolean, what: string): void => {
  if (!happened) throw new Error(`did not happen: expected ${what}`)
}
