import { NakamaError } from '@nakama/contract'
import { parseBenchArgs, USAGE } from './args.ts'
import { benchEdge } from './edge.ts'
import { formatRows } from './row.ts'

try {
  const args = parseBenchArgs(process.argv.slice(2))
  if (args.help) process.stdout.write(USAGE)
  else {
    const rows = await benchEdge(args.seconds, line => process.stderr.write(`${line}\n`))
    process.stdout.write(`${formatRows(rows)}\n`)
    if (rows.some(({ isMet }) => !isMet)) process.exitCode = 1
  }
} catch (error) {
  if (!(error instanceof NakamaError)) throw error
  process.stderr.write(`${error.code}: ${error.message}\n${USAGE}`)
  process.exitCode = 2
}
