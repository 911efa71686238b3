import { pino } from 'pino'
import { afterEach, expect, it, vi } from 'vitest'
import { modbusSource } from '../src/sources/modbus.ts'
import { goodAnswer, modbusMachine, startFakeServer, until } from './modbus-support.ts'
import { recorder } from './support.ts'

const driver = vi.hoisted(() => ({ loads: 0 }))
// The module of somebody else, on a system that it has no build for.
vi.mock('serialport', () => {
  driver.loads++
  throw new Error('No native build was found for platform=linux arch=riscv64')
})

const aborter = new AbortController()
afterEach(() => aborter.abort())

it('a serial driver that does not load is told once with what to do, and other machines go on; without a serial line it is not loaded', async () => {
  const server = await startFakeServer(goodAnswer)
  const lines: { code?: string; msg: string }[] = []
  const log = pino({ level: 'error' }, { write: (text: string) => void lines.push(JSON.parse(text)) })
  const seen = recorder()
  const context = { ...seen.context, log }
  const tcp = { id: 'tcp', source: modbusMachine({ port: server.port }) }
  const alone = new AbortController()
  const first = modbusSource([tcp], context).run(alone.signal)
  await until(() => expect(seen.of('tcp').length).toBeGreaterThan(2))
  expect(driver.loads).toBe(0)
  alone.abort()
  await first

  const read = seen.of('tcp').length
  const path = '/dev/serial/by-id/usb-adapter'
  const bus = { transport: 'serial', path, baudRate: 19_200, parity: 'even', stopBits: 1 } as const
  const serial = { id: 'serial', source: modbusMachine({ type: 'modbus-rtu', bus }) }
  const running = modbusSource([tcp, serial], context).run(aborter.signal)
  await until(() => expect(seen.of('tcp').length).toBeGreaterThan(read + 5))
  await until(() => expect(seen.failuresOf('serial').length).toBeGreaterThan(5))
  expect(seen.failuresOf('serial')[0]).toMatchObject({
    kind: 'connect',
    message: expect.stringMatching(/SERIAL_DRIVER_MISSING/),
  })
  expect(lines.map(({ code }) => code)).toEqual(['SERIAL_DRIVER_MISSING'])
  expect(lines[0]?.msg).toMatch('install the agent anew')
  aborter.abort()
  await running
  await server.stop()
})
