import { connect, createServer, type Socket } from 'node:net'
import { DataType } from 'node-opcua'
import { describe, expect, it } from 'vitest'
import { fromDataValue, resolveNode } from '../src/sources/opcua/values.ts'
import { startOpcuaServer } from './opcua-server.ts'
import { opcuaMachine as machine, opcuaBench, until } from './opcua-support.ts'
import { freePort } from './support.ts'

const { run, serve, folder, cleanUp } = opcuaBench()

const NODES = {
  Execution: { dataType: DataType.String, value: 'READY' },
  WarmUp: { dataType: DataType.Boolean, value: false },
  Tick: { dataType: DataType.UInt32, value: 1 },
  Load: { dataType: DataType.Float, value: 0.1 },
}

describe('values', () => {
  const value = (dataType: number, value: unknown, good = true) =>
    fromDataValue({ statusCode: { isGoodish: () => good }, value: { dataType, value } }, 1, 0)

  it('are booleans, numbers and short texts, and nothing else', () => {
    expect(value(1, true)).toBe(true)
    expect(value(11, 1.5)).toBe(1.5)
    expect(value(10, Math.fround(0.1))).toBe(0.1)
    expect(value(12, 'ACTIVE')).toBe('ACTIVE')
    expect(value(21, { text: 'ACTIVE', locale: 'en' })).toBe('ACTIVE')
    expect(value(8, [0xffff_ffff, 0xffff_fffe])).toBe(-2)
    expect(value(9, [1, 2])).toBe(4_294_967_298)
    expect(fromDataValue({ statusCode: { isGoodish: () => true }, value: { dataType: 11, value: 25 } }, 0.1, 1)).toBe(
      3.5,
    )
    for (const none of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY, [1, 2], { a: 1 }, 'x'.repeat(201)])
      expect(value(11, none)).toBe(null)
  })

  it('are null unless good', () => expect(value(11, 1.5, false)).toBe(null))

  it('are found by the URI of their namespace', () => {
    expect(resolveNode('nsu=urn:b;s=m.X', ['http://opcfoundation.org/UA/', 'urn:a', 'urn:b'])).toBe('ns=2;s=m.X')
    expect(resolveNode('nsu=urn:c;s=m.X', ['urn:b'])).toBe(undefined)
    expect(resolveNode('i=2258', [])).toBe('i=2258')
  })
})

describe('a server', () => {
  it('is read by subscription, several machines over one connection, whatever number its namespace has', async () => {
    const server = await serve(NODES, { namespaces: ['urn:somebody:else'] })
    const { of, latest, connects } = await run({
      one: machine(server.endpoint, ['Execution', 'Tick']),
      two: machine(server.endpoint, ['WarmUp', 'Load']),
    })
    await until(() => expect(latest('one')).toEqual({ Execution: 'READY', Tick: 1 }))
    await until(() => expect(latest('two')).toEqual({ WarmUp: false, Load: 0.1 }))
    server.set('Execution', DataType.String, 'ACTIVE')
    await until(() => expect(latest('one')).toEqual({ Execution: 'ACTIVE', Tick: 1 }))
    // Nothing changes any more, and the keep-alives still make readings, no more than one per poll.
    const before = of('two').length
    await until(() => expect(of('two').length).toBeGreaterThan(before + 4))
    const times = of('two').map(({ at }) => at)
    expect(((times.at(-1) as number) - (times[0] as number)) / (times.length - 1)).toBeGreaterThan(190)
    expect(connects).toHaveLength(1)
  })

  it('without one of the nodes gives null for it, and its value once it is there', async () => {
    const server = await serve({ Execution: NODES.Execution })
    const { latest } = await run({ one: machine(server.endpoint, ['Execution', 'Tick']) })
    await until(() => expect(latest('one')).toEqual({ Execution: 'READY', Tick: null }))
    server.add({ Tick: NODES.Tick })
    await until(() => expect(latest('one')).toEqual({ Execution: 'READY', Tick: 1 }))
  })

  it('without the namespace gives no reading, and readings once it is there', async () => {
    const server = await serve({})
    const { of, latest, failuresOf } = await run({ one: machine(server.endpoint, ['Execution']) })
    await until(() => expect(failuresOf('one').at(-1)).toMatchObject({ kind: 'no-node' }))
    expect(of('one')).toEqual([])
    server.add(NODES)
    await until(() => expect(latest('one')).toEqual({ Execution: 'READY' }))
  })

  it('is read when it comes, and when it comes back, and no old value outlives it', async () => {
    const port = await freePort()
    const { of, latest, failuresOf } = await run({
      one: machine(`opc.tcp://127.0.0.1:${port}/UA/Test`, ['Execution', 'Tick']),
    })
    await until(() => expect(failuresOf('one').at(-1)).toMatchObject({ kind: 'connect' }))
    const first = await startOpcuaServer(await folder('server'), NODES, { port })
    await until(() => expect(latest('one')).toEqual({ Execution: 'READY', Tick: 1 }))
    await first.stop()
    const before = of('one').length
    const failed = failuresOf('one').length
    await until(() => expect(failuresOf('one').length).toBeGreaterThan(failed))
    // It comes back without one of its nodes: the value of before must not stand in for it.
    await serve({ Execution: { dataType: DataType.String, value: 'ACTIVE' } }, { port })
    await until(() => expect(of('one').length).toBeGreaterThan(before))
    for (const { values } of of('one').slice(before + 1)) expect(values).toEqual({ Execution: 'ACTIVE', Tick: null })
    await until(() => expect(latest('one')).toEqual({ Execution: 'ACTIVE', Tick: null }))
  })

  it('that hangs is left, and the machine is not read meanwhile', async () => {
    const server = await serve(NODES)
    const tap = await startTap(server.port)
    cleanUp(tap.stop)
    const { of, latest, failuresOf } = await run({
      one: machine(`opc.tcp://127.0.0.1:${tap.port}/UA/Test`, ['Execution']),
    })
    await until(() => expect(latest('one')).toEqual({ Execution: 'READY' }))
    tap.close()
    await until(() => expect(failuresOf('one').at(-1)).toMatchObject({ kind: 'silent' }))
    const during = of('one').length
    tap.open()
    await until(() => expect(of('one').length).toBeGreaterThan(during + 2))
  })

  it('can be left in the middle of everything, quickly', async () => {
    const { stop } = await run({ one: machine(`opc.tcp://127.0.0.1:${await freePort()}/UA/Test`, ['Execution']) })
    const before = performance.now()
    await stop()
    expect(performance.now() - before).toBeLessThan(3_000)
  })
})

/** Passes bytes between client and server, or lets them lie. */
const startTap = async (to: number) => {
  const pairs = new Set<readonly [Socket, Socket]>()
  let open = true
  const listener = createServer(client => {
    const server = connect(to, '127.0.0.1')
    pairs.add([client, server])
    for (const [from, into] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('data', bytes => {
        if (open) into.write(bytes)
      })
      from.on('error', () => {})
      from.on('close', () => into.destroy())
    }
  })
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as { port: number }
  return {
    port,
    close() {
      open = false
    },
    open() {
      open = true
    },
    stop: () =>
      new Promise<void>(resolve => {
        for (const [client, server] of pairs) {
          client.destroy()
          server.destroy()
        }
        listener.close(() => resolve())
      }),
  }
}
