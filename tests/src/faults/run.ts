import { DEFAULT_WAITS } from '../expected-states.ts'
import type { FaultsArgs } from './args.ts'
import { collectEvidence } from './collect.ts'
import { execute, type Outcome } from './execute.ts'
import type { RunFacts } from './judge/evidence.ts'
import { complaintsOf, judgeMachine, type Verdict } from './judge/judge.ts'
import { MUTANTS } from './mutants.ts'
import { planFaults } from './plan.ts'
import { settle } from './settle.ts'
import { AGENTS, SHOPS, startWorld, TIMES, type World } from './world.ts'

export interface RunResult {
  readonly outcomes: readonly Outcome[]
  readonly verdicts: readonly Verdict[]
  /** Everything that must not be; empty when the promise was kept. */
  readonly complaints: readonly string[]
  readonly notes: readonly string[]
}

/**
 * Starts the path, does the faults to it, and judges what is in the store at the end. Nothing is left behind, also when it
 * is aborted.
 */
export const runFaults = async (
  args: FaultsArgs,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<RunResult> => {
  await using world = await startWorld(args)
  const aborted = Promise.withResolvers<never>()
  aborted.promise.catch(() => {})
  signal.addEventListener('abort', () => aborted.reject(new Error('aborted')), { once: true })
  if (signal.aborted) throw new Error('aborted')
  return await Promise.race([runIn(world, args, say), aborted.promise])
}

const runIn = async (
  world: World,
  { seed, minutes, kills, kinds, show }: FaultsArgs,
  say: (line: string) => void,
): Promise<RunResult> => {
  const notes: string[] = []
  const hasDisks = AGENTS.every(agent => world.disk(agent) !== undefined)
  if (kinds.includes('disk-full') && !hasDisks) notes.push('disk-full is left out: only root can mount a small disk')
  const possible = hasDisks ? kinds : kinds.filter(kind => kind !== 'disk-full')
  const finale = show === undefined ? [] : MUTANTS[show].shownBy(AGENTS[0] as string)
  const plan = planFaults({ seed, minutes, kills, kinds: possible, agents: AGENTS, finale })

  const from = Date.now()
  const outcomes = await execute(world, plan, minutes * 60_000, say)
  say('what was read must have arrived')
  const facts = factsOf(world, { from, to: await settle(world) })
  const verdicts = (await collectEvidence(SHOPS, world.path.dataDir, facts.span)).map(each => judgeMachine(facts, each))
  return {
    ...{ outcomes, verdicts, notes },
    complaints: [
      ...outcomes.flatMap(({ fault: { kind, target }, failure }) =>
        failure === undefined ? [] : [`${kind} ${target}: ${failure}`],
      ),
      ...world.ledger.unplanned,
      ...verdicts.flatMap(complaintsOf),
    ],
  }
}

const factsOf = ({ ledger }: World, span: RunFacts['span']): RunFacts => ({
  span,
  pollMs: TIMES.pollMs,
  waits: { ...DEFAULT_WAITS, ...TIMES.timing },
  outages: ledger.outages(),
  frozen: ledger.troubles('frozen'),
  corrupted: ledger.troubles('corrupted'),
  full: ledger.troubles('full'),
  stepped: ledger.troubles('stepped'),
})
