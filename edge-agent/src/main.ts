import { runService } from '@nakama/service'
import { startAgent } from './agent.ts'
import { AgentConfig } from './config.ts'
import { checkAgentConfig } from './config-sense.ts'

await runService({ room: 'edge-agent', schema: AgentConfig, sense: checkAgentConfig, start: startAgent })
