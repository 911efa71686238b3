import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/**
 * Where a browser is installed, or undefined. With `REQUIRE_BROWSER` set its absence is a failure, so that no check passes
 * by not having looked.
 */
export const findBrowser = (): string | undefined => {
  const found = [process.env.CHROMIUM, ...PLACES].find(file => file !== undefined && existsSync(file))
  if (found === undefined && process.env.REQUIRE_BROWSER !== undefined) {
    throw new Error(
      'a browser is required: install one (Debian: apt-get install chromium fonts-noto-cjk) or set CHROMIUM',
    )
  }
  return found
}

export interface Browser extends AsyncDisposable {
  readonly context: BrowserContext
  readonly page: Page
  /** What pages complained about: errors that nobody caught, and what they wrote to the console as an error. */
  readonly complaints: readonly string[]
}

/** A browser of its own, with an empty profile, in Japanese and in Tokyo, that asks nobody but the pages for anything. */
export const openBrowser = async (
  executablePath: string,
  viewport: { width: number; height: number },
): Promise<Browser> => {
  const profile = mkdtempSync(join(tmpdir(), 'nakama-browser-'))
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    viewport,
    locale: 'ja-JP',
    timezoneId: 'Asia/Tokyo',
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-domain-reliability'],
    ],
  })
  const page = context.pages()[0] ?? (await context.newPage())
  const complaints: string[] = []
  page.on('pageerror', error => complaints.push(error.message))
  page.on('console', message => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  return {
    ...{ context, page, complaints },
    async [Symbol.asyncDispose]() {
      await context.close()
      rmSync(profile, { recursive: true, force: true })
    },
  }
}
