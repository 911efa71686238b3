import { performance } from 'node:perf_hooks'
import { type RunningService, type ServiceContext, startHealthServer } from '@nakama/service'
import { type BrokerConfig, readCredentials } from './config.ts'
import { brokerHealth } from './health.ts'
import { openHub } from './hub.ts'
import { limitsOf } from './limits.ts'
import { openPasswordBook } from './passwords.ts'

/**
 * Starts the broker: MQTT 3.1.1 for those who have a credential, and health and metrics over HTTP. It keeps nobody's data.
 *
 * @returns a service with the addresses `mqtt` and `http`.
 * @throws NakamaError of `readCredentials`, `BROKER_HASH_MALFORMED`, `BROKER_CANNOT_LISTEN`.
 */
export const startBroker = async (context: ServiceContext<BrokerConfig>): Promise<RunningService> => {
  const { config, configFile, log, metrics } = context
  // Only ages and waiting times are measured here: they must not jump when somebody sets the clock.
  const now = (): number => performance.now()
  const passwords = openPasswordBook(readCredentials(config, configFile))
  const hub = await openHub({ listen: config.listen, limits: limitsOf(config.limits), passwords, log, metrics, now })
  const http = await startHealthServer(config.http, () => brokerHealth(hub.facts(), now()), metrics).catch(
    async error => {
      await hub.stop()
      throw error
    },
  )
  const { host } = config.listen
  return {
    addresses: { mqtt: `mqtt://${host.includes(':') ? `[${host}]` : host}:${hub.port}`, http: http.url },
    async stop() {
      await Promise.all([hub.stop(), http.stop()])
    },
  }
}
