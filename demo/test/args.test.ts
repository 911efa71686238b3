import { describe, expect, it } from 'vitest'
import { parseDemoArgs } from '../src/args.ts'

describe('arguments of the demo', () => {
  it('have defaults that suit a first look', () => {
    expect(parseDemoArgs([])).toEqual({
      forMs: undefined,
      httpPort: 8080,
      mqttPort: 0,
      data: undefined,
      seed: 1,
      speed: 1,
      faults: false,
      help: false,
    })
  })

  it.each([
    ['60s', 60_000],
    ['2m', 120_000],
    ['1h', 3_600_000],
  ])('take --for %s', (text, ms) => {
    expect(parseDemoArgs(['--for', text]).forMs).toBe(ms)
  })

  it.each([
    [['--for', '60'], '--for: expected a time up to 24h such as 60s, 5m or 1h, got "60"'],
    [['--for', '25h'], '--for: expected'],
    [['--for', '0s'], '--for: expected'],
    [['--http-port', '70000'], '--http-port: expected a whole number from 0 to 65535, got "70000"'],
    [['--seed', '-1'], '--seed'],
    [['--speed', '61'], '--speed: expected a whole number from 1 to 60, got "61"'],
    [['--sed', '1'], '--sed'],
    [['now'], 'now'],
  ])('that make no sense are refused by name: %j', (argv, message) => {
    expect(() => parseDemoArgs(argv)).toThrow(message)
  })
})
