import { NakamaError } from '@nakama/contract'
import { parseFleetArgs, USAGE } from './args.ts'
import { runFleet } from './run.ts'

// Standard output has the result; what happens in between is told on standard error.
const say = (line: string): void => void process.stderr.write(`${line}\n`)

const main = async (argv: readonly string[]): Promise<number> => {
  const args = parseFleetArgs(argv)
  if (args.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const { summary, complaints } = await runFleet(args, say)
  for (const complaint of complaints) process.stdout.write(`✗ ${complaint}\n`)
  process.stdout.write(`${summary}${complaints.length === 0 ? '' : `; FAILED, ${complaints.length} complaints`}\n`)
  return complaints.length === 0 ? 0 : 1
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof NakamaError)) throw error
  say(`${error.code}: ${error.message}`)
  process.exitCode = 2
}
