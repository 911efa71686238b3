import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { DataType, OPCUACertificateManager } from 'node-opcua'
import { beforeAll, describe, expect, it } from 'vitest'
import { trustCommand } from '../src/commands/trust.ts'
import type { OpcuaMachine } from '../src/settings.ts'
import { ensureOwnCertificate } from '../src/sources/opcua/own-certificate.ts'
import { chooseOffer, type Offer } from '../src/sources/opcua/security.ts'
import { startOpcuaServer } from './opcua-server.ts'
import { opcuaBench, opcuaMachine, until } from './opcua-support.ts'
import { freePort, recorder } from './support.ts'

const { run, serve, folder, cleanUp } = opcuaBench()
const NODES = { Execution: { dataType: DataType.String, value: 'READY' } }
const READ = { Execution: 'READY' }
const secure = (endpoint: string, over: Partial<OpcuaMachine> = {}): OpcuaMachine =>
  opcuaMachine(endpoint, ['Execution'], {
    security: { mode: 'sign-and-encrypt', policy: undefined },
    trust: 'first-use',
    ...over,
  })

describe('the way to talk', () => {
  const offer = (securityMode: number, policy: string): Offer => ({
    securityMode,
    securityPolicyUri: `http://opcfoundation.org/UA/SecurityPolicy#${policy}`,
    serverCertificate: Buffer.from(policy),
  })
  const offers = [
    offer(1, 'None'),
    offer(3, 'Basic128Rsa15'),
    offer(3, 'Aes128_Sha256_RsaOaep'),
    offer(3, 'Basic256Sha256'),
    offer(2, 'Aes256_Sha256_RsaPss'),
  ]

  it('is the strongest that is offered in the mode that was asked for, with the certificate of that endpoint', () => {
    expect(chooseOffer(offers, { mode: 'sign-and-encrypt', policy: undefined })).toEqual({
      policy: 'Basic256Sha256',
      certificate: Buffer.from('Basic256Sha256'),
    })
    expect(chooseOffer(offers, { mode: 'sign', policy: undefined })?.policy).toBe('Aes256_Sha256_RsaPss')
  })

  it('is never a weaker one', () => {
    expect(chooseOffer(offers.slice(0, 2), { mode: 'sign-and-encrypt', policy: undefined })).toBe(undefined)
    expect(chooseOffer(offers, { mode: 'sign-and-encrypt', policy: 'Aes256_Sha256_RsaPss' })).toBe(undefined)
    expect(chooseOffer(offers.slice(0, 4), { mode: 'sign', policy: undefined })).toBe(undefined)
  })
})

describe('a server that asks for security', () => {
  it('is spoken to in every mode and policy, the strongest when none is named', async () => {
    const server = await serve(NODES)
    const { latest } = await run({
      strongest: secure(server.endpoint),
      oaep: secure(server.endpoint, { security: { mode: 'sign-and-encrypt', policy: 'Aes128_Sha256_RsaOaep' } }),
      signed: secure(server.endpoint, { security: { mode: 'sign', policy: 'Basic256Sha256' } }),
    })
    for (const id of ['strongest', 'oaep', 'signed']) await until(() => expect(latest(id)).toEqual(READ))
    expect(server.visitors()).toEqual(
      expect.arrayContaining([
        { policy: 'Aes256_Sha256_RsaPss', mode: 'SignAndEncrypt', user: 'AnonymousIdentityToken' },
        { policy: 'Aes128_Sha256_RsaOaep', mode: 'SignAndEncrypt', user: 'AnonymousIdentityToken' },
        { policy: 'Basic256Sha256', mode: 'Sign', user: 'AnonymousIdentityToken' },
      ]),
    )
  })

  it('and has none of ours says what it has', async () => {
    const server = await serve(NODES, { policies: [] })
    const { lastFailure } = await run({ one: secure(server.endpoint) })
    await until(() => expect(lastFailure('one')).toMatchObject({ kind: 'refused' }))
    expect(lastFailure('one')?.message).toMatch(/expected sign-and-encrypt .*, got only none None/)
  })
})

describe('a certificate of a server', () => {
  const agentYaml = async (name: string): Promise<string> => {
    await mkdir(await folder(name), { recursive: true })
    const file = await folder(`${name}.yaml`)
    await writeFile(
      file,
      `shop: misaki
agent: pi-1
broker: { url: mqtt://h, username: u, password: { file: p } }
http: { host: 127.0.0.1, port: 0 }
dataDir: ${name}
machines:
  - { id: m, kind: laser, name: m, source: { type: opcua, endpoint: opc.tcp://h }, presets: [machinery] }
`,
    )
    return file
  }
  const fingerprintIn = (text: string | undefined): string => /[0-9a-f]{40}/.exec(text ?? '')?.[0] as string

  it('is refused and said so until a person accepts it by a command, and again once it was rejected', async () => {
    const config = await agentYaml('by-hand')
    expect(await trustCommand(['--config', config])).toContain('no OPC UA server has been met yet')
    const server = await serve(NODES)
    const { of, latest, lastFailure } = await run(
      { one: secure(server.endpoint, { trust: 'by-hand' }) },
      { pki: 'by-hand/pki' },
    )
    await until(() => expect(lastFailure('one')).toMatchObject({ kind: 'refused' }))
    const fingerprint = fingerprintIn(lastFailure('one')?.message)
    expect(lastFailure('one')?.message).toContain(`trust --config FILE --accept ${fingerprint}`)
    const listed = await trustCommand(['--config', config])
    const certificate = new X509Certificate(readFileSync(await folder(`by-hand/pki/rejected/${fingerprint}.pem`)))
    expect(certificate.fingerprint.replaceAll(':', '').toLowerCase()).toBe(fingerprint)
    expect(listed).toContain(`${fingerprint}  信頼しない / rejected\n  ${server.endpoint}\n`)
    expect(listed).toContain(certificate.subject.replaceAll('\n', ', '))
    expect(listed).toMatch(/\n {2}DNS:.*\n {2}URI:urn:.*\n {2}\d{4}-\d\d-\d\d – \d{4}-\d\d-\d\d$/s)
    expect(of('one')).toEqual([])

    expect(await trustCommand(['--config', config, '--accept', fingerprint.slice(0, 8)])).toContain('trusted')
    await until(() => expect(latest('one')).toEqual(READ))
    expect(await trustCommand(['--config', config, '--reject', fingerprint])).toContain('rejected')
    server.killSessions()
    const before = of('one').length
    await until(() => expect(lastFailure('one')).toMatchObject({ kind: 'refused' }))
    expect(of('one').length).toBeLessThanOrEqual(before + 1)
    await expect(trustCommand(['--config', config, '--accept', 'ffffffffffff'])).rejects.toThrow(
      `expected (the beginning of) one of ${fingerprint}, got "ffffffffffff"`,
    )
    await expect(trustCommand(['--config', config, '--accept', ''])).rejects.toMatchObject({
      code: 'NO_SUCH_CERTIFICATE',
    })
  })

  it('that has changed is refused, with first use too, until it is accepted', async () => {
    const config = await agentYaml('changed')
    const port = await freePort()
    const first = await startOpcuaServer(await folder('server'), NODES, { port })
    const { latest, of, lastFailure } = await run({ one: secure(first.endpoint) }, { pki: 'changed/pki' })
    await until(() => expect(latest('one')).toEqual(READ))
    await first.stop()
    const second = await startOpcuaServer(await folder('another-server'), NODES, { port })
    cleanUp(second.stop)
    await until(() => expect(lastFailure('one')).toMatchObject({ kind: 'refused' }))
    const before = of('one').length
    const fingerprint = fingerprintIn(lastFailure('one')?.message)
    await trustCommand(['--config', config, '--accept', fingerprint])
    await until(() => expect(of('one').length).toBeGreaterThan(before))
  })
})

describe('who we are', () => {
  const endpoint = { value: '' }
  let server: Awaited<ReturnType<typeof startOpcuaServer>>
  beforeAll(async () => {
    server = await startOpcuaServer(await folder('server'), NODES, { users: { nakama: 'right' } })
    endpoint.value = server.endpoint
    return () => server.stop()
  })
  const named = (password: string): Partial<OpcuaMachine> => ({
    identity: { username: 'nakama', password: { file: password } },
  })

  it('is a name with a password from a file, and a password that is wrong or not there is said and tried again', async () => {
    await writeFile(await folder('right.password'), 'right\n')
    await writeFile(await folder('wrong.password'), 'wrong\n')
    await rm(await folder('none.password'), { force: true })
    const { latest, lastFailure } = await run({
      right: secure(endpoint.value, named('right.password')),
      wrong: secure(endpoint.value, named('wrong.password')),
      none: secure(endpoint.value, named('none.password')),
      nobody: secure(endpoint.value),
    })
    await until(() => expect(latest('right')).toEqual(READ))
    expect(server.visitors().map(({ user }) => user)).toContain('UserNameIdentityToken')
    await until(() => expect(lastFailure('wrong')).toMatchObject({ kind: 'refused' }))
    await until(() => expect(lastFailure('none')?.message).toContain('none.password: cannot be read'))
    await until(() => expect(lastFailure('nobody')).toMatchObject({ kind: 'refused' }))
    // Whoever finds the mistake only corrects it.
    await writeFile(await folder('none.password'), 'right')
    await until(() => expect(latest('none')).toEqual(READ))
    // A machine that is asked again and again locks the account.
    expect(server.logins.filter(password => password === 'wrong')).toHaveLength(1)
  })

  it('is a certificate', async () => {
    const certificates = new OPCUACertificateManager({
      rootFolder: await folder('user'),
      disableFileWatchers: true,
    })
    cleanUp(() => certificates.dispose())
    const user = await ensureOwnCertificate(await folder('user'), certificates, Date.now(), recorder().context.log)
    const { latest } = await run({
      one: secure(endpoint.value, { identity: { certificate: user.file, key: user.keyFile } }),
    })
    await until(() => expect(latest('one')).toEqual(READ))
    expect(server.visitors().map(({ user }) => user)).toContain('X509IdentityToken')
  })
})

describe('our own certificate', () => {
  const YEAR_2000 = Date.UTC(2000, 0, 1)
  const { log } = recorder().context
  const make = async (name: string, now: number) => {
    const certificates = new OPCUACertificateManager({ rootFolder: await folder(name), disableFileWatchers: true })
    const own = await ensureOwnCertificate(await folder(name), certificates, now, log)
    await certificates.dispose()
    return { ...own, certificate: new X509Certificate(await readFile(own.file)) }
  }

  it('made by a Pi that believes in the year 2000 is valid for every clock, names its application, and stays', async () => {
    const { certificate, applicationUri, keyFile } = await make('own', YEAR_2000)
    expect(Date.parse(certificate.validFrom)).toBe(0)
    expect(new Date(certificate.validTo).getUTCFullYear()).toBe(2049)
    expect(applicationUri).toMatch(/^urn:.+:nakama-edge-agent$/)
    expect(certificate.subjectAltName).toContain(`URI:${applicationUri}`)
    expect((await make('own', Date.now())).certificate.fingerprint).toBe(certificate.fingerprint)
    // Machines are told to trust it once; the key is nobody else's.
    expect(execFileSync('stat', ['-c', '%a', keyFile]).toString().trim()).toBe('600')
  })

  it('is made anew before it expires, with the same key and name', async () => {
    const { certificate, applicationUri } = await make('own', YEAR_2000)
    const late = Date.parse(certificate.validTo) - 80 * 86_400_000
    const next = await make('own', late)
    expect(next.certificate.fingerprint).not.toBe(certificate.fingerprint)
    expect(Date.parse(next.certificate.validTo)).toBeGreaterThan(late + 5 * 365 * 86_400_000)
    expect(next.certificate.publicKey.equals(certificate.publicKey)).toBe(true)
    expect(next.applicationUri).toBe(applicationUri)
  })

  it('is made anew where a power cut has left half a key', async () => {
    const { keyFile } = await make('torn', Date.now())
    const key = await readFile(keyFile)
    await writeFile(keyFile, key.subarray(0, key.length / 2))
    const { certificate } = await make('torn', Date.now())
    expect(certificate.validTo).toContain('2049')
  })

  it('is made as soon as the disk allows, and until then it is said', async () => {
    const server = await serve(NODES)
    const blocked = await folder('blocked')
    await writeFile(blocked, 'a file where a folder should be')
    const { latest, lastFailure } = await run({ one: secure(server.endpoint) }, { pki: 'blocked' })
    await until(() => expect(lastFailure('one')?.message).toMatch(/^no OPC UA certificate of our own: /))
    await rm(blocked)
    await until(() => expect(latest('one')).toEqual(READ))
  })

  it('serves a Pi that does not know the time yet', async () => {
    const server = await serve(NODES)
    const seen = recorder()
    const { opcuaSource } = await import('../src/sources/opcua/opcua.ts')
    const aborter = new AbortController()
    const files = { pkiDir: await folder('year-2000'), configFile: await folder('agent.yaml') }
    const context = { ...seen.context, now: () => YEAR_2000 + performance.now() }
    const running = opcuaSource([{ id: 'one', source: secure(server.endpoint) }], files, context).run(aborter.signal)
    cleanUp(() => {
      aborter.abort()
      return running
    })
    await until(() => expect(seen.of('one').at(-1)?.values).toEqual(READ))
  })
})
