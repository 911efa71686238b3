import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { ACTIONS, readServed, readTruth, truthAt } from '../src/index.ts'
import { openReader } from './modbus-client.ts'
import { stateFromSignals } from './plain-rules.ts'
import { start } from './support.ts'

const NC = { protocol: 'modbus-tcp', port: 0, shop: 'ota-1', machine: 'nc-1', model: 'nc-lathe' } as const
const LATHE = { ...NC, machine: 'lathe-1', model: 'manual-lathe' } as const
const GRINDER = { ...NC, machine: 'grinder-1', model: 'cylindrical-grinder' } as const
const EDM = { ...NC, machine: 'edm-1', model: 'wire-edm' } as const

describe('a machine over Modbus TCP', () => {
  it('shows an independent client the state that its truth log names at that moment', async () => {
    const servers = [NC, LATHE, GRINDER, EDM]
    const simulators = await start(servers, { speed: 1 })
    const readers = await Promise.all(
      servers.map(async server => ({
        server,
        reader: await openReader(simulators.port(`modbus:ota-1/${server.machine}`), server.model),
      })),
    )
    const seen: { machine: string; before: number; after: number; state: string }[] = []
    for (const action of ACTIONS) {
      for (const { server, reader } of readers) {
        await simulators.post(`/machines/ota-1/${server.machine}/do`, { action })
        for (let i = 0; i < 5; i++) {
          const before = Date.now()
          const values = await reader.read()
          const { state } = stateFromSignals(server.model, values)
          seen.push({ machine: server.machine, before, after: Date.now(), state })
        }
      }
    }
    await simulators.service.stop()
    let compared = 0
    const states = new Set<string>()
    for (const { machine, before, after, state } of seen) {
      const lines = readTruth(simulators.truth(`ota-1-${machine}`))
      const during = lines.filter(({ at }) => at > before && at <= after + 2)
      // A reading of two areas, or a change while it was on its way, has no single true moment.
      if (during.length > 0) continue
      compared++
      states.add(state)
      expect({ machine, before, state }).toEqual({ machine, before, state: truthAt(lines, before)?.state })
    }
    expect(compared).toBeGreaterThan(100)
    expect([...states].toSorted()).toEqual(['ALARM', 'IDLE', 'OFF', 'PAUSED', 'RUNNING', 'SETUP'])
  })

  it('numbers every reading, ascending, also over a restart, and logs exactly the ticks that it gave', async () => {
    const first = await start([NC])
    const ticksOf = async (port: number, count: number): Promise<number[]> => {
      const { read } = await openReader(port, 'nc-lathe')
      const ticks: number[] = []
      while (ticks.length < count) ticks.push((await read()).tick as number)
      return ticks
    }
    const before = await ticksOf(first.port('modbus:ota-1/nc-1'), 50)
    await first.service.stop()
    const second = await start([NC], {}, first.folder)
    const after = await ticksOf(second.port('modbus:ota-1/nc-1'), 50)
    await second.service.stop()
    const all = [...before, ...after]
    expect(all).toEqual(all.toSorted((a, b) => a - b))
    expect(after[0]).toBeGreaterThanOrEqual(before.at(-1) as number)
    expect(readServed(first.served('ota-1-nc-1')).map(({ tick }) => tick)).toEqual(all)
    expect((all.at(-1) as number) - (Math.floor(Date.now() / 100) % 2 ** 32)).toBeLessThanOrEqual(0)
    expect(readTruth(first.truth('ota-1-nc-1')).filter(line => line.first)).toHaveLength(2)
  })

  it('answers half a tick, but does not call it served', async () => {
    const simulators = await start([NC])
    const { client } = await openReader(simulators.port('modbus:ota-1/nc-1'), 'nc-lathe')
    await client.readHoldingRegisters(6, 1)
    await client.readHoldingRegisters(7, 2)
    await client.readHoldingRegisters(6, 2)
    await simulators.service.stop()
    expect(readServed(simulators.served('ota-1-nc-1'))).toHaveLength(1)
  })

  it('refuses what it does not have: writing, other functions, addresses beyond its map, absurd quantities, other units', async () => {
    const simulators = await start([NC])
    const port = simulators.port('modbus:ota-1/nc-1')
    const { client } = await openReader(port, 'nc-lathe')
    await expect(client.writeRegister(0, 1)).rejects.toMatchObject({ modbusCode: 1 })
    await expect(client.writeCoil(0, true)).rejects.toMatchObject({ modbusCode: 1 })
    await expect(client.readHoldingRegisters(0, 10)).rejects.toMatchObject({ modbusCode: 2 })
    await expect(client.readHoldingRegisters(60_000, 1)).rejects.toMatchObject({ modbusCode: 2 })
    await expect(client.readCoils(0, 1)).rejects.toMatchObject({ modbusCode: 2 })
    await expect(client.readHoldingRegisters(0, 126)).rejects.toMatchObject({ modbusCode: 3 })
    await expect(client.readHoldingRegisters(0, 9)).resolves.toMatchObject({ data: { length: 9 } })
    const stranger = await openReader(port, 'nc-lathe', 2)
    await expect(stranger.read()).rejects.toMatchObject({ modbusCode: 11 })
  })

  it('answers requests that come in pieces or all at once, in order, and ends a connection that has lost the thread', async () => {
    const simulators = await start([NC])
    const socket = connect(simulators.port('modbus:ota-1/nc-1'), '127.0.0.1')
    const received: Buffer[] = []
    socket.on('data', chunk => received.push(chunk))
    const request = (id: number): number[] => [0, id, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]
    for (const byte of request(1)) socket.write(Buffer.from([byte]))
    socket.write(Buffer.from([...request(2), ...request(3)]))
    await vi.waitFor(() => expect(Buffer.concat(received)).toHaveLength(3 * 11))
    const answers = Buffer.concat(received)
    expect([answers[1], answers[12], answers[23]]).toEqual([1, 2, 3])
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await once(socket, 'close')
  })
})

describe("a Modbus machine's network", () => {
  it.each(['reset', 'refuse', 'hang'] as const)(
    'can be gone (%s), truthfully logged, and comes back on the same port',
    async mode => {
      const simulators = await start([NC, LATHE])
      const port = simulators.port('modbus:ota-1/nc-1')
      const before = await openReader(port, 'nc-lathe')
      await before.read()
      const path = '/machines/ota-1/nc-1'
      expect((await simulators.post(`${path}/unplug`, { mode })).body.machines).toMatchObject([{ reachable: false }])

      await expect(before.read()).rejects.toThrow()
      const fresh = async () => (await openReader(port, 'nc-lathe')).read()
      await expect(fresh()).rejects.toThrow(mode === 'refuse' ? /ECONNREFUSED|ECONNRESET/ : /.*/)
      // Its neighbour notices nothing.
      await (await openReader(simulators.port('modbus:ota-1/lathe-1'), 'manual-lathe')).read()

      expect((await simulators.post(`${path}/plug`)).body.machines).toMatchObject([{ reachable: true }])
      await vi.waitFor(fresh, { timeout: 3_000 })
      await simulators.service.stop()
      const reachable = readTruth(simulators.truth('ota-1-nc-1')).map(line => line.reachable)
      expect(reachable.filter((value, i) => value !== reachable[i - 1])).toEqual([true, false, true, false])
    },
  )

  it('comes back by itself when the outage was for a time', async () => {
    const simulators = await start([NC])
    await simulators.post('/machines/ota-1/nc-1/unplug', { mode: 'refuse', forMs: 300 })
    expect(await simulators.machines()).toMatchObject([{ reachable: false }])
    await vi.waitFor(async () => (await openReader(simulators.port('modbus:ota-1/nc-1'), 'nc-lathe')).read(), {
      timeout: 3_000,
    })
    await simulators.service.stop()
    const [down, up] = readTruth(simulators.truth('ota-1-nc-1')).filter(
      (line, i, all) => i > 0 && line.reachable !== all[i - 1]?.reachable,
    )
    expect((up?.at ?? 0) - (down?.at ?? 0)).toBe(300)
  })

  it('drops out by itself, by the seed', async () => {
    const faults = { fromMs: 0, perDay: 2_000 }
    const run = async () => {
      const simulators = await start([NC], { speed: 300, faults })
      await vi.waitFor(
        () =>
          expect(readTruth(simulators.truth('ota-1-nc-1')).filter(line => !line.reachable).length).toBeGreaterThan(3),
        { timeout: 5_000 },
      )
      await simulators.service.stop()
      return readTruth(simulators.truth('ota-1-nc-1'))
        .slice(0, 7)
        .map(({ at: _, ...line }) => line)
    }
    const [one, two] = [await run(), await run()]
    expect(one).toEqual(two)
  })
})
