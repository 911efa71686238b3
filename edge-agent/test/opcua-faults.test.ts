import type { GapRecord, NakamaRecord } from '@nakama/contract'
import { DataType, StatusCodes } from 'node-opcua'
import { describe, expect, it } from 'vitest'
import { openMachines } from '../src/machines.ts'
import { DEFAULT_TIMING, type MachineSettings, type OpcuaMachine } from '../src/settings.ts'
import { opcuaSource } from '../src/sources/opcua/opcua.ts'
import { startOpcuaServer } from './opcua-server.ts'
import { opcuaBench, opcuaMachine, QUICK, until } from './opcua-support.ts'
import { freePort, recorder } from './support.ts'

const { folder, serve, cleanUp, run } = opcuaBench()

const NODES = {
  On: { dataType: DataType.Boolean, value: true },
  Load: { dataType: DataType.Double, value: 5 },
}
const { pollMs: _, ...durations } = DEFAULT_TIMING

/** A machine as the agent has it: from the wire to its records. */
const live = async (source: OpcuaMachine, pace = QUICK) => {
  const settings: MachineSettings = {
    ...{ id: 'mc', kind: 'vertical-mc', name: '立形MC', source, counter: undefined },
    rules: { running: [{ signal: 'On', is: true }], idle: [{ signal: 'On', is: false }] },
    timing: { ...durations, heartbeatMs: 300_000 },
    samples: [{ signal: 'Load', exceptions: undefined }],
  }
  const records: NakamaRecord[] = []
  const { context } = recorder()
  const machines = openMachines({
    ...{ machines: [settings], sharing: { level: 'named', telemetry: true }, now: Date.now, log: context.log },
    knownUntil: () => undefined,
    append: record => records.push(record),
    onStateChanged: () => {},
  })
  const aborter = new AbortController()
  const files = { pkiDir: await folder('client'), configFile: await folder('agent.yaml') }
  const stations = [{ id: 'mc', source }]
  const running = opcuaSource(stations, files, { ...context, sink: machines }, pace).run(aborter.signal)
  cleanUp(() => {
    aborter.abort()
    return running
  })
  const samples = () => records.flatMap(record => (record.type === 'samples' ? record.at : []))
  const gaps = () =>
    records.flatMap(record => (record.type === 'gap' && record.why !== 'journal-new' ? [record as GapRecord] : []))
  await until(() => expect(samples().length).toBeGreaterThan(0))
  return { records, samples, gaps, explanation: () => machines.explain()[0] }
}

/** One gap, that leaves out no reading, covers none, and says nothing about the state. */
const expectOneGap = ({ gaps, samples, records }: Awaited<ReturnType<typeof live>>): void => {
  expect(gaps()).toHaveLength(1)
  const [gap] = gaps() as [GapRecord]
  expect(gap).toMatchObject({ machine: 'mc', what: 'samples', why: 'source-outage' })
  expect(samples()).toContain(gap.from)
  expect(samples()).toContain(gap.to)
  expect(samples().filter(at => at > gap.from && at < gap.to)).toEqual([])
  expect(records.flatMap(record => (record.type === 'state' ? [record.code] : []))).not.toContain('OFFLINE')
}

describe('a gap is recorded', () => {
  it('when the server closes the session, and when it takes the subscription away', async () => {
    const server = await serve(NODES)
    for (const [harm, silenceMinMs] of [
      // Mended before three polls are missed and before the silence is noticed, and values may be missing all the same.
      [server.killSessions, 5_000],
      [server.dropSubscriptions, 900],
    ] as const) {
      const machine = opcuaMachine(server.endpoint, ['On', 'Load'], { pollMs: 1_000 })
      const mc = await live(machine, { ...QUICK, silenceMinMs })
      harm()
      await until(() => expect(mc.gaps()).toHaveLength(1))
      await until(() => expect(mc.samples().at(-1)).toBeGreaterThan(mc.gaps()[0]?.to as number))
      expectOneGap(mc)
    }
  })

  it('when the server starts anew, with its namespaces in another order and its nodes late', async () => {
    const port = await freePort()
    const first = await startOpcuaServer(await folder('server'), NODES, { port })
    const mc = await live(opcuaMachine(first.endpoint, ['On', 'Load']))
    await first.stop()
    const second = await serve({}, { port, namespaces: ['urn:another:first', 'urn:another:second'] })
    // It is there, and has nothing yet.
    await until(() => expect(mc.explanation()?.failing).toMatchObject({ kind: 'no-node' }))
    second.add({ Load: NODES.Load })
    second.add({ On: NODES.On })
    await until(() => expect(mc.gaps()).toHaveLength(1))
    await until(() => expect(mc.samples().at(-1)).toBeGreaterThan(mc.gaps()[0]?.to as number))
    expectOneGap(mc)
  })

  it('when the server had to throw values away', async () => {
    const server = await serve(NODES)
    const mc = await live(opcuaMachine(server.endpoint, ['On', 'Load']))
    server.set('Load', DataType.Double, 7, StatusCodes.GoodWithOverflowBit)
    await until(() => expect(mc.gaps()).toHaveLength(1))
    expect(mc.gaps()[0]).toMatchObject({ what: 'samples', why: 'source-overflow' })
    expect(mc.records).toContainEqual(expect.objectContaining({ type: 'samples', signals: { Load: [7] } }))
  })
})

it('no gap is recorded of a machine on which nothing changes, though its server has little to say', async () => {
  const server = await serve(NODES)
  const mc = await live(opcuaMachine(server.endpoint, ['On', 'Load'], { publishMs: 400, pollMs: 100 }))
  // Readings come by keep-alives only, and those are far more than three polls apart.
  await until(() => expect(mc.samples().length).toBeGreaterThan(3))
  const times = mc.samples()
  expect((times.at(-1) as number) - (times.at(-2) as number)).toBeGreaterThan(300)
  expect(mc.gaps()).toEqual([])
})

describe('a value', () => {
  it('that is bad or uncertain is none, while those beside it go on', async () => {
    const server = await serve(NODES)
    const { latest } = await run({ mc: opcuaMachine(server.endpoint, ['On', 'Load']) })
    await until(() => expect(latest('mc')).toEqual({ On: true, Load: 5 }))
    for (const status of [StatusCodes.UncertainLastUsableValue, StatusCodes.BadSensorFailure]) {
      server.set('Load', DataType.Double, 9, status)
      await until(() => expect(latest('mc')).toEqual({ On: true, Load: null }))
      server.set('Load', DataType.Double, 5)
      await until(() => expect(latest('mc')).toEqual({ On: true, Load: 5 }))
    }
  })

  it('is of no machine any more when all are bad, and the reason is said', async () => {
    const server = await serve(NODES)
    const { latest, of, lastFailure } = await run({ mc: opcuaMachine(server.endpoint, ['On', 'Load']) })
    await until(() => expect(latest('mc')).toEqual({ On: true, Load: 5 }))
    for (const [name, { dataType, value }] of Object.entries(NODES))
      server.set(name, dataType, value, StatusCodes.BadNoCommunication)
    await until(() =>
      expect(lastFailure('mc')).toEqual({ kind: 'exception', message: 'server says BadNoCommunication' }),
    )
    const before = of('mc').length
    server.set('On', DataType.Boolean, false)
    await until(() => expect(of('mc').length).toBeGreaterThan(before))
    expect(latest('mc')).toEqual({ On: false, Load: null })
  })
})

describe("a machine's own clock", () => {
  it('is not what records are stamped by, and is shown when it is wrong', async () => {
    const server = await serve(NODES)
    const mc = await live(opcuaMachine(server.endpoint, ['On', 'Load']))
    const hourMs = 3_600_000
    server.set('Load', DataType.Double, 8, StatusCodes.Good, new Date(Date.now() - 8 * hourMs))
    await until(() => expect(mc.explanation()?.clockAheadMs).toBeLessThan(-7.9 * hourMs))
    expect(mc.explanation()?.clockAheadMs).toBeGreaterThan(-8.1 * hourMs)
    for (const at of mc.samples()) expect(Math.abs(at - Date.now())).toBeLessThan(60_000)
    server.set('Load', DataType.Double, 9)
    await until(() => expect(mc.explanation()?.clockAheadMs).toBe(null))
  })

  it('is not believed to be wrong because a value is old', async () => {
    const server = await serve(NODES)
    server.set('Load', DataType.Double, 8, StatusCodes.Good, new Date(Date.now() - 8 * 3_600_000))
    const mc = await live(opcuaMachine(server.endpoint, ['On', 'Load']))
    const before = mc.samples().length
    await until(() => expect(mc.samples().length).toBeGreaterThan(before + 2))
    expect(mc.explanation()?.clockAheadMs).toBe(null)
  })
})
