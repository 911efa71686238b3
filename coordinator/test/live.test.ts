import { STATE_CODES, type StateCode } from '@nakama/contract'
import { createMetrics } from '@nakama/service'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DesiredFile, openDesiredFile } from '../src/desired-file.ts'
import type { Feed, MachineView } from '../src/index.ts'
import { createLive, type LiveInput } from '../src/live.ts'
import { indexRegister } from '../src/register.ts'
import { REGISTER, silent, statusOffline, statusOnline, temporaryDir } from './helpers.ts'

const START = 1_800_000_000_000

const scene = (desired: DesiredFile) => {
  let now = START
  const told: { machines: readonly MachineView[]; feed: Feed | undefined }[] = []
  const metrics = createMetrics('coordinator')
  const register = indexRegister(REGISTER)
  const live = createLive({
    register,
    desired,
    publish: () => {},
    onChange: (machines, feed) => told.push({ machines, feed }),
    now: () => now,
    log: silent,
    metrics,
  })
  return {
    live,
    told,
    metrics,
    shop: (id: string) => register.shop(id) ?? expect.fail(`no shop ${id}`),
    now: () => now,
    jump(ms: number) {
      now += ms
    },
    pass(ms: number) {
      for (const end = now + ms; now < end; ) {
        now = Math.min(now + 1_000, end)
        live.apply({ type: 'tick' })
      }
    },
    say: (shop: string, agent: string, machines: { [id: string]: readonly [StateCode, number] }, more = {}) =>
      live.apply({
        ...{ type: 'status', shop, agent, retained: false },
        status: statusOnline(machines, { at: now, ...more }),
      }),
  }
}

const openScene = async () => scene(await openDesiredFile(await temporaryDir(), silent))

describe('what is true now', () => {
  it('is told once when it looks different, and not when only its hour of hearing moved', async () => {
    const { live, told, pass, say } = await openScene()
    live.apply({ type: 'feed', up: true })
    say('tanaka', 'pi', { 'lathe-1': ['IDLE', 1], constructor: ['OFF', 1] as const })
    pass(30_000)
    say('tanaka', 'pi', { 'lathe-1': ['IDLE', 1], constructor: ['OFF', 1] as const })
    live.apply({ type: 'observed', shares: new Map([['tanaka/lathe-1', 0.5]]) })
    expect(told.map(({ machines, feed }) => [machines.map(({ machine }) => machine), feed?.connected])).toEqual([
      [[], true],
      [['lathe-1', 'constructor'], undefined],
    ])
    expect(live.machine('tanaka', 'lathe-1')).toMatchObject({
      asOf: new Date(START + 30_000).toISOString(),
      observed: 0.5,
    })
  })

  it('of a machine comes from the agent to which the register gives it; another that claims it is refused and counted', async () => {
    const { live, say, metrics } = await openScene()
    live.apply({ type: 'feed', up: true })
    say('sato', 'pi-2', { 'lathe-1': ['IDLE', 1] })
    say('sato', 'pi-9', { 'lathe-1': ['IDLE', 1] })
    say('nobody', 'pi', { 'lathe-1': ['IDLE', 1] })
    expect(live.machine('sato', 'lathe-1')?.state).toBe('OFFLINE')
    say('sato', 'pi-1', { 'lathe-1': ['RUNNING', 1] })
    say('sato', 'pi-2', { 'lathe-1': ['IDLE', 1] })
    expect(live.machine('sato', 'lathe-1')?.state).toBe('RUNNING')
    const text = await metrics.text()
    expect(text).toContain('nakama_coordinator_statuses_ignored_total{reason="unregistered-machine"} 2')
    expect(text).toContain('nakama_coordinator_statuses_ignored_total{reason="unregistered-agent"} 2')
  })

  it('of 受ける and 休む changes by itself when the time of an answer, or of a request, has come', async () => {
    const { live, told, pass, say, shop } = await openScene()
    live.apply({ type: 'feed', up: true })
    say('tanaka', 'pi', { 'lathe-1': ['IDLE', 1] }, { taking: { value: false, until: START + 5_000, rev: 1 } })
    expect(live.machine('tanaka', 'lathe-1')).toMatchObject({ taking: false, free: false })
    pass(4_000)
    const before = told.length
    pass(1_000)
    expect(told).toHaveLength(before + 1)
    expect(live.machine('tanaka', 'lathe-1')).toMatchObject({ taking: true, takingUntil: null, free: true })

    await live.requestTaking(shop('tanaka'), false, START + 10_000)
    expect(live.machine('tanaka', 'lathe-1')?.takingRequest).toMatchObject({ status: 'waiting', rev: 2 })
    pass(5_000)
    expect(live.machine('tanaka', 'lathe-1')?.takingRequest).toBeNull()
    expect(told.at(-1)?.machines[0]?.takingRequest).toBeNull()
    const after = told.length
    pass(10_000)
    expect(told).toHaveLength(after)
  })

  it('includes that ingest is cut off', async () => {
    const { live, told, pass } = await openScene()
    live.apply({ type: 'feed', up: true })
    live.apply({ type: 'ingest', id: 'main', online: true })
    expect(told.at(-1)?.feed).toMatchObject({ connected: true, ingest: { connected: true } })
    live.apply({ type: 'ingest', id: 'main', online: false })
    pass(30_000)
    expect(told.at(-1)?.feed).toMatchObject({ connected: true, ingest: { connected: false } })
  })
})

describe('whatever happens', () => {
  const machineId = fc.constantFrom('lathe-1', 'mill-1')
  const agent = fc.constantFrom('pi-1', 'pi-2')
  type Happening =
    | { type: 'say'; agent: string; machine: string; code: StateCode; ageMs: number; retained: boolean }
    | { type: 'will'; agent: string }
    | { type: 'feed'; up: boolean }
    | { type: 'pass'; ms: number }
    | { type: 'stop'; ms: number }
  const happening: fc.Arbitrary<Happening> = fc.oneof(
    fc.record({
      type: fc.constant('say' as const),
      ...{ agent, machine: machineId, code: fc.constantFrom(...STATE_CODES) },
      ageMs: fc.constantFrom(0, 1_000, 80_000, 95_000),
      retained: fc.boolean(),
    }),
    fc.record({ type: fc.constant('will' as const), agent }),
    fc.record({ type: fc.constant('feed' as const), up: fc.boolean() }),
    fc.record({ type: fc.constant('pass' as const), ms: fc.constantFrom(1_000, 20_000, 50_000, 100_000) }),
    fc.record({ type: fc.constant('stop' as const), ms: fc.constantFrom(60_000, -60_000, 600_000) }),
  )
  const OWNER: { readonly [machine: string]: string } = { 'lathe-1': 'pi-1', 'mill-1': 'pi-2' }

  it('unknown is never idle, silence becomes OFFLINE, and a board that follows the changes shows what the API shows', async () => {
    const desired = await openDesiredFile(await temporaryDir(), silent)
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 40 }), happenings => {
        const { live, told, now, jump, pass } = scene(desired)
        const snapshot = live.machines()
        // The plain model: which code an agent last vouched for, and how long we have listened since without a word of it.
        const vouched = new Map<string, { code: StateCode; listenedMs: number }>()
        const newestAt = new Map<string, number>()
        let up = false
        const check = (): void => {
          for (const { shop, machine, state } of live.machines()) {
            if (state === 'OFFLINE') continue
            const word = shop === 'sato' ? vouched.get(machine) : undefined
            expect(word?.code).toBe(state)
            expect(word?.listenedMs).toBeLessThan(180_000)
          }
        }
        for (const what of happenings) {
          if (what.type === 'feed') {
            up = what.up
            live.apply(what)
          } else if (what.type === 'stop') {
            jump(what.ms)
            live.apply({ type: 'tick' })
          } else if (what.type === 'pass') {
            pass(what.ms)
            if (up) for (const word of vouched.values()) word.listenedMs += what.ms
          } else {
            const status =
              what.type === 'will'
                ? statusOffline()
                : statusOnline({ [what.machine]: [what.code, 1] }, { at: now() - what.ageMs })
            const input: LiveInput = {
              ...{ type: 'status', shop: 'sato', agent: what.agent, status },
              retained: what.type === 'say' && what.retained,
            }
            live.apply(input)
            if (what.type === 'will') continue
            const at = now() - what.ageMs
            const isOlder = what.retained && at <= (newestAt.get(what.agent) ?? Number.NEGATIVE_INFINITY)
            const isStale = what.retained && what.ageMs >= 90_000
            if (isOlder) continue
            newestAt.set(what.agent, at)
            if (!isStale && OWNER[what.machine] === what.agent) {
              vouched.set(what.machine, { code: what.code, listenedMs: 0 })
            }
          }
          check()
        }
        const look = ({ shop, machine, state, since, taking }: MachineView) => ({ shop, machine, state, since, taking })
        const shown = new Map(snapshot.map(view => [`${view.shop}/${view.machine}`, view]))
        for (const { machines } of told) for (const view of machines) shown.set(`${view.shop}/${view.machine}`, view)
        expect([...shown.values()].map(look)).toEqual(live.machines().map(look))
      }),
      { numRuns: 300 },
    )
  })
})
