import { coerceLocalizedText, DataType, type UAObject } from 'node-opcua'
import { beforeAll, describe, expect, it } from 'vitest'
import type { AgentConfig, MachineConfig } from '../src/config.ts'
import { checkAgentConfig } from '../src/config-sense.ts'
import { resolveSettings } from '../src/settings.ts'
import type { Values } from '../src/sources/source.ts'
import { evaluate } from '../src/state/rules.ts'
import { addMachineTool, MACHINE_TOOL_NODESETS } from './opcua-machine-tool.ts'
import { startOpcuaServer } from './opcua-server.ts'
import { opcuaBench, QUICK, until } from './opcua-support.ts'

const { run, folder } = opcuaBench()

let server: Awaited<ReturnType<typeof startOpcuaServer>>
/** As 40501-1 has it since 1.02, on a control that speaks German. */
let modern: ReturnType<typeof addMachineTool>
/** As before: operation mode, program and two channels. */
let older: ReturnType<typeof addMachineTool>
beforeAll(async () => {
  server = await startOpcuaServer(await folder('server'), {}, { nodesets: MACHINE_TOOL_NODESETS })
  modern = addMachineTool(server.addressSpace, 'MC 1')
  older = addMachineTool(server.addressSpace, 'MC 2', { has: [] })
  for (const name of ['Channel 1', 'Channel 2']) addChannel(name)
  modern.set('Production/ActiveProgram/Name', DataType.String, 'O1234 SECRET')
  older.set('Production/ActiveProgram/Name', DataType.String, 'O1234 SECRET')
  return () => server.stop()
})

const addChannel = (name: string): void => {
  const index = server.addressSpace.getNamespaceIndex('http://opcfoundation.org/UA/MachineTool/')
  server.addressSpace
    .findObjectType('ChannelMonitoringType', index)
    ?.instantiate({ browseName: name, componentOf: older.find('Monitoring') as UAObject })
}

/** From what a person writes into a file to what is read and shown. */
const watch = async (machine: Partial<MachineConfig> & Pick<MachineConfig, 'presets'>, name?: string, pace = QUICK) => {
  const source = { type: 'opcua', endpoint: server.endpoint, publishMs: 100, pollMs: 200 } as const
  const config: AgentConfig = {
    ...{ shop: 'misaki', agent: 'pi-1', http: { host: '127.0.0.1', port: 0 }, dataDir: 'data' },
    broker: { url: 'mqtt://h', username: 'u', password: { file: 'p' } },
    machines: [
      {
        ...{ id: 'mc', kind: 'vertical-mc', name: '立形MC', ...machine },
        source: name === undefined ? source : { ...source, machine: name },
      },
    ],
  }
  expect(checkAgentConfig(config)).toEqual([])
  const [settings] = resolveSettings(config).machines
  if (settings?.source.type !== 'opcua') throw new Error('expected an OPC UA machine')
  const { rules } = settings
  const seen = await run({ mc: settings.source }, { pace })
  const shown = (values: Values | undefined) => {
    const evidence = values === undefined ? null : evaluate(rules, values)
    return evidence === null ? undefined : `${evidence.code}${evidence.done ? ' done' : ''}`
  }
  return {
    ...seen,
    latest: () => seen.latest('mc'),
    shows: (state: string | undefined) => until(() => expect(shown(seen.latest('mc'))).toBe(state)),
  }
}

const GERMAN: { readonly [state: string]: string } = { Executing: 'Ausführend', NotExecuting: 'Nicht ausführend' }
const setModern = (item: string, mode: string): void => {
  const at = 'MachineryBuildingBlocks/Machinery'
  modern.setState(`${at}ItemState`, { name: item, text: GERMAN[item] ?? item })
  modern.setState(`${at}OperationMode`, { name: mode })
}

describe('a machine tool with the states of Machinery', () => {
  it('is understood by both presets, whatever language its control speaks', async () => {
    setModern('Executing', 'Processing')
    modern.setState('Production/ActiveProgram/State', { name: 'Running' })
    const watched = await Promise.all([
      watch({ presets: ['machinery'] }, 'MC 1'),
      watch({ presets: ['machine-tools'] }, 'MC 1'),
    ])
    const show = (state: string | undefined) => Promise.all(watched.map(mc => mc.shows(state)))
    await show('RUNNING')
    for (const [item, mode, state] of [
      ['NotExecuting', 'Processing', 'PAUSED'],
      ['NotExecuting', 'Setup', 'SETUP'],
      ['Executing', 'Setup', 'SETUP'],
      ['OutOfService', 'Processing', 'ALARM'],
      ['NotExecuting', 'Maintenance', 'SETUP'],
      ['NotAvailable', 'None', 'OFF'],
      ['NotExecuting', 'None', 'IDLE'],
    ] as const) {
      setModern(item, mode)
      await show(state)
    }
    // A state that it has but does not tell is unknown, not none: the machine is not idle for that.
    modern.spoil('MachineryBuildingBlocks/MachineryOperationMode/CurrentState/Id')
    await show(undefined)
    for (const mc of watched) expect(JSON.stringify(mc.of('mc'))).not.toContain('SECRET')
  })
})

describe('a machine tool without the states of Machinery', () => {
  const set = (channels: readonly [number, number], operationMode: number, program: string): void => {
    older.set('Monitoring/Channel 1/ChannelState', DataType.Int32, channels[0])
    older.set('Monitoring/Channel 2/ChannelState', DataType.Int32, channels[1])
    for (const name of ['Channel 1', 'Channel 2']) older.set(`Monitoring/${name}/ChannelMode`, DataType.Int32, 0)
    older.set('Monitoring/MachineTool/OperationMode', DataType.Int32, operationMode)
    older.setState('Production/ActiveProgram/State', { name: program })
  }

  it('is understood by its channels, its program and its operation mode', async () => {
    set([2, 0], 1, 'Initializing')
    const mc = await watch({ presets: ['machine-tools'] }, 'MC 2')
    // The second channel works.
    await mc.shows('RUNNING')
    for (const [channels, mode, program, state] of [
      [[2, 1], 1, 'Interrupted', 'PAUSED'],
      [[0, 2], 0, 'Running', 'SETUP'],
      [[2, 2], 2, 'Ended', 'SETUP'],
      [[2, 2], 1, 'Ended', 'IDLE done'],
      [[2, 2], 1, 'Aborted', 'IDLE'],
    ] as const) {
      set(channels, mode, program)
      await mc.shows(state)
    }
    expect(mc.latest()).toMatchObject({ itemState: '(not there)', itemMode: '(not there)', channelState: 2 })
    expect(JSON.stringify(mc.of('mc'))).not.toContain('SECRET')
  })
})

describe('the machine that is meant', () => {
  it('is the one that is named, or the only one, and otherwise the names are said', async () => {
    const mc = await watch({ presets: ['machinery'] })
    await until(() => expect(mc.lastFailure('mc')).toMatchObject({ kind: 'no-node' }))
    expect(mc.lastFailure('mc')?.message).toBe('machine: expected one of the folder Machines (MC 1, MC 2), got no name')
    expect(mc.of('mc')).toEqual([])
  })

  it('may be a node id by the URI of its namespace, and gives its own signals by path', async () => {
    older.set('Identification/SerialNumber', DataType.String, 'S-1')
    older.set('Identification/Manufacturer', DataType.LocalizedText, coerceLocalizedText('Maker'))
    const { value } = older.machine.nodeId
    const mc = await watch(
      {
        presets: ['machine-tools'],
        signals: { maker: { path: 'Identification/Manufacturer' } },
        rules: { warmUp: [{ signal: 'maker', is: 'Maker' }] },
      },
      `nsu=urn:nakama:test:vendor;i=${value}`,
    )
    await until(() => expect(mc.latest()).toMatchObject({ maker: 'Maker' }))
    await mc.shows('SETUP')
  })

  it('may come later than its server', async () => {
    const mc = await watch({ presets: ['machinery'] }, 'MC 3')
    await until(() => expect(mc.lastFailure('mc')?.message).toMatch(/expected one of .*MC 2\), got MC 3/))
    const third = addMachineTool(server.addressSpace, 'MC 3')
    third.setState('MachineryBuildingBlocks/MachineryItemState', { name: 'Executing' })
    third.setState('MachineryBuildingBlocks/MachineryOperationMode', { name: 'Processing' })
    await mc.shows('RUNNING')
  })

  it('is not idle because what would say otherwise comes a little later than the rest', async () => {
    const slow = addMachineTool(server.addressSpace, 'MC 4', { has: ['item'] })
    slow.setState('MachineryBuildingBlocks/MachineryItemState', { name: 'NotExecuting' })
    const absentAfterMs = 2_000
    const startedAt = performance.now()
    const mc = await watch({ presets: ['machinery'] }, 'MC 4', { ...QUICK, absentAfterMs })
    await until(() => expect(mc.latest()).toEqual({ itemState: 'NotExecuting', itemMode: null }))
    await mc.shows(undefined)
    // Only what stays away does not exist.
    await mc.shows('IDLE')
    expect(performance.now() - startedAt).toBeGreaterThan(absentAfterMs)
    // And it may come yet.
    slow.addOperationMode('Processing')
    await mc.shows('PAUSED')
  })
})
