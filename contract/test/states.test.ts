import { describe, expect, it } from 'vitest'
import { isKnown, KIND_CODES, MACHINE_KINDS, STATE_CODES, STATES } from '../src/index.ts'

describe('states and kinds', () => {
  it('have a Japanese and an English name each, none twice', () => {
    for (const names of [STATE_CODES.map(code => STATES[code]), KIND_CODES.map(code => MACHINE_KINDS[code])]) {
      for (const language of ['ja', 'en'] as const)
        expect(new Set(names.map(name => name[language])).size).toBe(names.length)
      for (const name of names) expect(name.ja && name.en).toBeTruthy()
    }
  })

  it('give every state a colour of its own', () => {
    expect(new Set(STATE_CODES.map(code => STATES[code].colour)).size).toBe(STATE_CODES.length)
  })

  it('call everything known but OFFLINE', () => {
    expect(STATE_CODES.filter(code => !isKnown(code))).toEqual(['OFFLINE'])
  })
})
