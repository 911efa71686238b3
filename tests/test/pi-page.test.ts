import { agentName } from '@nakama/demo'
import { expect, it } from 'vitest'
import { findBrowser, openBrowser } from '../src/browser.ts'
import { runPath, untilAllHeard } from '../src/running-path.ts'
import { until } from '../src/until.ts'

const browserFile = findBrowser()

// Left out only where there is no browser; CI requires one.
it.runIf(browserFile !== undefined)(
  'the page of the Pi lives: states and why, values, a machine unplugged, and the switch that reaches the board and comes back',
  { timeout: 180_000 },
  async () => {
    await using running = await runPath({ simulation: { faults: { perDay: 0 } } })
    await untilAllHeard(running)
    const url = running.path.addresses(agentName('misaki')).http as string
    await using browser = await openBrowser(browserFile as string, { width: 390, height: 844 })
    const { page } = browser
    const untilShown = (selector: string): Promise<void> => page.locator(selector).first().waitFor({ timeout: 30_000 })
    await page.goto(url)
    // Nothing below may be explained by a page that was loaded again.
    await page.evaluate('globalThis.loadedOnce = true')

    await running.control('misaki/lathe-1', 'do', { action: 'start-cycle' })
    await untilShown('[data-machine="lathe-1"][data-state="RUNNING"]')
    const lathe = page.locator('[data-machine="lathe-1"]')
    expect(await lathe.locator('.why').first().innerText()).toContain('「運転」の条件：executing = true')
    await lathe.locator('summary').click()
    const tick = lathe.locator('tr', { hasText: 'tick' }).locator('td')
    const before = await tick.innerText()
    // Open things stay open while what is in them goes on.
    await until('the values go on', async () => (await tick.innerText({ timeout: 5_000 })) !== before)

    await running.control('misaki/lathe-1', 'unplug')
    await untilShown('[data-machine="lathe-1"] .why:has-text("読み取れません")')
    await running.control('misaki/lathe-1', 'plug')

    const boardSays = async (): Promise<boolean | null | undefined> =>
      (await running.machines()).get('misaki/lathe-2')?.taking
    expect(await page.evaluate('globalThis.loadedOnce')).toBe(true)
    await page.locator('form summary').click()
    await page.locator('form button[value=false]').click()
    await untilShown('.taking[data-taking=false]')
    await until('the board says 休む', async () => (await boardSays()) === false)
    const answer = await fetch(`${running.path.url}/api/v1/shops/misaki/taking`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ value: true, until: null }),
    })
    expect(answer.ok).toBe(true)
    await untilShown('.taking[data-taking=true]')
    expect(await boardSays()).toBe(true)
    expect(browser.complaints).toEqual([])

    // Whoever holds the phone must not take old states for the present.
    running.path.kill(agentName('misaki'), 'SIGSTOP')
    await untilShown('#silent:not([hidden])')
    running.path.kill(agentName('misaki'), 'SIGCONT')
    await page.locator('#silent').waitFor({ state: 'hidden', timeout: 30_000 })
  },
)
