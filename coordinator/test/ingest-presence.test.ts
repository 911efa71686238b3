import { describe, expect, it } from 'vitest'
import { type IngestInput, openIngestPresence, stepIngest } from '../src/ingest-presence.ts'
import { attend, openListening, withFeed } from '../src/listening.ts'

const scene = () => {
  let now = 1_800_000_000_000
  let listening = withFeed(openListening(now), true, now)
  let ingest = openIngestPresence(now)
  const give = (input: IngestInput): void => {
    listening = attend(listening, now)
    ingest = stepIngest(ingest, input, listening, now)
  }
  return {
    connected: () => ingest.connected,
    since: () => ingest.since,
    now: () => now,
    say: (online: boolean, id = 'main') => give({ type: 'presence', id, online }),
    feed(up: boolean) {
      listening = withFeed(attend(listening, now), up, now)
      if (up) give({ type: 'feed-up' })
    },
    pass(ms: number) {
      for (const end = now + ms; now < end; ) {
        now = Math.min(now + 1_000, end)
        give({ type: 'tick' })
      }
    },
  }
}

describe('ingest', () => {
  it('is away until it says that it is there, and since its will + 30 s', () => {
    const { connected, since, now, say, pass } = scene()
    pass(1_000)
    expect(connected()).toBe(false)
    say(true)
    expect([connected(), since()]).toEqual([true, now()])
    say(false)
    pass(29_000)
    expect(connected()).toBe(true)
    pass(1_000)
    expect([connected(), since()]).toEqual([false, now()])
  })

  it('does not flicker when it is restarted', () => {
    const { connected, since, say, pass } = scene()
    say(true)
    const before = since()
    say(false)
    pass(5_000)
    say(true)
    pass(60_000)
    expect([connected(), since()]).toEqual([true, before])
  })

  it('is not gone because another one, long replaced, says goodbye', () => {
    const { connected, say, pass } = scene()
    say(true, 'new')
    say(false, 'old')
    pass(60_000)
    expect(connected()).toBe(true)
  })

  it('must say so again within 30 s once we were cut off, for a broker forgets', () => {
    const { connected, say, feed, pass } = scene()
    say(true)
    feed(false)
    pass(600_000)
    expect(connected()).toBe(true)
    feed(true)
    pass(29_000)
    expect(connected()).toBe(true)
    pass(1_000)
    expect(connected()).toBe(false)
  })
})
