import { NakamaError } from '@nakama/contract'
import { runService } from '@nakama/service'
import { startAgent } from './agent.ts'
import { explainCommand } from './commands/explain.ts'
import { AgentConfig } from './config.ts'
import { checkAgentConfig } from './config-sense.ts'

if (process.argv.includes('--explain')) {
  try {
    process.stdout.write(`${await explainCommand(process.argv.slice(2))}\n`)
  } catch (error) {
    if (!(error instanceof NakamaError)) throw error
    process.stderr.write(`${error.code}: ${error.message}\n`)
    process.exitCode = 2
  }
} else {
  await runService({ room: 'edge-agent', schema: AgentConfig, sense: checkAgentConfig, start: startAgent })
}
