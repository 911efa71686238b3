import { runService } from '@nakama/service'
import { startBroker } from './broker.ts'
import { BrokerConfig, brokerSense } from './config.ts'

await runService({ room: 'broker', schema: BrokerConfig, sense: brokerSense, start: startBroker })
