import { Type } from 'typebox'
import { HttpListen, runService, startHealthServer } from '../src/index.ts'

// A smallest service, run as a real process by run.test.ts.
await runService({
  room: 'fixture',
  schema: Type.Object({ http: HttpListen, healthy: Type.Boolean() }, { additionalProperties: false }),
  async start({ config, metrics, now }) {
    metrics.counter('readings', 'Readings taken').inc(3)
    metrics.gauge('clock_milliseconds', 'What time it is', now)
    const server = await startHealthServer(
      config.http,
      () => ({ ok: config.healthy, ready: true, details: { lastReadingAgeMs: 12 } }),
      metrics,
    )
    return { addresses: { http: server.url }, isWell: () => config.healthy, stop: server.stop }
  },
})
