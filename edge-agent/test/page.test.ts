import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endOfDay } from '@nakama/contract'
import { createMetrics, startHealthServer } from '@nakama/service'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { MachineExplanation } from '../src/machines.ts'
import type { PageFacts } from '../src/page/facts.ts'
import { html } from '../src/page/html.ts'
import { pageRoutes } from '../src/page/routes.ts'
import { live } from '../src/page/status-page.ts'
import { openTaking } from '../src/uplink/taking.ts'
import { SILENT } from './uplink-support.ts'

const NOW = Date.UTC(2026, 10, 24, 5, 5, 9) // 14:05:09 in Tokyo
const MACHINE: MachineExplanation = {
  ...{ id: 'lathe-1', kind: 'nc-lathe', name: 'NC旋盤 1号機', readAt: NOW - 1_000, clockAheadMs: null, failing: null },
  ...{ code: 'RUNNING', since: NOW - 25 * 60_000, becomesAt: null, offlineAt: NOW + 29_000 },
  shows: { code: 'RUNNING', rule: 'running', condition: 'executing = true', uncertain: [] },
  signals: [{ name: 'executing', value: true, isHiddenText: false, decides: true }],
}
const FACTS: PageFacts = {
  ...{ shop: 'misaki', agent: 'pi-1', version: '1.2.3', at: NOW, isBoardMoved: false, clockSynchronised: true },
  broker: { connected: true, lastAckAt: NOW - 2_000 },
  journal: { bytes: 0, maxBytes: 2 ** 30, oldestAt: null },
  sharing: { level: 'availability', telemetry: false },
  taking: { value: true, until: null, rev: 0 },
  machines: [MACHINE],
}
const textOf = (change: Partial<PageFacts>): string =>
  live({ ...FACTS, ...change })
    .html.replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
const machineText = (change: Partial<MachineExplanation>): string => textOf({ machines: [{ ...MACHINE, ...change }] })

describe('the page of the Pi says', () => {
  it('of a machine its state, since when, and why', () => {
    expect(machineText({})).toMatch(/NC旋盤 1号機 .*運転中 Running .*13:40から 25分 for 25 min/)
    expect(machineText({})).toMatch(
      /「運転」の条件：executing = true rule running .*executing ON .*1秒前 last read 1 s ago/,
    )
  })

  it('when what the signals show becomes the state', () =>
    expect(
      machineText({
        becomesAt: NOW + 60_000,
        shows: { ...MACHINE.shows, code: 'IDLE', rule: 'idle', condition: 'power = true' },
      }),
    ).toContain('このまま続けば 14:06:09 に「待機（空き）」とします becomes Idle (free) at 14:06:09'))

  it('why there is no reading, and what no rule can decide', () => {
    const failing = { since: NOW - 60_000, kind: 'timeout', message: 'no answer in 1000 ms' } as const
    expect(machineText({ failing })).toMatch(/14:04から読み取れません：no answer in 1000 ms .*14:05:38まで続けば通信断/)
    const shows = { code: null, rule: null, condition: null, uncertain: ['alarm'] } as const
    expect(machineText({ shows })).toContain(
      '読めない信号があり「異常」かどうか分かりません undecided for lack of a value: alarm',
    )
    expect(machineText({ shows: { ...shows, uncertain: [] } })).toContain('どの条件にも当てはまりません')
    expect(machineText({ readAt: null, shows })).toContain('まだ一度も読み取れていません')
  })

  it('what is wrong with the link, the clock, the card, and how much waits', () => {
    expect(textOf({})).toMatch(/サーバー Server 接続中 .*未送信の記録 Waiting to be stored ありません .*合っています/)
    const broken = textOf({
      broker: { connected: false, lastAckAt: null },
      journal: { bytes: 5 * 2 ** 20, maxBytes: 2 ** 30, oldestAt: NOW - 3_600_000 },
      ...{ clockSynchronised: false, isBoardMoved: true },
    })
    expect(broken).toMatch(
      /別の基板のカード.*切断中.*まだありません.*5.0 MiB（13:05から） of 1024.0 MiB.*まだ合っていません/,
    )
  })

  it('only text where a machine is called after HTML', () => {
    const { html: written } = live({ ...FACTS, machines: [{ ...MACHINE, name: `<script>alert("1")</script>&'` }] })
    expect(written).not.toContain('<script>')
    expect(written).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;')
  })

  it('nothing for what is not there', () =>
    expect(html`a${false}b${null}c${[html`d`, html`<e>`]}`.html).toBe('abcd<e>'))
})

const startPages = async () => {
  const dir = await mkdtemp(join(tmpdir(), 'page-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const file = join(dir, 'taking.json')
  const taking = await openTaking({ file, now: () => NOW, log: SILENT })
  const server = await startHealthServer(
    { host: '127.0.0.1', port: 0 },
    () => ({ ok: true, ready: true, details: {} }),
    createMetrics('edge-agent'),
    pageRoutes({ facts: () => ({ ...FACTS, taking: taking.current }), taking, hosts: ['raspberrypi.local'] }),
  )
  onTestFinished(server.stop)
  return { url: server.url, taking, file }
}

/** Without any of the headers that `fetch` adds by itself. */
const ask = (url: string, method: string, headers: { readonly [name: string]: string }, body = '') =>
  new Promise<{ readonly status: number; readonly location: string | undefined; readonly text: string }>(
    (resolve, reject) => {
      const sent = request(url, { method, headers }, async response => {
        let text = ''
        for await (const chunk of response) text += chunk
        resolve({ status: response.statusCode ?? 0, location: response.headers.location, text })
      })
      sent.on('error', reject)
      sent.end(body)
    },
  )
const FORM = { 'content-type': 'application/x-www-form-urlencoded' } as const

describe('the switch of the shop', () => {
  it('is kept on disk, with its end, and leads back to the page', async () => {
    const { url, taking, file } = await startPages()
    const answer = await ask(`${url}/taking`, 'POST', FORM, 'value=false&until=day')
    expect(answer).toMatchObject({ status: 303, location: '/' })
    expect(taking.current).toEqual({ value: false, until: endOfDay(NOW), rev: 1 })
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ value: false, rev: 1 })
    expect((await ask(`${url}/`, 'GET', {})).text).toContain('仕事を休んでいます（11/25 00:00まで）')
    await ask(`${url}/taking`, 'POST', FORM, 'value=true')
    expect(taking.current).toEqual({ value: true, until: null, rev: 2 })
  })

  it.each([
    ['another site', { ...FORM, origin: 'http://evil.example' }, 'value=false', 403],
    ['a page that hides where it is', { ...FORM, origin: 'null' }, 'value=false', 403],
    ['a browser that says so', { ...FORM, 'sec-fetch-site': 'cross-site' }, 'value=false', 403],
    ['a name that is made to point here', { ...FORM, host: 'evil.example' }, 'value=false', 421],
    ['no value', FORM, 'until=day', 400],
    ['a value that is none', FORM, 'value=maybe', 400],
    ['an end that is none', FORM, 'value=true&until=constructor', 400],
    ['too much', FORM, `value=true&more=${'x'.repeat(2_000)}`, 400],
  ])('is not moved by %s', async (_, headers, body, status) => {
    const { url, taking } = await startPages()
    expect((await ask(`${url}/taking`, 'POST', headers, body)).status).toBe(status)
    expect(taking.current.rev).toBe(0)
  })

  it('is not moved by looking', async () => {
    const { url, taking } = await startPages()
    expect((await ask(`${url}/taking?value=false`, 'GET', {})).status).toBe(404)
    expect(taking.current.rev).toBe(0)
  })
})

it('tells strangers’ names nothing, and answers under the names that are its own', async () => {
  const { url } = await startPages()
  for (const path of ['/', '/live', '/status.json']) {
    const refused = await ask(url + path, 'GET', { host: 'evil.example' })
    expect([refused.status, refused.text]).toEqual([421, expect.not.stringContaining('misaki')])
    expect(await ask(url + path, 'GET', { host: 'raspberrypi.local:9100' })).toMatchObject({ status: 200 })
  }
  expect(JSON.parse((await ask(`${url}/status.json`, 'GET', {})).text)).toEqual(FACTS)
})
