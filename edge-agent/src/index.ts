export { startAgent } from './agent.ts'
export { AgentConfig } from './config.ts'
export { checkAgentConfig } from './config-sense.ts'
export { type JournalOptions, openJournal } from './journal/journal.ts'
