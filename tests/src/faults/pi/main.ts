import { AgentConfig, checkAgentConfig, startAgent } from '@nakama/edge-agent'
import { runService } from '@nakama/service'
import { hostBeside } from './pi.ts'

// The agent as it is, on a Pi that can be switched off and on.
await runService({
  room: 'edge-agent',
  schema: AgentConfig,
  sense: checkAgentConfig,
  start: context => {
    const { synchronised } = context.config.clock ?? {}
    if (typeof synchronised !== 'object') throw new Error('clock.synchronised: expected a file')
    return startAgent(context, hostBeside(synchronised.file))
  },
})
