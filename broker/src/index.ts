export { startBroker } from './broker.ts'
export { BrokerConfig, brokerSense } from './config.ts'
export { hashPassword } from './passwords.ts'
