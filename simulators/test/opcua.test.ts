import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  AttributeIds,
  type ClientSession,
  type DataValue,
  MessageSecurityMode,
  OPCUACertificateManager,
  OPCUAClient,
  SecurityPolicy,
  TimestampsToReturn,
} from 'node-opcua'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ACTIONS, MODELS, nodeOf, OPCUA_NAMESPACE, readServed, readTruth, truthAt } from '../src/index.ts'
import { stateFromSignals } from './plain-rules.ts'
import { onCleanup, type Simulators, start } from './support.ts'

const SERVER = {
  protocol: 'opcua',
  port: 0,
  shop: 'ota-1',
  machines: [
    { machine: 'mc-1', model: 'vertical-mc' },
    { machine: 'mc-2', model: 'five-axis-mc' },
  ],
} as const
const servers = [{ ...SERVER, machines: [...SERVER.machines] }]

// Making a key takes a second: all tests share one.
let keys: string
let certificates: OPCUACertificateManager

beforeAll(async () => {
  keys = mkdtempSync(join(tmpdir(), 'nakama-simulators-keys-'))
  certificates = new OPCUACertificateManager({
    rootFolder: join(keys, 'client'),
    automaticallyAcceptUnknownCertificate: true,
    disableFileWatchers: true,
  })
  await certificates.initialize()
})

afterAll(async () => {
  await certificates.dispose()
  rmSync(keys, { recursive: true })
})

const startShop = (more: Parameters<typeof start>[1] = {}): Promise<Simulators> =>
  start(servers, { pkiDir: join(keys, 'server'), ...more })

const openSession = async (endpoint: string, timeoutMs = 10_000): Promise<ClientSession> => {
  const client = OPCUAClient.create({
    clientCertificateManager: certificates,
    endpointMustExist: false,
    securityMode: MessageSecurityMode.None,
    securityPolicy: SecurityPolicy.None,
    transportTimeout: timeoutMs,
    defaultTransactionTimeout: timeoutMs,
    connectionStrategy: { initialDelay: 50, maxDelay: 50, maxRetry: 0 },
  })
  onCleanup(() => client.disconnect().catch(() => {}))
  await client.connect(endpoint)
  return client.createSession()
}

const readAll = async (session: ClientSession, machine: string) => {
  const array = await session.read({ nodeId: 'i=2255', attributeId: AttributeIds.Value })
  const namespace = (array.value.value as string[]).indexOf(OPCUA_NAMESPACE)
  const names = MODELS['vertical-mc'].signals.map(({ name }) => name)
  const answers = await session.read(
    names.map(name => ({
      nodeId: nodeOf('ota-1', machine, name).replace(`nsu=${OPCUA_NAMESPACE}`, `ns=${namespace}`),
      attributeId: AttributeIds.Value,
    })),
  )
  return Object.fromEntries(names.map((name, i) => [name, answers[i] as DataValue]))
}

/** The variables of a machine come from one reading, which may be 20 ms old: asks until it is younger than `since`. */
const readSince = (since: number, session: ClientSession, machine: string) =>
  vi.waitFor(
    async () => {
      const answers = await readAll(session, machine)
      for (const { sourceTimestamp } of Object.values(answers))
        expect(sourceTimestamp?.getTime()).toBeGreaterThan(since)
      return answers
    },
    { interval: 5 },
  )

const valuesOf = (answers: { [name: string]: DataValue }) =>
  Object.fromEntries(
    Object.entries(answers).map(([name, { value }]) => [name, value.value as string | number | boolean]),
  )

/** The ticks that a subscription hears, as they come. */
const subscribeToTick = async (session: ClientSession, machine: string): Promise<number[]> => {
  const array = await session.readNamespaceArray()
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 100,
    requestedLifetimeCount: 60,
    requestedMaxKeepAliveCount: 10,
    publishingEnabled: true,
  })
  const nodeId = nodeOf('ota-1', machine, 'tick').replace(
    `nsu=${OPCUA_NAMESPACE}`,
    `ns=${array.indexOf(OPCUA_NAMESPACE)}`,
  )
  const item = await subscription.monitor(
    { nodeId, attributeId: AttributeIds.Value },
    { samplingInterval: 100, queueSize: 1, discardOldest: true },
    TimestampsToReturn.Neither,
  )
  const heard: number[] = []
  item.on('changed', (value: DataValue) => heard.push(value.value.value as number))
  return heard
}

describe('machines over OPC UA', () => {
  it('show a client the state that their truth log names at that moment', async () => {
    const simulators = await startShop()
    const session = await openSession(simulators.address('opcua:ota-1'))
    const seen: { machine: string; before: number; after: number; state: string; done: boolean }[] = []
    for (const action of ACTIONS) {
      for (const machine of ['mc-1', 'mc-2']) {
        await simulators.post(`/machines/ota-1/${machine}/do`, { action })
        const before = Date.now()
        const shown = stateFromSignals('vertical-mc', valuesOf(await readSince(before, session, machine)))
        seen.push({ machine, before, after: Date.now(), ...shown })
      }
    }
    await session.close()
    await simulators.service.stop()
    let compared = 0
    for (const { machine, before, after, state, done } of seen) {
      const lines = readTruth(simulators.truth(`ota-1-${machine}`))
      if (lines.some(({ at }) => at > before && at <= after + 2)) continue
      compared++
      expect({ machine, before, state, done }).toMatchObject({
        state: truthAt(lines, before)?.state,
        done: truthAt(lines, before)?.done,
      })
    }
    expect(compared).toBeGreaterThan(20)
    expect(new Set(seen.map(({ state }) => state))).toEqual(
      new Set(['RUNNING', 'IDLE', 'PAUSED', 'SETUP', 'ALARM', 'OFF']),
    )
  })

  it('log every tick that a subscription was sent, and no other', async () => {
    const simulators = await startShop()
    const session = await openSession(simulators.address('opcua:ota-1'))
    const heard = await subscribeToTick(session, 'mc-1')
    await vi.waitFor(() => expect(heard.length).toBeGreaterThan(8), { timeout: 5_000 })
    // What is only sampled or asked for once is not sent by a subscription.
    await readAll(session, 'mc-2')
    await session.close()
    await simulators.service.stop()
    const served = readServed(simulators.served('ota-1-mc-1')).map(({ tick }) => tick)
    expect(existsSync(simulators.served('ota-1-mc-2'))).toBe(false)
    // The last may have been on its way.
    expect(served.slice(0, heard.length)).toEqual(heard)
    expect(served.length - heard.length).toBeLessThanOrEqual(1)
    expect(heard).toEqual([...new Set(heard)].toSorted((a, b) => a - b))
  })

  it('bear twenty sessions at once', async () => {
    const simulators = await startShop()
    const sessions: ClientSession[] = []
    for (let i = 0; i < 22; i++) sessions.push(await openSession(simulators.address('opcua:ota-1')))
    const answers = await Promise.all(sessions.map(session => readAll(session, 'mc-2')))
    for (const answer of answers) expect(answer.availability?.value.value).toBe('AVAILABLE')
  })

  it('can be unplugged one by one behind their server: no value is good, none is old', async () => {
    const simulators = await startShop()
    const session = await openSession(simulators.address('opcua:ota-1'))
    await simulators.post('/machines/ota-1/mc-1/unplug')
    const [gone, there] = [await readSince(Date.now(), session, 'mc-1'), await readAll(session, 'mc-2')]
    for (const { statusCode } of Object.values(gone)) expect(statusCode.name).toBe('BadNoCommunication')
    for (const { statusCode } of Object.values(there)) expect(statusCode.name).toBe('Good')
    await simulators.post('/machines/ota-1/mc-1/plug')
    await vi.waitFor(async () => expect((await readAll(session, 'mc-1')).tick?.statusCode.name).toBe('Good'))
    expect(await simulators.machines()).toMatchObject([{ reachable: true }, { reachable: true }])
  })

  it.each(['reset', 'refuse', 'hang'] as const)(
    'can be gone all together (%s), truthfully logged, and come back',
    async mode => {
      const simulators = await startShop()
      const endpoint = simulators.address('opcua:ota-1')
      const session = await openSession(endpoint, 1_500)
      const heard = await subscribeToTick(session, 'mc-1')
      await vi.waitFor(() => expect(heard.length).toBeGreaterThan(2))
      const { body } = await simulators.post('/servers/opcua:ota-1/unplug', { mode })
      expect(body.machines).toMatchObject([{ reachable: false }, { reachable: false }])
      const before = heard.length
      await expect(readAll(session, 'mc-1')).rejects.toThrow()
      // One may have been on its way.
      expect(heard.length - before).toBeLessThanOrEqual(1)
      await simulators.post('/servers/opcua:ota-1/plug')
      await vi.waitFor(async () => readAll(await openSession(endpoint), 'mc-1'), { timeout: 5_000 })
      await simulators.service.stop()
      for (const machine of ['mc-1', 'mc-2']) {
        const reachable = readTruth(simulators.truth(`ota-1-${machine}`)).map(line => line.reachable)
        expect(reachable.filter((value, i) => value !== reachable[i - 1])).toEqual([true, false, true, false])
      }
      const served = readServed(simulators.served('ota-1-mc-1')).map(({ tick }) => tick)
      expect(served.slice(0, heard.length)).toEqual(heard)
      expect(served.length - heard.length).toBeLessThanOrEqual(1)
    },
  )
})
