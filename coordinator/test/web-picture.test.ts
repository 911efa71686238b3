import { expect, test } from 'vitest'
import type { Feed } from '../src/api/schemas.ts'
import { NOTHING_YET, notStoredSince, type Picture, receptionOf, stepPicture } from '../src/web/picture.ts'
import { aMachine } from './web-machines.ts'

const AT = Date.parse('2026-11-24T05:00:00.000Z')

const iso = (ms: number): string => new Date(ms).toISOString()

const aFeed = (connected: boolean, ingestConnected = true): Feed => ({
  connected,
  since: iso(AT - 60_000),
  ingest: { connected: ingestConnected, since: iso(AT - 30_000) },
})

const withSnapshot = (feed = aFeed(true)): Picture =>
  stepPicture(NOTHING_YET, { event: 'snapshot', data: { now: iso(AT), feed, machines: [aMachine()] } }, AT)

test('nothing is called live before the first picture came', () => {
  expect(receptionOf(NOTHING_YET)).toEqual({ is: 'connecting' })
  expect(receptionOf(stepPicture(NOTHING_YET, { event: 'lost' }, AT))).toEqual({ is: 'connecting' })
  expect(receptionOf(withSnapshot())).toEqual({ is: 'live' })
})

test('a lost stream says since when the picture is old, and keeps the picture', () => {
  const beaten = stepPicture(withSnapshot(), { event: 'beat', data: { now: iso(AT + 15_000) } }, AT + 15_000)
  const lost = stepPicture(beaten, { event: 'lost' }, AT + 55_000)
  expect(receptionOf(lost)).toEqual({ is: 'lost', by: 'stream', since: AT + 15_000 })
  expect(lost.machines).toHaveLength(1)
})

test('losing it once more does not make the picture any younger', () => {
  const lost = stepPicture(withSnapshot(), { event: 'lost' }, AT + 40_000)
  expect(stepPicture(lost, { event: 'lost' }, AT + 80_000)).toBe(lost)
})

test('whatever is heard again ends the loss of the stream', () => {
  const lost = stepPicture(withSnapshot(), { event: 'lost' }, AT)
  expect(receptionOf(stepPicture(lost, { event: 'beat', data: { now: iso(AT) } }, AT))).toEqual({ is: 'live' })
})

test('a coordinator that hears no shop is not live, however well it is heard itself', () => {
  const deaf = stepPicture(withSnapshot(), { event: 'feed', data: { now: iso(AT), feed: aFeed(false) } }, AT)
  expect(receptionOf(deaf)).toEqual({ is: 'lost', by: 'feed', since: AT - 60_000 })
  const deafer = stepPicture(deaf, { event: 'lost' }, AT)
  expect(receptionOf(deafer)).toEqual({ is: 'lost', by: 'feed', since: AT - 60_000 })
})

test('changes are put into the picture', () => {
  const data = { now: iso(AT), machines: [aMachine({ state: 'RUNNING' })] }
  expect(stepPicture(withSnapshot(), { event: 'change', data }, AT).machines).toMatchObject([{ state: 'RUNNING' }])
})

test("a wall screen with a wrong clock shows the server's time", () => {
  const wrong = AT - 3_600_000
  const picture = stepPicture(NOTHING_YET, { event: 'beat', data: { now: iso(AT) } }, wrong)
  expect(wrong + picture.offsetMs).toBe(AT)
})

test('messages that take longer on the way do not move the clock', () => {
  const picture = stepPicture(withSnapshot(), { event: 'beat', data: { now: iso(AT + 15_000) } }, AT + 16_500)
  expect(picture.offsetMs).toBe(0)
})

test('says that nothing is stored while the present is known, and keeps quiet when it is not', () => {
  expect(notStoredSince(NOTHING_YET)).toBeUndefined()
  expect(notStoredSince(withSnapshot())).toBeUndefined()
  expect(notStoredSince(withSnapshot(aFeed(true, false)))).toBe(AT - 30_000)
  expect(notStoredSince(withSnapshot(aFeed(false, false)))).toBeUndefined()
})
