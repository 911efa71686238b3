import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { createMetrics, loadConfig } from '@nakama/service'
import { describe, expect, it, vi } from 'vitest'
import { startAgent } from '../src/agent.ts'
import { AgentConfig } from '../src/config.ts'
import { checkAgentConfig } from '../src/config-sense.ts'
import { boardSerialIn } from '../src/host.ts'
import { AGENT, configText } from './agent-support.ts'
import { startModbusServer } from './support.ts'
import { SILENT, startTestBroker, startTestIngest, statusesOf } from './uplink-support.ts'

type Later = (cleanup: () => Promise<void>) => void

const ORIGINAL = '100000004db34690'
const OTHER = '10000000b83c3c1b'
const until = (what: () => void | Promise<void>): Promise<void> => vi.waitFor(what, { timeout: 10_000, interval: 20 })

const startPath = async (later: Later) => {
  let ticks = 0
  const server = await startModbusServer({
    bits: () => true,
    words: () => {
      ticks += 1
      return ticks
    },
  })
  later(server.stop)
  const broker = await startTestBroker()
  later(broker.stop)
  const ingest = startTestIngest({ port: broker.port, store: 'aaaaaaaaaaaaaaaa' })
  later(ingest.stop)
  const dir = await mkdtemp(join(tmpdir(), 'agent-board-'))
  later(() => rm(dir, { recursive: true, force: true }))
  await writeFile(join(dir, 'agent.yaml'), configText(server.port, broker.port))
  await writeFile(join(dir, 'password'), 'secret\n')

  /** One life of the agent, with the card of `of`, in a board of this serial number; 'as told': as the system tells it. */
  const start = async (boardSerial: string | undefined | 'as told', of = dir) => {
    const configFile = join(of, 'agent.yaml')
    const config = loadConfig(configFile, AgentConfig, checkAgentConfig)
    const metrics = createMetrics('edge-agent')
    const agent = await startAgent(
      { config, configFile, log: SILENT, metrics, now: Date.now, random: Math.random },
      boardSerial === 'as told'
        ? undefined
        : { boot: 'aaaaaaaaaaaa', sinceBootMs: () => performance.now(), boardSerial },
    )
    later(agent.stop)
    const url = agent.addresses.http as string
    return {
      stop: agent.stop,
      url,
      page: async () => (await fetch(`${url}/board`)).text(),
      token: async () => /name="token" value="([0-9a-f]{32})"/.exec(await (await fetch(`${url}/board`)).text())?.[1],
      health: async () => {
        const response = await fetch(`${url}/healthz`)
        return { status: response.status, ...((await response.json()) as { [name: string]: unknown }) }
      },
      metric: async (name: string) => {
        const line = (await metrics.text()).split('\n').find(each => each.startsWith(`nakama_edge_agent_${name} `))
        return Number(line?.split(' ').at(-1))
      },
    }
  }
  const ticksStored = (): number[] =>
    ingest.records().flatMap(record => (record.type === 'samples' ? (record.signals.tick as number[]) : []))
  return { broker, ingest, dir, start, ticks: () => ticks, ticksStored }
}

type Path = Awaited<ReturnType<typeof startPath>>
type Agent = Awaited<ReturnType<Path['start']>>

/** A card that the agent of another board has worked on, with all that it read in the store. */
const workIn = async (path: Path, serial: string): Promise<void> => {
  const agent = await path.start(serial)
  await until(() => expect(path.ticksStored().length).toBeGreaterThan(3))
  await agent.stop()
  await until(() => expect(statusesOf(path.broker, AGENT).at(-1)?.online).toBe(false))
}

interface Answer {
  readonly status: number | undefined
  readonly location: string | undefined
  readonly body: string
}

/** A request as it is written here, whatever a browser would make of it. */
const ask = async (
  { url }: Agent,
  method: 'GET' | 'POST',
  headers: { readonly [name: string]: string },
  body = '',
): Promise<Answer> => {
  const sent = request(`${url}/board`, { method, headers }).end(body)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  const { statusCode: status, headers: said } = response
  return { status, location: said.location, body: await text(response) }
}

const post = (agent: Agent, body: string, headers: { readonly [name: string]: string } = {}): Promise<Answer> =>
  ask(agent, 'POST', { 'content-type': 'application/x-www-form-urlencoded', ...headers }, body)

describe.concurrent('a card in another board', () => {
  it('goes on reading and journaling, and no broker sees it, until somebody says that it was moved', async ({
    onTestFinished,
  }) => {
    const path = await startPath(onTestFinished)
    await workIn(path, ORIGINAL)
    const connects = path.broker.accepted()
    const said = path.broker.published.length
    const stored = path.ticksStored().length

    const agent = await path.start(OTHER)
    const before = path.ticks()
    await until(() => expect(path.ticks()).toBeGreaterThan(before + 20))
    expect(path.broker.accepted()).toBe(connects)
    expect(path.broker.published.length).toBe(said)
    expect(await agent.health()).toMatchObject({
      ...{ status: 503, ok: false, brokerConnected: false },
      ...{ boardMoved: true, boardSerial: OTHER, cardSerial: ORIGINAL, 'machine.lathe-1.state': 'RUNNING' },
    })
    expect((await fetch(`${agent.url}/readyz`)).status).toBe(200)
    expect(await agent.metric('board_moved')).toBe(1)

    // Everything again, after a restart in the same board: nothing was decided by it.
    await agent.stop()
    const again = await path.start(OTHER)
    const restarted = path.ticks()
    await until(() => expect(path.ticks()).toBeGreaterThan(restarted + 5))
    expect(path.broker.accepted()).toBe(connects)
    expect(await again.health()).toMatchObject({ boardMoved: true })

    const answer = await post(again, `token=${await again.token()}`)
    expect(answer).toMatchObject({ status: 303, location: '/board' })
    const wanted = path.ticks()
    await until(() => expect(path.ticksStored().at(-1)).toBeGreaterThanOrEqual(wanted))
    const ticks = path.ticksStored()
    expect(ticks).toEqual([...new Set(ticks)].toSorted((a, b) => a - b))
    // The one that was on its way at each of the two stops may be missing, and no other.
    expect((ticks.at(-1) as number) - ticks.length).toBeLessThanOrEqual(2)
    expect(ticks.length).toBeGreaterThan(stored + 25)
    expect(statusesOf(path.broker, AGENT).at(-1)).toMatchObject({ online: true })
    expect(await again.health()).toMatchObject({ status: 200, ok: true, boardMoved: false, cardSerial: OTHER })
    expect(await again.metric('board_moved')).toBe(0)

    // It was kept: the new board needs no further word, and the former one is now the other.
    await again.stop()
    const kept = await path.start(OTHER)
    await until(async () => expect(await kept.health()).toMatchObject({ boardMoved: false, brokerConnected: true }))
    await kept.stop()
    expect(await (await path.start(ORIGINAL)).health()).toMatchObject({ boardMoved: true, cardSerial: OTHER })
  })

  it('does not disturb the original that still runs, when it is a copy', async ({ onTestFinished }) => {
    const path = await startPath(onTestFinished)
    await workIn(path, ORIGINAL)
    const copyDir = `${path.dir}-copy`
    onTestFinished(() => rm(copyDir, { recursive: true, force: true }))
    await cp(path.dir, copyDir, { recursive: true })
    const original = await path.start(ORIGINAL)
    await until(async () => expect(await original.health()).toMatchObject({ brokerConnected: true }))
    const connects = path.broker.accepted()

    const copy = await path.start(OTHER, copyDir)
    const before = path.ticksStored().length
    await until(() => expect(path.ticksStored().length).toBeGreaterThan(before + 15))
    expect(path.broker.accepted()).toBe(connects)
    expect(await original.health()).toMatchObject({ brokerConnected: true, boardMoved: false })
    await copy.stop()
    expect(statusesOf(path.broker, AGENT).at(-1)?.online).toBe(true)
  })

  it('says so on its page in Japanese and English, with both boards and what to do about a copy', async ({
    onTestFinished,
  }) => {
    const path = await startPath(onTestFinished)
    await (await path.start(`<${ORIGINAL}>`)).stop()
    const agent = await path.start(OTHER)
    const page = await agent.page()
    for (const words of ['このカードはこの基板に移した', 'The card was moved to this board', OTHER]) {
      expect(page).toContain(words)
    }
    expect(page).toContain('新しいエージェント名')
    expect(page).toContain('Enrol this one anew')
    expect(page).toContain(`&lt;${ORIGINAL}&gt;`)
    expect(page).not.toContain(`<${ORIGINAL}`)
    await post(agent, `token=${await agent.token()}`)
    const after = await agent.page()
    expect(after).toContain('問題はありません')
    expect(after).not.toContain('<form')
  })

  it('takes no word from another site, without the token, or longer than a form', async ({ onTestFinished }) => {
    const path = await startPath(onTestFinished)
    await (await path.start(ORIGINAL)).stop()
    const agent = await path.start(OTHER)
    const connects = path.broker.accepted()
    const token = await agent.token()
    const good = `token=${token}`
    const { host, port } = new URL(agent.url)
    const forged: [string, number, string, { [name: string]: string }?][] = [
      ['no token', 403, 'token='],
      ['another token', 403, `token=${'0'.repeat(32)}`],
      ['letters that take two octets', 403, `token=${encodeURIComponent('é'.repeat(32))}`],
      ['another origin', 403, good, { origin: 'http://evil.example' }],
      ['no origin at all', 403, good, { origin: 'null' }],
      ['another port of this address', 403, good, { origin: `http://127.0.0.1:${Number(port) + 1}` }],
      ['a browser that says another site', 403, good, { 'sec-fetch-site': 'cross-site' }],
      ['a browser that says a neighbour', 403, good, { 'sec-fetch-site': 'same-site' }],
      ['a name that was made to point here', 421, good, { host: 'evil.example', origin: 'http://evil.example' }],
      ['another kind of body', 415, good, { 'content-type': 'text/plain' }],
      ['too much', 413, `${good}&more=${'x'.repeat(2_000)}`],
    ]
    for (const [what, status, body, headers] of forged) {
      const answer = await post(agent, body, headers)
      expect({ what, status: answer.status }).toEqual({ what, status })
      expect(answer.body).not.toContain(token)
    }
    expect(await agent.health()).toMatchObject({ boardMoved: true })
    expect(path.broker.accepted()).toBe(connects)
    // A name that points here is not told the token either.
    const rebound = await ask(agent, 'GET', { host: 'evil.example' })
    expect(rebound.status).toBe(421)
    expect(rebound.body).not.toContain(token)

    // As a browser sends the page's own form.
    const own = { origin: `http://${host}`, 'sec-fetch-site': 'same-origin' }
    expect((await post(agent, good, own)).status).toBe(303)
    expect(await agent.health()).toMatchObject({ boardMoved: false })
    expect((await post(agent, good, { host: hostname() })).status).toBe(303)
  })
})

describe.concurrent('a card that cannot be written to', () => {
  it('stays in another board, which is said, until it can', async ({ onTestFinished }) => {
    const path = await startPath(onTestFinished)
    await (await path.start(ORIGINAL)).stop()
    const agent = await path.start(OTHER)
    const connects = path.broker.accepted()
    const inTheWay = join(path.dir, 'data/journal/board.new')
    await mkdir(inTheWay)
    const good = `token=${await agent.token()}`
    const refused = await post(agent, good)
    expect(refused.status).toBe(503)
    expect(refused.body).toContain('カードに書き込めませんでした')
    expect(await agent.health()).toMatchObject({ boardMoved: true, cardSerial: ORIGINAL })
    expect(path.broker.accepted()).toBe(connects)
    await rmdir(inTheWay)
    const [first, second] = await Promise.all([post(agent, good), post(agent, good)])
    expect([first.status, second.status]).toEqual([303, 303])
    await until(async () => expect(await agent.health()).toMatchObject({ boardMoved: false, brokerConnected: true }))
  })
})

describe.concurrent('a board', () => {
  it('that tells no serial number is not compared, and neither is a card that knew one', async ({ onTestFinished }) => {
    const path = await startPath(onTestFinished)
    const without = await path.start(undefined)
    await until(async () => expect(await without.health()).toMatchObject({ brokerConnected: true }))
    expect(await without.health()).toMatchObject({ boardMoved: false, boardSerial: null, cardSerial: null })
    expect(await without.page()).toContain('基板は確認していません')
    await without.stop()
    await (await path.start(ORIGINAL)).stop()
    const later = await path.start(undefined)
    await until(async () => expect(await later.health()).toMatchObject({ brokerConnected: true, boardMoved: false }))
    expect(await later.health()).toMatchObject({ boardSerial: null, cardSerial: ORIGINAL })
    await later.stop()
    // What the card knew, it knows still.
    expect(await (await path.start(OTHER)).health()).toMatchObject({ boardMoved: true, cardSerial: ORIGINAL })
  })

  it('becomes that of a card whose own is damaged or missing', async ({ onTestFinished }) => {
    const path = await startPath(onTestFinished)
    await (await path.start(ORIGINAL)).stop()
    const file = join(path.dir, 'data/journal/board')
    const whole = await readFile(file)
    for (const damage of [Buffer.alloc(0), whole.subarray(0, 20), Buffer.from(`${whole}`.replace(/[0-9](?=")/, 'x'))]) {
      await writeFile(file, damage)
      const agent = await path.start(OTHER)
      expect(await agent.health()).toMatchObject({ boardMoved: false, cardSerial: OTHER })
      await agent.stop()
      expect(`${await readFile(file)}`).toContain(OTHER)
    }
    await rm(file)
    const agent = await path.start(ORIGINAL)
    expect(await agent.health()).toMatchObject({ boardMoved: false, cardSerial: ORIGINAL })
  })

  it('is known by the file that the configuration names, as a device tree writes it', async ({ onTestFinished }) => {
    const path = await startPath(onTestFinished)
    await writeFile(join(path.dir, 'serial'), `${ORIGINAL}\0`)
    const configFile = join(path.dir, 'agent.yaml')
    await writeFile(configFile, `${await readFile(configFile)}board: { serialFile: serial }\n`)
    const agent = await path.start('as told')
    expect(await agent.health()).toMatchObject({ boardSerial: ORIGINAL, cardSerial: ORIGINAL, boardMoved: false })
    await agent.stop()
    await writeFile(join(path.dir, 'serial'), `${OTHER}\0`)
    expect(await (await path.start('as told')).health()).toMatchObject({ boardSerial: OTHER, boardMoved: true })
  })
})

describe('the serial number of a board', () => {
  it.each([
    ['100000004db34690\0', '100000004db34690'],
    ['PF2ABC12\n', 'PF2ABC12'],
    ['0000000000000000\0', undefined],
    ['\0', undefined],
    ['To be filled by O.E.M.', undefined],
    ['x'.repeat(65), undefined],
  ])('is read from %j as %s', (content, serial) => {
    expect(boardSerialIn(content)).toBe(serial)
  })
})
