import { expect, it } from 'vitest'
import type { Connection } from '../src/sources/modbus/connection.ts'
import { openLink } from '../src/sources/modbus/link.ts'
import { PACE } from '../src/sources/modbus/unit-health.ts'

const REQUEST = { area: 'coil', address: 0, count: 1 } as const

/** A connection that was of use and has just ended. */
const ended = (): { readonly connection: Connection; end(): void } => {
  const over = Promise.withResolvers<Awaited<Connection['ended']>>()
  const end = (): void => over.resolve({ reason: { kind: 'connect', message: 'closed' }, hadAnswer: true })
  const ask: Connection['ask'] = async () => ({ ok: true, data: Uint8Array.of(1) })
  return { connection: { ask, drop: end, ended: over.promise }, end }
}

it('a question that waits for a new connection is let go when the agent stops in that very moment', async () => {
  const first = ended()
  const aborter = new AbortController()
  const link = openLink(
    async () => first.connection,
    PACE,
    Math.random,
    () => {},
  )
  const running = link.run(aborter.signal)
  await link.tried
  first.end()
  // The end of a connection is noticed a moment later, and the stop comes right behind it.
  await first.connection.ended
  await Promise.resolve()
  const asked = link.ask(1, REQUEST, 1_000)
  aborter.abort()
  expect(await asked).toMatchObject({ ok: false, line: true })
  await running
})
