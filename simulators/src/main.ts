import { runService } from '@nakama/service'
import { checkSimulatorsConfig, SimulatorsConfig } from './config.ts'
import { startSimulators } from './simulators.ts'

await runService({
  room: 'simulators',
  schema: SimulatorsConfig,
  sense: checkSimulatorsConfig,
  start: startSimulators,
})
