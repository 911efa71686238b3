import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const PUBLIC = join(import.meta.dirname, '../src/web/public')
const css = readFileSync(join(PUBLIC, 'board.css'), 'utf8')

/** Custom properties of the first `:root` after a mark in the style sheet. */
const palette = (mark: string): Map<string, string> => {
  const block = /:root\s*\{([^}]*)\}/.exec(css.slice(css.indexOf(mark)))?.[1] ?? ''
  return new Map([...block.matchAll(/--([a-z-]+):\s*(#[0-9a-f]{3,6});/g)].map(([, name, value]) => [name!, value!]))
}

const light = palette('*/')
const dark = new Map([...light, ...palette('prefers-color-scheme: dark')])

/** WCAG 2: relative luminance and contrast. */
const luminance = (hex: string): number => {
  const full = hex.length === 4 ? hex.replace(/[0-9a-f]/g, '$&$&') : hex
  const [r, g, b] = [1, 3, 5]
    .map(i => Number.parseInt(full.slice(i, i + 2), 16) / 255)
    .map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)) as [number, number, number]
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

const contrast = (a: string, b: string): number => {
  const [high, low] = [luminance(a), luminance(b)].toSorted((x, y) => y - x) as [number, number]
  return (high + 0.05) / (low + 0.05)
}

const TEXTS = [
  ['ink', 'paper'],
  ['ink', 'card'],
  ['ink', 'card-rest'],
  ['ink-soft', 'paper'],
  ['ink-soft', 'card'],
  ['ink-soft', 'card-rest'],
  ['free-ink', 'free'],
  ['press-ink', 'press'],
  ['top-ink', 'top'],
  ['top-ink', 'top-cell'],
  ['top-soft', 'top'],
  ['top-soft', 'top-cell'],
  ['top-free', 'top-cell'],
  ['wait-ink', 'wait'],
  ['lost-ink', 'lost'],
  ['bad', 'card'],
] as const

test.each(['light', 'dark'])('every text of the %s board stands out from its ground by 4.5', scheme => {
  const colours = scheme === 'light' ? light : dark
  for (const [text, ground] of TEXTS) {
    expect(contrast(colours.get(text)!, colours.get(ground)!), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5)
  }
})

test.each(['light', 'dark'])("names in the bar of a %s board's day stand out from their states by 4.5", scheme => {
  const colours = scheme === 'light' ? light : dark
  for (const [text, ground] of [
    ['#ffffff', 'running'],
    ['#ffffff', 'alarm'],
    ['#ffffff', 'off'],
    ['#14202e', 'paused'],
    ['#14202e', 'setup'],
    [colours.get('free-ink')!, 'idle'],
  ] as const) {
    expect(contrast(text, colours.get(ground)!), ground).toBeGreaterThanOrEqual(4.5)
  }
})

test('nothing is fetched from anywhere else', () => {
  for (const name of readdirSync(PUBLIC)) {
    const text = readFileSync(join(PUBLIC, name), 'utf8').replaceAll('http://www.w3.org/2000/svg', '')
    expect(text, name).not.toMatch(/https?:|url\(|@font-face/)
  }
})
