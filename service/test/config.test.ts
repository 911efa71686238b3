import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NakamaError } from '@nakama/contract'
import { Type } from 'typebox'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BrokerAddress, loadConfig, readSecret } from '../src/index.ts'

const schema = Type.Object(
  {
    broker: BrokerAddress,
    machines: Type.Array(
      Type.Object({ id: Type.String(), port: Type.Integer({ maximum: 65_535 }) }, { additionalProperties: false }),
    ),
  },
  { additionalProperties: false },
)

const good = `
broker: { url: mqtt://127.0.0.1:1883, username: agent:a:b, password: { file: secret } }
machines: [{ id: lathe-1, port: 502 }]
`

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nakama-config-'))
  file = join(folder, 'agent.yaml')
})

afterEach(() => rmSync(folder, { recursive: true }))

const refusal = (text: string): NakamaError => {
  writeFileSync(file, text)
  try {
    loadConfig(file, schema, config =>
      config.machines.length > 1 ? [{ path: 'machines', expected: 'one', got: 'more' }] : [],
    )
  } catch (error) {
    if (error instanceof NakamaError) return error
    throw error
  }
  throw new Error('was not refused')
}

describe('a configuration', () => {
  it('comes out as written, and nothing in it can be changed afterwards', () => {
    writeFileSync(file, good)
    const config = loadConfig(file, schema)
    expect(config.machines[0]).toEqual({ id: 'lathe-1', port: 502 })
    expect(() => Object.assign(config.machines[0] as object, { port: 1 })).toThrow(TypeError)
  })

  it.each([
    [good.replace('502', '"502"'), 'machines.0.port: expected integer, got "502"'],
    [good.replace('502', '70000'), 'machines.0.port: expected <= 65535, got 70000'],
    [good.replace('port: 502', 'porto: 502'), 'machines.0.port: expected a value, got nothing'],
    [good.replace('port: 502', 'port: 502, baud: 9600'), 'machines.0.baud: expected no such setting, got 9600'],
    [good.replace('mqtt:', 'http:'), 'broker.url: expected'],
    [good.replace('{ file: secret }', 'hunter2'), 'broker.password'],
    [good.replace(']', ', { id: lathe-2, port: 1 }]'), 'machines: expected one, got more'],
  ])('with a mistake is refused with the place of the mistake (%#)', (text, line) => {
    const error = refusal(text)
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toContain(`${file}: ${line}`)
  })

  it('reports every mistake at once, a line each', () => {
    expect(refusal(good.replace('502', 'x').replace('lathe-1', '7')).message.split('\n')).toHaveLength(2)
  })

  it('that is not YAML is refused with line and column', () => {
    expect(refusal('broker: {')).toMatchObject({
      code: 'CONFIG_NOT_YAML',
      message: expect.stringMatching(/line 1, column/),
    })
  })

  it('whose aliases multiply is refused before it fills the memory', () => {
    const levels = ['a: &a [x, x, x, x, x, x, x, x, x, x]']
    for (const [before, name] of ['ab', 'bc', 'cd', 'de', 'ef'].map(pair => [...pair])) {
      levels.push(`${name}: &${name} [${Array(10).fill(`*${before}`).join(', ')}]`)
    }
    const problem = refusal(levels.join('\n'))
    expect(problem.code).toBe('CONFIG_NOT_YAML')
    expect(problem.message).toContain(file)
  })

  it('that is not there is refused by name', () => {
    expect(() => loadConfig(join(folder, 'none.yaml'), schema)).toThrow(/none\.yaml: cannot be read/)
  })
})

describe('a secret', () => {
  it('is read from a file beside the configuration, without its line end', () => {
    writeFileSync(join(folder, 'secret'), 'open sesame\n')
    expect(readSecret({ file: 'secret' }, file)).toBe('open sesame')
  })

  it('that is missing or empty stops the start, naming the place but no content', () => {
    writeFileSync(join(folder, 'empty'), '\n')
    expect(() => readSecret({ file: 'none' }, file)).toThrow(/none: cannot be read/)
    expect(() => readSecret({ file: 'empty' }, file)).toThrow(/got an empty file/)
    expect(() => readSecret({ env: 'NAKAMA_NO_SUCH_VARIABLE' }, file)).toThrow(/NAKAMA_NO_SUCH_VARIABLE/)
  })
})
