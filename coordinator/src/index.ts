export type {
  CapacityAnswer,
  ErrorAnswer,
  Feed,
  MachinesAnswer,
  MachineView,
  ShopTakingView,
  StreamEvents,
  TimelineAnswer,
} from './api/schemas.ts'
export { CoordinatorConfig, coordinatorSense } from './config.ts'
export { startCoordinator } from './coordinator.ts'
export { Register, RegisteredMachine, RegisteredShop, registerSense } from './register.ts'
