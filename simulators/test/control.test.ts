import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { type Action, readTruth } from '../src/index.ts'
import { start } from './support.ts'

const NC = { protocol: 'modbus-tcp', port: 0, shop: 'ota-1', machine: 'nc-1', model: 'nc-lathe' } as const
const PATH = '/machines/ota-1/nc-1'

describe('the control of machines', () => {
  it.each([
    ['start-cycle', 'RUNNING'],
    ['feed-hold', 'PAUSED'],
    ['optional-stop', 'PAUSED'],
    ['setup', 'SETUP'],
    ['warm-up', 'SETUP'],
    ['warning', 'SETUP'],
    ['finish', 'IDLE'],
    ['idle', 'IDLE'],
    ['alarm', 'ALARM'],
    ['emergency-stop', 'ALARM'],
    ['power-off', 'OFF'],
    ['power-on', 'IDLE'],
  ] as const)('makes a machine %s at once, and the truth log says so within 200 ms', async (action: Action, state) => {
    const simulators = await start([NC])
    const asked = Date.now()
    const { status, body } = await simulators.post(`${PATH}/do`, { action })
    expect({ status, state: body.machines?.[0]?.state }).toEqual({ status: 200, state })
    await vi.waitFor(() => expect(readTruth(simulators.truth('ota-1-nc-1')).at(-1)?.state).toBe(state), {
      timeout: 1_000,
      interval: 5,
    })
    expect(Date.now() - asked).toBeLessThan(400)
    expect(readTruth(simulators.truth('ota-1-nc-1')).at(-1)?.at).toBeLessThanOrEqual(Date.now())
  })

  it('gives the machine back to its own plan after the time asked for, exactly', async () => {
    const simulators = await start([NC])
    await simulators.post(`${PATH}/do`, { action: 'alarm', forMs: 250 })
    await vi.waitFor(async () => expect((await simulators.machines())[0]?.activity).not.toBe('alarm'))
    await simulators.service.stop()
    const lines = readTruth(simulators.truth('ota-1-nc-1'))
    const alarm = lines.findIndex(({ activity }) => activity === 'alarm')
    expect((lines[alarm + 1]?.at ?? 0) - (lines[alarm]?.at ?? 0)).toBe(250)
  })

  it('holds a machine for as long as nobody says otherwise, however fast time runs', async () => {
    const simulators = await start([NC], { speed: 300 })
    await simulators.post(`${PATH}/do`, { action: 'feed-hold' })
    const from = Date.now()
    // Two simulated minutes.
    await vi.waitFor(() => expect(Date.now() - from).toBeGreaterThan(400), { timeout: 3_000 })
    expect(await simulators.machines()).toMatchObject([{ activity: 'feed-hold' }])
    await simulators.post(`${PATH}/do`, { action: 'auto' })
    expect((await simulators.machines())[0]?.activity).not.toBe('feed-hold')
  })

  it('counts the part that is finished by hand', async () => {
    const simulators = await start([NC])
    await simulators.post(`${PATH}/do`, { action: 'start-cycle' })
    const parts = (await simulators.machines())[0]?.parts ?? Number.NaN
    expect((await simulators.post(`${PATH}/do`, { action: 'finish' })).body.machines).toMatchObject([
      { parts: parts + 1 },
    ])
    expect((await simulators.post(`${PATH}/do`, { action: 'finish' })).body.machines).toMatchObject([
      { parts: parts + 1 },
    ])
  })

  it('answers nonsense with one clear error, and nothing else happens', async () => {
    const simulators = await start([NC])
    const before = readFileSync(simulators.truth('ota-1-nc-1'), 'utf8')
    const bad = async (path: string, body?: object | string) => {
      const { status, body: answer } = await simulators.post(path, body)
      return [status, answer.error]
    }
    expect(await bad(`${PATH}/do`, { action: 'explode' })).toEqual([
      400,
      expect.stringMatching(/^action: expected one of "start-cycle".*got "explode"/),
    ])
    expect(await bad(`${PATH}/do`, {})).toEqual([400, 'action: expected a value, got nothing'])
    expect(await bad(`${PATH}/do`, { action: 'alarm', forMs: -1 })).toEqual([
      400,
      expect.stringMatching(/^forMs: expected/),
    ])
    expect(await bad(`${PATH}/do`, '{')).toEqual([400, expect.stringContaining('JSON')])
    expect(await bad(`${PATH}/do`, ' '.repeat(5_000))).toEqual([413, expect.stringContaining('4096 bytes')])
    expect(await bad(`${PATH}/unplug`, { mode: 'burn' })).toEqual([
      400,
      expect.stringMatching(/^mode: expected one of/),
    ])
    expect((await bad('/machines/ota-1/nc-2/do', { action: 'alarm' }))[0]).toBe(404)
    expect((await bad(`${PATH}/toString`, {}))[0]).toBe(404)
    expect((await bad('/servers/modbus:ota-1/nc-9/unplug'))[0]).toBe(404)
    expect((await bad('/machines/%E0%A4%A/x/do'))[0]).toBe(404)
    expect((await bad('/machines'))[0]).toBe(405)
    expect((await fetch(`${simulators.address('http')}${PATH}/do`)).status).toBe(405)
    await simulators.service.stop()
    expect(readFileSync(simulators.truth('ota-1-nc-1'), 'utf8').startsWith(before)).toBe(true)
    expect(readTruth(simulators.truth('ota-1-nc-1')).some(({ state }) => state === 'ALARM')).toBe(false)
  })

  it('unplugs the one port of a machine by its server name too, slash or no slash', async () => {
    const simulators = await start([NC])
    for (const name of ['modbus:ota-1/nc-1', encodeURIComponent('modbus:ota-1/nc-1')]) {
      expect((await simulators.post(`/servers/${name}/unplug`)).body.machines).toMatchObject([{ reachable: false }])
      expect((await simulators.post(`/servers/${name}/plug`)).body.machines).toMatchObject([{ reachable: true }])
    }
  })
})
