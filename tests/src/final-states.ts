import type { StateCode } from '@nakama/contract'
import type { Waits } from './expected-states.ts'

/** What a machine truly showed at a moment at which it was looked at. */
export interface Sighting {
  readonly at: number
  readonly state: Exclude<StateCode, 'OFFLINE'>
  readonly done: boolean
}

/** In [from, to), milliseconds since 1970 UTC, the machine is to be known as `code`. */
export interface KnownSpan {
  readonly from: number
  readonly to: number
  readonly code: StateCode
}

/**
 * The past as it should be known in the end: the state rules of the design once more, as plainly as possible, sharing nothing
 * with the agent. Each change counts from the first sighting that showed it. A watch is a time in which somebody looked
 * without a break: it ends when whoever looked dies, or when nothing was seen for `offlineAfterMs`; between two nobody knows.
 *
 * @param deaths when whoever looked forgot what it had seen, ascending.
 * @returns spans without a hole from the first sighting to the last.
 */
export const finalStates = (sightings: readonly Sighting[], deaths: readonly number[], waits: Waits): KnownSpan[] =>
  watchesOf(sightings, deaths, waits.offlineAfterMs).flatMap((watch, index, watches) => {
    const next = watches[index + 1]?.[0]
    const end = (watch.at(-1) as Sighting).at
    const changes = changesIn(watch, waits)
    const spans = changes.map(
      ({ code, since }, i): KnownSpan => ({ code, from: since, to: changes[i + 1]?.since ?? end }),
    )
    return next === undefined ? spans : [...spans, { code: 'OFFLINE', from: end, to: next.at }]
  })

const watchesOf = (sightings: readonly Sighting[], deaths: readonly number[], offlineAfterMs: number): Sighting[][] => {
  const watches: Sighting[][] = []
  for (const sighting of sightings) {
    const last = watches.at(-1)?.at(-1)?.at ?? Number.NEGATIVE_INFINITY
    const broken = sighting.at - last >= offlineAfterMs || deaths.some(at => last < at && at <= sighting.at)
    if (broken) watches.push([sighting])
    else watches.at(-1)?.push(sighting)
  }
  return watches
}

const changesIn = (watch: readonly Sighting[], waits: Waits): { code: StateCode; since: number }[] => {
  const [first] = watch as [Sighting, ...Sighting[]]
  const changes: { code: StateCode; since: number }[] = [{ code: first.state, since: first.at }]
  watch.forEach(({ at, state, done }, index) => {
    const shown = (changes.at(-1) as { code: StateCode }).code
    if (state === shown) return
    /** Since when every sighting up to this one has been so. */
    const since = (isSo: (sighting: Sighting) => boolean): number => {
      let start = index
      while (start > 0 && isSo(watch[start - 1] as Sighting)) start--
      return (watch[start] as Sighting).at
    }
    const shownSince = since(other => other.state === state)
    const isChange = (): boolean => {
      if (shown === 'ALARM') return at - since(other => other.state !== 'ALARM') >= waits.alarmClearedMs
      if (state === 'ALARM') return at - shownSince >= waits.alarmAfterMs
      if (state === 'IDLE') {
        const quiet = at - shownSince >= (shown === 'OFF' ? waits.doneAfterMs : waits.idleAfterMs)
        return quiet || (done && at - since(other => other.done) >= waits.doneAfterMs)
      }
      if (shown !== 'RUNNING') return true
      return at - since(other => other.state !== 'RUNNING' && other.state !== 'IDLE') > waits.runningGapMs
    }
    if (isChange()) changes.push({ code: state, since: shownSince })
  })
  return changes
}
