import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { messageOf, NakamaError } from '@nakama/contract'
import { type FaultsArgs, parseFaultsArgs, USAGE } from './args.ts'
import { createMutant, MUTANTS, type MutantName } from './mutants.ts'
import { FAULT_KINDS } from './plan.ts'
import { type RunResult, runFaults } from './run.ts'
import { formatTable, totalsOf } from './table.ts'

// Standard output has the table and the result; what happens in between is told on standard error.
const say = (line: string): void => void process.stderr.write(`${line}\n`)

const ROOT = join(import.meta.dirname, '../../..')

const main = async (argv: readonly string[]): Promise<number> => {
  const args = parseFaultsArgs(argv)
  if (args.help) {
    process.stdout.write(USAGE)
    return 0
  }
  if (args.mutant !== undefined) return runMutant(args.mutant, argv)
  const end = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort())
  const result = await runFaults(args, say, end.signal)
  process.stdout.write(report(args, result))
  return result.complaints.length === 0 ? 0 : 1
}

const report = ({ seed, minutes }: FaultsArgs, { outcomes, verdicts, complaints, notes }: RunResult): string => {
  const { lost, duplicated, disordered, wronglyIdle, wrongRollups } = totalsOf(verdicts)
  const counts = FAULT_KINDS.map(kind => ({ kind, count: outcomes.filter(({ fault }) => fault.kind === kind).length }))
  const kills = counts.find(({ kind }) => kind === 'kill')?.count ?? 0
  const done = counts.filter(({ count }) => count > 0).map(({ kind, count }) => `${kind} ${count}`)
  const failed = complaints.length === 0 ? '' : `; FAILED, ${complaints.length} complaints`
  return [
    ...complaints.map(complaint => `✗ ${complaint}`),
    ...notes,
    `done: ${done.join(', ')}`,
    '',
    formatTable(verdicts),
    '',
    `faults: seed ${seed}, ${minutes.toFixed(1)} min, ${outcomes.length} faults, ${kills} kills: ${lost} lost, ` +
      `${duplicated} duplicated, ${disordered} disordered, ${wronglyIdle} min wrongly idle, ` +
      `${wrongRollups} min of rollups wrong${failed}`,
    '',
  ].join('\n')
}

/** The same run of a tree in which a promise is broken. */
const runMutant = async (name: MutantName, argv: readonly string[]): Promise<number> => {
  const { root, remove } = createMutant(ROOT, name)
  try {
    say(`mutant: ${MUTANTS[name].breaks}`)
    // Where an option comes twice the last one counts.
    const own = [...argv, '--show', name].filter(
      (each, at) => !each.startsWith('--mutant') && argv[at - 1] !== '--mutant',
    )
    const main = join(root, 'tests/src/faults/main.ts')
    const child = spawn(process.execPath, [main, ...own], { stdio: 'inherit' })
    const forward = (signal: NodeJS.Signals): void => void child.kill(signal)
    process.on('SIGINT', forward).on('SIGTERM', forward)
    return await new Promise(resolve => child.once('exit', code => resolve(code ?? 1)))
  } finally {
    remove()
  }
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  say(error instanceof NakamaError ? `${error.code}: ${error.message}` : messageOf(error))
  process.stdout.write('faults: failed\n')
  // Faults of the plan that were still to come would keep the process alive.
  process.exit(1)
}
