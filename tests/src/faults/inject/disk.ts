import { type Injector, mustHaveHappened, pause } from './fault.ts'
import { owedSince } from './owed.ts'

/** Somebody else fills the disk of an agent, and makes room again. */
export const diskFull: Injector = async ({ disk, path, ledger }, { target, forMs }) => {
  const small = disk(target)
  if (small === undefined) throw new Error(`did not happen: expected a small disk under ${target}`)
  const owed = await owedSince({ path, ledger }, target)
  const from = Date.now()
  try {
    mustHaveHappened(small.fill(), `no room left for ${target}`)
    await pause(forMs)
    mustHaveHappened(small.fill(), `no room left for ${target} at the end either`)
  } finally {
    small.empty()
    ledger.note('full', { process: target, from, to: Date.now(), owedSince: owed })
  }
}
