import { HttpListen, runService, startHealthServer } from '@nakama/service'
import { Type } from 'typebox'

// A smallest service, run as real processes by supervisor.test.ts.
await runService({
  room: 'fixture',
  schema: Type.Object({ http: HttpListen }, { additionalProperties: false }),
  async start({ config, metrics, now }) {
    const server = await startHealthServer(
      config.http,
      () => ({ ok: true, ready: true, details: { pid: process.pid, now: now() } }),
      metrics,
    )
    return { addresses: { http: server.url }, stop: server.stop }
  },
})
