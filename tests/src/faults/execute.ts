import { messageOf } from '@nakama/contract'
import { seededRandom } from '../random.ts'
import { INJECTORS } from './inject/index.ts'
import type { Fault } from './plan.ts'
import type { World } from './world.ts'

export interface Outcome {
  readonly fault: Fault
  /** Why it did not happen, or could not be undone; undefined when all went as planned. */
  readonly failure: string | undefined
}

/** Does every fault of a plan at its time, and resolves when `forMs` have passed and the last one is over. */
export const execute = async (
  world: World,
  plan: readonly Fault[],
  forMs: number,
  say: (line: string) => void,
): Promise<Outcome[]> => {
  const startedAt = performance.now()
  const reach = (ms: number): Promise<void> =>
    new Promise(resolve => setTimeout(resolve, Math.max(0, startedAt + ms - performance.now())))
  const outcomes = plan.map(async (fault): Promise<Outcome> => {
    await reach(fault.atMs)
    const lasting = fault.forMs > 0 ? ` for ${(fault.forMs / 1_000).toFixed(1)} s` : ''
    say(
      `${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(7)} s  ${fault.kind} ${fault.target}${lasting}`,
    )
    try {
      await INJECTORS[fault.kind](world, fault, seededRandom(fault.seed))
      return { fault, failure: undefined }
    } catch (error) {
      return { fault, failure: messageOf(error) }
    }
  })
  const [done] = await Promise.all([Promise.all(outcomes), reach(forMs)])
  return done
}
