import type { StreamEvents } from '../api/schemas.ts'
import type { PictureInput } from './picture.ts'

const SILENCE_MAX_MS = 40_000
const CHECK_MS = 5_000
const EVENTS: readonly (keyof StreamEvents)[] = ['snapshot', 'change', 'feed', 'beat']

/**
 * Keeps the stream of events alive: by itself after an error, and by force when a connection only seems to be one (a cut
 * cable, a phone that slept). Returns what ends it.
 */
export const openFeed = (onInput: (input: PictureInput) => void): (() => void) => {
  let source: EventSource | undefined
  let heardAt = 0

  const dial = (): void => {
    source?.close()
    heardAt = Date.now()
    const mine = new EventSource('/api/v1/events')
    source = mine
    for (const event of EVENTS) {
      mine.addEventListener(event, message => {
        heardAt = Date.now()
        onInput({ event, data: JSON.parse((message as MessageEvent<string>).data) } as PictureInput)
      })
    }
    mine.addEventListener('error', () => onInput({ event: 'lost' }))
  }

  const check = (): void => {
    const silent = Date.now() - heardAt > SILENCE_MAX_MS
    if (silent) onInput({ event: 'lost' })
    // A browser gives up for good on an answer that is no stream, such as a refusal.
    if (silent || source?.readyState === EventSource.CLOSED) dial()
  }

  dial()
  const timer = setInterval(check, CHECK_MS)
  document.addEventListener('visibilitychange', check)
  return () => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', check)
    source?.close()
  }
}
