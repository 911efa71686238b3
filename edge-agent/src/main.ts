import { NakamaError } from '@nakama/contract'
import { runService } from '@nakama/service'
import { startAgent } from './agent.ts'
import { explainCommand } from './commands/explain.ts'
import { trustCommand } from './commands/trust.ts'
import { AgentConfig } from './config.ts'
import { checkAgentConfig } from './config-sense.ts'

/** What a person can ask of an agent beside running it: `nakama-agent trust --config FILE`. */
const COMMANDS: { readonly [name: string]: (argv: readonly string[]) => Promise<string> } = {
  explain: explainCommand,
  trust: trustCommand,
}

const [first = '', ...rest] = process.argv.slice(2)
const command = process.argv.includes('--explain') ? explainCommand : COMMANDS[first]
if (command === undefined) {
  await runService({ room: 'edge-agent', schema: AgentConfig, sense: checkAgentConfig, start: startAgent })
} else {
  try {
    process.stdout.write(`${await command(command === COMMANDS[first] ? rest : process.argv.slice(2))}\n`)
  } catch (error) {
    if (!(error instanceof NakamaError)) throw error
    process.stderr.write(`${error.code}: ${error.message}\n`)
    process.exitCode = 2
  }
}
