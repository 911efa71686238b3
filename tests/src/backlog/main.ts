import { messageOf, NakamaError } from '@nakama/contract'
import { type BacklogArgs, parseBacklogArgs, USAGE } from './args.ts'
import { type BacklogResult, runBacklog } from './run.ts'

// Standard output has the table and the result; what happens in between is told on standard error.
const say = (line: string): void => void process.stderr.write(`${line}\n`)

const main = async (argv: readonly string[]): Promise<number> => {
  const args = parseBacklogArgs(argv)
  if (args.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const end = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort())
  const result = await runBacklog(args, say, end.signal)
  process.stdout.write(report(args, result))
  return result.complaints.length === 0 ? 0 : 1
}

const report = ({ seed, hours, machines, signals }: BacklogArgs, result: BacklogResult): string => {
  const { presentMs, statesMs, drainedMs, timesRealTime, usage, journalBytes, verdicts, complaints } = result
  const readings = verdicts.reduce((sum, verdict) => sum + verdict.readings, 0)
  const wrong = verdicts.reduce((sum, { machine: _, readings: __, ...faults }) => sum + total(faults), 0)
  const rows = [
    ['in the journal', `${hours} h, ${readings} readings, ${readings * signals} values, ${mib(journalBytes)}`],
    ['present on the board', seconds(presentMs)],
    ['states of the past complete', seconds(statesMs)],
    ['all acknowledged', `${seconds(drainedMs)}, ${timesRealTime.toFixed(0)} × real time`],
    ...Object.entries(usage).map(([name, { peakBytes, cpuMs }]) => [
      name,
      `at most ${mib(peakBytes)}, ${seconds(cpuMs)} of CPU`,
    ]),
    ['differs from what was journaled', String(wrong)],
  ]
  const width = Math.max(...rows.map(([name]) => (name as string).length))
  const failed = complaints.length === 0 ? '' : `; FAILED, ${complaints.length} complaints`
  return [
    ...complaints.map(complaint => `✗ ${complaint}`),
    `| ${'after the agent reached the broker'.padEnd(width)} | |`,
    `|-${'-'.repeat(width)}-|-|`,
    ...rows.map(([name, figure]) => `| ${(name as string).padEnd(width)} | ${figure} |`),
    '',
    `backlog: seed ${seed}, ${hours} h of ${machines} machines: present in ${seconds(presentMs)}, ` +
      `states in ${seconds(statesMs)}, all in ${seconds(drainedMs)} (${timesRealTime.toFixed(0)} × real time), ` +
      `${wrong} differences${failed}`,
    '',
  ].join('\n')
}

const total = (faults: object): number => Object.values(faults).reduce((sum: number, count: number) => sum + count, 0)
const seconds = (ms: number): string => (Number.isFinite(ms) ? `${(ms / 1_000).toFixed(1)} s` : 'never')
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  say(error instanceof NakamaError ? `${error.code}: ${error.message}` : messageOf(error))
  process.stdout.write('backlog: failed\n')
  process.exitCode = 2
}
