import { AGENT_LEAVES, agentTopic, EVERY_INGEST_FILTER, everyAgentFilter, ingestTopic } from '@nakama/contract'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Action, may, type Principal, principalOf, type Role } from '../src/rules.ts'

const AGENT = principalOf('agent:kamata:pi') as Principal
const INGEST = principalOf('ingest:one') as Principal
const COORDINATOR = principalOf('coordinator:ota') as Principal
const EVERYBODY = [AGENT, INGEST, COORDINATOR]

const leaves = (who: string, agent: { shop: string; agent: string }): [string, string][] =>
  AGENT_LEAVES.map(leaf => [`${who} ${leaf}`, agentTopic(agent, leaf)])

/** Every kind of topic there is, under a name. */
const TOPICS: { readonly [name: string]: string } = Object.fromEntries([
  ...leaves('own', { shop: 'kamata', agent: 'pi' }),
  ...leaves('neighbour', { shop: 'kamata', agent: 'pi2' }),
  ...leaves('foreign', { shop: 'haneda', agent: 'pi' }),
  ['own presence', ingestTopic('one')],
  ['foreign presence', ingestTopic('two')],
  ['other leaf', 'nakama/v1/kamata/pi/other'],
  ['deeper', 'nakama/v1/kamata/pi/status/x'],
  ['shorter', 'nakama/v1/kamata/pi'],
  ['other version', 'nakama/v2/kamata/pi/status'],
  ['capitals', 'nakama/v1/Kamata/pi/status'],
  ['empty level', 'nakama/v1//pi/status'],
  ['leading slash', '/nakama/v1/kamata/pi/status'],
  ['presence of nobody', 'nakama/v1/_ingest//status'],
  ['ingest records', 'nakama/v1/_ingest/one/records'],
  ['system', '$SYS/broker/new/clients'],
  ['empty', ''],
  ['elsewhere', 'a'],
])

const FILTERS: { readonly [name: string]: string } = {
  ...TOPICS,
  ...Object.fromEntries(AGENT_LEAVES.map(leaf => [`every ${leaf}`, everyAgentFilter(leaf)])),
  'every presence': EVERY_INGEST_FILTER,
  everything: '#',
  'everything of ours': 'nakama/#',
  'everything of one agent': 'nakama/v1/kamata/pi/+',
  'everything of one shop': 'nakama/v1/kamata/+/status',
  'everything of one level': '+/+/+/+/+',
  'every system': '$SYS/#',
  'presence and below': 'nakama/v1/_ingest/#',
}

const AGENT_RECEIVES = ['own ack', 'own desired', 'own status', 'own presence', 'foreign presence']
const everyones = (leaf: string) => [`own ${leaf}`, `neighbour ${leaf}`, `foreign ${leaf}`]
const PRESENCES = ['own presence', 'foreign presence']

/** All that is allowed. What is not named here is denied. */
const ALLOWED: { readonly [role in Role]: { readonly [action in Action | 'retain']: readonly string[] } } = {
  agent: {
    publish: ['own records', 'own status'],
    retain: ['own status'],
    receive: AGENT_RECEIVES,
    subscribe: [...AGENT_RECEIVES, 'every presence'],
  },
  ingest: {
    publish: [...everyones('ack'), 'own presence'],
    retain: ['own presence'],
    receive: [...everyones('records'), ...everyones('status'), ...PRESENCES],
    subscribe: [
      ...everyones('records'),
      ...everyones('status'),
      ...PRESENCES,
      'every records',
      'every status',
      'every presence',
    ],
  },
  coordinator: {
    publish: everyones('desired'),
    retain: everyones('desired'),
    receive: [...everyones('status'), ...everyones('desired'), ...PRESENCES],
    subscribe: [
      ...everyones('status'),
      ...everyones('desired'),
      ...PRESENCES,
      'every status',
      'every desired',
      'every presence',
    ],
  },
}

const allowedOf = (names: { readonly [name: string]: string }, ask: (topic: string) => boolean): string[] =>
  Object.keys(names)
    .filter(name => ask(names[name] as string))
    .sort()

describe.each(EVERYBODY.map(principal => [principal.role, principal] as const))(
  'the rules of %s',
  (role, principal) => {
    it.each([0, 1])('allow at QoS %i exactly what the table says', qos => {
      const ask =
        (action: Action, retain = false) =>
        (topic: string) =>
          may(principal, action, topic, { retain, qos }).ok
      expect({
        publish: allowedOf(TOPICS, ask('publish')),
        retain: allowedOf(TOPICS, ask('publish', true)),
        receive: allowedOf(TOPICS, ask('receive')),
        subscribe: allowedOf(FILTERS, ask('subscribe')),
      }).toEqual(
        Object.fromEntries(Object.entries(ALLOWED[role]).map(([action, names]) => [action, [...names].sort()])),
      )
    })

    it('allow nothing at QoS 2', () => {
      for (const action of ['publish', 'subscribe', 'receive'] as const) {
        expect(allowedOf(FILTERS, topic => may(principal, action, topic, { qos: 2 }).ok)).toEqual([])
      }
    })

    it('let nobody publish or receive on a filter', () => {
      for (const [name, filter] of Object.entries(FILTERS)) {
        if (!/[+#]/.test(filter)) continue
        expect(may(principal, 'publish', filter).ok, name).toBe(false)
        expect(may(principal, 'receive', filter).ok, name).toBe(false)
      }
    })

    it('name who may not do what, and never all of an endless topic', () => {
      const verdict = may(principal, 'publish', 'x'.repeat(60_000))
      expect(verdict).toMatchObject({
        ok: false,
        why: expect.stringContaining(`${principal.username} may not publish xxx`),
      })
      expect(verdict.ok ? '' : verdict.why).toHaveLength(principal.username.length + ' may not publish '.length + 100)
    })
  },
)

describe('any topic', () => {
  const id = fc.stringMatching(/^[a-z0-9-]{1,32}$/)
  const topic = fc.oneof(
    fc.string(),
    fc
      .array(fc.oneof(fc.constantFrom('nakama', 'v1', '_ingest', 'status', 'ack', '+', '#', ''), id), { maxLength: 7 })
      .map(parts => parts.join('/')),
  )

  it('of an agent is its own, whatever ids there are', () => {
    fc.assert(
      fc.property(id, id, topic, (shop, agent, name) => {
        const principal = principalOf(`agent:${shop}:${agent}`) as Principal
        const own = [agentTopic({ shop, agent }, 'records'), agentTopic({ shop, agent }, 'status')]
        expect(may(principal, 'publish', name).ok).toBe(own.includes(name))
        for (const one of own) expect(may(principal, 'publish', one).ok).toBe(true)
      }),
    )
  })

  it('that may be received may be subscribed to, and nothing else without a wildcard', () => {
    fc.assert(
      fc.property(fc.constantFrom(...EVERYBODY), topic, (principal, name) => {
        if (!/[+#]/.test(name)) expect(may(principal, 'subscribe', name).ok).toBe(may(principal, 'receive', name).ok)
      }),
    )
  })
})

describe('a name', () => {
  it.each([
    ['agent:kamata:pi', { role: 'agent', username: 'agent:kamata:pi', shop: 'kamata', agent: 'pi' }],
    ['ingest:one', { role: 'ingest', username: 'ingest:one', id: 'one' }],
    ['coordinator:ota', { role: 'coordinator', username: 'coordinator:ota', id: 'ota' }],
  ])('%s stands for whom it says', (username, principal) => {
    expect(principalOf(username)).toEqual(principal)
  })

  it.each([
    '',
    'agent',
    'agent:',
    'agent:a',
    'agent:a:',
    'agent:a:b:c',
    'agent:A:b',
    'agent:a/b:c',
    'agent:+:b',
    'ingest',
    'ingest:',
    'ingest:a:b',
    'ingest:#',
    'admin:a',
    'Agent:a:b',
    'agent:_ingest:a',
    `ingest:${'x'.repeat(33)}`,
    '__proto__:a',
    'constructor:a',
  ])('%j stands for nobody', username => {
    expect(principalOf(username)).toBeUndefined()
  })
})
