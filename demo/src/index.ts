export { type AgentTimes, portOf, storeFile } from './configs.ts'
export { type DemoShop, FLEET } from './fleet.ts'
export { agentName, DEMO_TIMES, type Path, type PathOptions, startPath, timesAt } from './path.ts'
export { type Supervisor, superviseProcesses } from './supervisor.ts'
