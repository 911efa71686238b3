import { KIND_CODES, STATE_CODES } from '@nakama/contract'
import { expect, test } from 'vitest'
import { STATE_CHOICES } from '../src/web/model.ts'
import { hourName, kindName, named, stateName, WORDS } from '../src/web/words.ts'

const KEYS = Object.keys(WORDS.ja) as (keyof typeof WORDS.ja)[]

/** The words as they come out, with numbers and names put where there is room for them. */
const spoken = (lang: 'ja' | 'en', key: (typeof KEYS)[number]): string => {
  const word: unknown = WORDS[lang][key]
  return typeof word === 'function' ? String(word(...['12', '34', '56'].slice(0, word.length))) : String(word)
}

test('both languages say the same things, and leave nothing out that they are told', () => {
  expect(Object.keys(WORDS.en)).toEqual(KEYS)
  for (const key of KEYS) {
    const { length } = Object(WORDS.ja[key]) as { length: number }
    if (typeof WORDS.ja[key] !== 'function') continue
    expect(WORDS.en[key], key).toHaveLength(length)
    // What depends on a yes or no says it in words.
    if (key === 'waitingFor') continue
    for (const lang of ['ja', 'en'] as const)
      for (const told of ['12', '34', '56'].slice(0, length))
        expect(spoken(lang, key), `${lang} ${key}`).toContain(told)
  }
})

test('every word is there, in its own language', () => {
  for (const key of KEYS) {
    // English needs no counter word for machines.
    if (key !== 'machineUnit') expect(spoken('en', key), key).not.toBe('')
    if (key === 'otherLang') continue
    expect(spoken('ja', key), key).toMatch(/[\u3040-\u30ff\u4e00-\u9fff]/)
    expect(spoken('en', key), key).not.toMatch(/[\u3040-\u30ff\u4e00-\u9fff]/)
  }
})

test('what is asked of a shop is said by its name', () => {
  expect(WORDS.ja.waitingFor(true)).toContain(WORDS.ja.taking)
  expect(WORDS.ja.waitingFor(false)).toContain(WORDS.ja.resting)
  expect(WORDS.en.waitingFor(true)).not.toBe(WORDS.en.waitingFor(false))
})

test('every state and kind has a label of its own in both languages', () => {
  for (const lang of ['ja', 'en'] as const) {
    expect(new Set(STATE_CHOICES.map(state => stateName(state, lang))).size).toBe(STATE_CODES.length + 1)
    expect(new Set(KIND_CODES.map(kind => kindName(kind, lang))).size).toBe(KIND_CODES.length)
  }
})

test('an idle machine that nobody may have is not called free', () => {
  expect(stateName('IDLE', 'ja')).toContain('空き')
  expect(WORDS.ja.idleResting).not.toContain('空き')
  expect(WORDS.en.idleResting).not.toContain('free')
})

test('a name without a translation is shown as it is', () => {
  expect([named('大森', 'Omori', 'en'), named('大森', null, 'en'), named('大森', 'Omori', 'ja')]).toEqual([
    'Omori',
    '大森',
    '大森',
  ])
})

test('hours are named as people say them', () => {
  const at = Date.parse('2026-11-24T09:00:00+09:00')
  expect([hourName(at, 'ja'), hourName(at, 'en')]).toEqual(['9時', '09:00'])
})
