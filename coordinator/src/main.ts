import { runService } from '@nakama/service'
import { CoordinatorConfig, coordinatorSense } from './config.ts'
import { startCoordinator } from './coordinator.ts'

await runService({
  room: 'coordinator',
  schema: CoordinatorConfig,
  sense: coordinatorSense,
  start: startCoordinator,
})
