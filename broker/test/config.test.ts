import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '@nakama/service'
import { afterEach, describe, expect, it } from 'vitest'
import { readCredentials } from '../src/config.ts'
import { BrokerConfig, brokerSense, hashPassword } from '../src/index.ts'
import { temporaryFolder, tidyUp } from './support.ts'

afterEach(tidyUp)

const BASE = `
listen: { host: 127.0.0.1, port: 1883 }
http: { host: 127.0.0.1, port: 9001 }
`

const load = (yaml: string, files: { readonly [name: string]: string } = {}) => {
  const folder = temporaryFolder()
  const file = join(folder, 'broker.yaml')
  writeFileSync(file, yaml)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const config = loadConfig(file, BrokerConfig, brokerSense)
  return { config, credentials: readCredentials(config, file) }
}

describe('a configuration', () => {
  it('names who may connect, with secrets in files, in the environment or hashed', async () => {
    const hash = await hashPassword('three')
    process.env.NAKAMA_TEST_SECRET = 'two'
    const { credentials } = load(
      `${BASE}
credentials:
  - { username: 'agent:kamata:pi', password: { file: one.secret } }
  - { username: 'ingest:one', password: { env: NAKAMA_TEST_SECRET } }
  - { username: 'coordinator:ota', password: { scrypt: '${hash}' } }
`,
      { 'one.secret': 'one\n' },
    )
    delete process.env.NAKAMA_TEST_SECRET
    expect([...credentials]).toEqual([
      ['agent:kamata:pi', { plain: 'one' }],
      ['ingest:one', { plain: 'two' }],
      ['coordinator:ota', { hash }],
    ])
  })

  it('may keep them in a file of their own', () => {
    const { credentials } = load(`${BASE}\ncredentialsFile: people.yaml`, {
      'people.yaml': "- { username: 'ingest:one', password: { file: one.secret } }",
      'one.secret': 'one',
    })
    expect([...credentials]).toEqual([['ingest:one', { plain: 'one' }]])
  })

  it.each([
    ['neither here nor in a file', '', /credentials: expected either credentials or credentialsFile, got neither/],
    ['here and in a file', 'credentials: []\ncredentialsFile: x', /credentials: .* got both/],
    [
      'a name of nobody',
      "credentials: [{ username: 'root', password: { env: X } }]",
      /credentials\.0\.username: expected agent:<shop>:<agent>, ingest:<id> or coordinator:<id>, got "root"/,
    ],
    [
      'a name twice',
      "credentials: [{ username: 'ingest:a', password: { env: X } }, { username: 'ingest:a', password: { env: Y } }]",
      /credentials\.1\.username: expected each name once, got "ingest:a"/,
    ],
    [
      'a password in the clear',
      "credentials: [{ username: 'ingest:a', password: 'secret' }]",
      /credentials\.0\.password: expected .*, got/,
    ],
    [
      'a hash that is none',
      "credentials: [{ username: 'ingest:a', password: { scrypt: 'md5' } }]",
      /credentials\.0\.password/,
    ],
    ['an unknown setting', 'credentials: []\nport: 1883', /port: expected no such setting, got 1883/],
    [
      'an unknown limit',
      'credentials: []\nlimits: { connectionMax: 1 }',
      /limits\.connectionMax: expected no such setting/,
    ],
    ['a limit of nothing', 'credentials: []\nlimits: { connectionsMax: 0 }', /limits\.connectionsMax: expected/],
    [
      'packets that a batch does not fit into',
      'credentials: []\nlimits: { packetMaxBytes: 1000 }',
      /limits\.packetMaxBytes: expected/,
    ],
    [
      'less room for what goes out than for one packet',
      'credentials: []\nlimits: { agentOutgoingMaxBytes: 1000 }',
      /limits\.agentOutgoingMaxBytes: expected at least packetMaxBytes=263168, got 1000/,
    ],
  ])('is refused with the place and what was expected: %s', (_what, yaml, message) => {
    expect(() => load(`${BASE}${yaml}\n`)).toThrow(message)
  })

  it('is refused when a secret is missing, or the file of credentials is wrong', () => {
    const username = "username: 'ingest:a'"
    expect(() => load(`${BASE}credentials: [{ ${username}, password: { file: no.secret } }]`)).toThrow(
      expect.objectContaining({ code: 'SECRET_MISSING' }),
    )
    expect(() => load(`${BASE}credentialsFile: no.yaml`)).toThrow(
      expect.objectContaining({ code: 'CONFIG_UNREADABLE' }),
    )
    expect(() =>
      load(`${BASE}credentialsFile: people.yaml`, { 'people.yaml': "- { username: 'root', password: { env: X } }" }),
    ).toThrow(/people\.yaml: 0\.username: expected agent/)
  })
})
