import type { Health, Metrics } from '@nakama/service'
import type { App } from './app.ts'

export interface OperationsOptions {
  readonly health: () => Health
  readonly metrics: Metrics
}

/** What those who run it look at, and the API's description. */
export const operations = (app: App, { health, metrics }: OperationsOptions): void => {
  const hidden = { schema: { hide: true }, config: { rateLimit: false as const } }

  app.get('/healthz', hidden, async (_request, reply) => {
    const { ok, details } = health()
    return reply
      .code(ok ? 200 : 503)
      .header('cache-control', 'no-store')
      .send({ ok, ...details })
  })
  app.get('/readyz', hidden, async (_request, reply) => {
    const { ready } = health()
    return reply
      .code(ready ? 200 : 503)
      .header('cache-control', 'no-store')
      .send({ ready })
  })
  app.get('/metrics', hidden, async (_request, reply) =>
    reply
      .type(metrics.contentType)
      .header('cache-control', 'no-store')
      .send(await metrics.text()),
  )
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
}
