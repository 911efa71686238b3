import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AGENT_LEAVES, agentTopic, ingestTopic, isId, parseTopic } from '../src/index.ts'

const id = fc.stringMatching(/^[a-z0-9-]{1,32}$/)

describe('topics', () => {
  it('reads back every topic that it builds', () => {
    fc.assert(
      fc.property(id, id, fc.constantFrom(...AGENT_LEAVES), (shop, agent, leaf) => {
        expect(parseTopic(agentTopic({ shop, agent }, leaf))).toEqual({ type: 'agent', shop, agent, leaf })
        expect(parseTopic(ingestTopic(agent))).toEqual({ type: 'ingest', id: agent })
      }),
    )
  })

  it.each([
    '',
    'nakama/v1',
    'nakama/v1/shop/agent',
    'nakama/v1/shop/agent/records/more',
    'nakama/v2/shop/agent/records',
    'nakama/v1/Shop/agent/records',
    'nakama/v1/shop/agent/secrets',
    'nakama/v1/_ingest/a/ack',
    'nakama/v1/_ingest/A/status',
    'nakama/v1/+/agent/records',
    '$SYS/x/y/z/status',
  ])('knows nothing of %j', topic => {
    expect(parseTopic(topic)).toBeUndefined()
  })

  it('never throws, whatever the topic', () => {
    fc.assert(fc.property(fc.string(), topic => void parseTopic(topic)))
  })

  it('lets no id carry a separator, a wildcard or the ingest prefix', () => {
    for (const bad of ['', 'a/b', '+', '#', '_ingest', 'Ａ', 'a'.repeat(33)]) expect(isId(bad)).toBe(false)
  })
})
