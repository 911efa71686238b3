import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { agentName, portOf } from '@nakama/demo'
import { expect, it } from 'vitest'
import { findBrowser, openBrowser } from '../src/browser.ts'
import { runPath, untilAllHeard } from '../src/running-path.ts'
import { startTcpProxy } from '../src/tcp-proxy.ts'
import { until } from '../src/until.ts'

const browserFile = findBrowser()
if (browserFile === undefined) {
  process.stdout.write(
    'board: no browser found, so its tests are left out (Debian: apt-get install chromium fonts-noto-cjk)\n',
  )
}

interface Timeline {
  readonly intervals: readonly {
    readonly from: string
    readonly to: string
    readonly state: string
    readonly provisional: boolean
  }[]
}

// Left out, and said so, only where there is no browser; CI requires one.
it.runIf(browserFile !== undefined)(
  'the board lives: states, a shop cut off, the switch',
  { timeout: 240_000 },
  async () => {
    // Where the broker listens is known once it does.
    const broker = { host: '127.0.0.1', port: 0 }
    const cable = await startTcpProxy(broker)
    await using cleanup = new AsyncDisposableStack()
    cleanup.defer(() => cable.stop())
    const running = cleanup.use(
      await runPath({
        times: { timing: { idleAfterMs: 3_000 } },
        simulation: { faults: { perDay: 0 } },
        brokerUrlFor: (shop, url) => {
          broker.port = portOf(url)
          return shop === 'yunagi' ? `mqtt://127.0.0.1:${cable.port}` : url
        },
      }),
    )
    await untilAllHeard(running)
    const browser = cleanup.use(await openBrowser(browserFile as string, { width: 1366, height: 768 }))
    const { page } = browser
    await page.goto(running.path.url)
    const shows = (machine: string, attribute: string, value: string, withinMs = 20_000) =>
      page.locator(`[data-machine="${machine}"][data-${attribute}="${value}"]`).waitFor({ timeout: withinMs })

    // Nothing below may be explained by a page that was loaded again.
    await page.evaluate('globalThis.loadedOnce = true')

    // A machine that is set to work is seen at work.
    await running.control('misaki/lathe-1', 'do', { action: 'idle' })
    await shows('misaki/lathe-1', 'state', 'IDLE')
    await shows('misaki/lathe-1', 'free', 'true')
    await running.control('misaki/lathe-1', 'do', { action: 'start-cycle' })
    await shows('misaki/lathe-1', 'state', 'RUNNING')

    // A shop without a network is OFFLINE, whatever happens there; what happened is there when it is back.
    await running.control('yunagi/lathe-1', 'do', { action: 'start-cycle' })
    await shows('yunagi/lathe-1', 'state', 'RUNNING')
    const cutAt = Date.now()
    cable.cut()
    for (const machine of ['lathe-1', 'lathe-2', 'mc-1', 'edm-1']) {
      await shows(`yunagi/${machine}`, 'state', 'OFFLINE', 60_000)
    }
    await running.control('yunagi/lathe-1', 'do', { action: 'alarm' })
    await until(
      'the Pi has seen the alarm',
      async () => {
        const { http } = running.path.addresses(agentName('yunagi'))
        const health = (await (await fetch(`${http}/healthz`)).json()) as { [name: string]: unknown }
        return health['machine.lathe-1.state'] === 'ALARM'
      },
      { withinMs: 15_000 },
    )
    await running.control('yunagi/lathe-1', 'do', { action: 'start-cycle' })
    cable.pass()
    await shows('yunagi/lathe-1', 'state', 'RUNNING', 60_000)
    const backAt = Date.now()
    const outage = await until(
      'the outage is filled in',
      async () => {
        const query = `from=${new Date(cutAt).toISOString()}&to=${new Date(backAt).toISOString()}`
        const { intervals } = await running.get<Timeline>(`/api/v1/machines/yunagi/lathe-1/timeline?${query}`)
        if (intervals.some(({ state }) => state === 'OFFLINE')) throw new Error(JSON.stringify(intervals))
        return intervals
      },
      { withinMs: 30_000 },
    )
    expect(outage.map(({ state }) => state)).toContain('ALARM')
    await page.locator('[data-machine="yunagi/lathe-1"]').click()
    await page.locator('[data-panel="yunagi/lathe-1"] [data-day] [data-state="ALARM"]').first().waitFor()
    await page.keyboard.press('Escape')

    // 受ける / 休む goes from the board to the Pi's disk and back.
    await shows('tsubakuro/mc-1', 'taking', 'true')
    await page.locator('[data-machine="tsubakuro/mc-1"]').click()
    const panel = page.locator('[data-panel="tsubakuro/mc-1"]')
    await panel.locator('[data-choice="false"]').click()
    await panel.locator('button.send').click()
    await shows('tsubakuro/mc-1', 'taking', 'false')
    await panel.locator('[data-taking-status="in-force"]').waitFor()
    await page.keyboard.press('Escape')
    for (const machine of ['mc-1', 'mc-2', 'five-axis-1']) await shows(`tsubakuro/${machine}`, 'taking', 'false')
    const kept = readFileSync(join(running.path.dataDir, agentName('tsubakuro'), 'taking.json'), 'utf8')
    expect(JSON.parse(kept)).toMatchObject({ value: false })

    // English is a click away, and back.
    await page.locator('button[data-lang="en"]').click()
    await until('the board is in English', async () => (await page.locator('html').getAttribute('lang')) === 'en')
    await page.locator('button[data-lang="ja"]').click()

    // Through all of this the server itself was well, and the board said nothing else.
    for (const alarm of ['[data-lost]', '[data-storing]']) expect(await page.locator(alarm).count(), alarm).toBe(0)
    expect(await page.evaluate('globalThis.loadedOnce')).toBe(true)
    expect(browser.complaints).toEqual([])
  },
)
