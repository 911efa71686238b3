import type { Feed, MachineView, StreamEvents } from '../api/schemas.ts'
import { withChanges } from './model.ts'

/** What this screen knows: the last picture, and whether it is still being told of changes. */
export interface Picture {
  /** Undefined until the first snapshot. */
  readonly machines: readonly MachineView[] | undefined
  readonly feed: Feed | undefined
  /** The server's time of the last message. */
  readonly heardAt: number | undefined
  readonly streamLost: boolean
  /** The server's clock minus this browser's: a wall screen's own clock may be anything. Steady, for every tile depends on it. */
  readonly offsetMs: number
}

/** Messages take longer and shorter; below this it is the way, not the clock. */
const OFFSET_SLACK_MS = 2_000

export const NOTHING_YET: Picture = {
  machines: undefined,
  feed: undefined,
  heardAt: undefined,
  streamLost: false,
  offsetMs: 0,
}

export type PictureInput =
  | { readonly [E in keyof StreamEvents]: { readonly event: E; readonly data: StreamEvents[E] } }[keyof StreamEvents]
  /** The stream of events was cut off, or only seems to be there. */
  | { readonly event: 'lost' }

/** The picture after one message of the stream. `localNow` is this browser's clock. */
export const stepPicture = (before: Picture, input: PictureInput, localNow: number): Picture => {
  if (input.event === 'lost') return before.streamLost ? before : { ...before, streamLost: true }
  const heardAt = Date.parse(input.data.now)
  const offsetMs = heardAt - localNow
  const steady = Math.abs(offsetMs - before.offsetMs) < OFFSET_SLACK_MS
  const picture = { ...before, heardAt, offsetMs: steady ? before.offsetMs : offsetMs, streamLost: false }
  switch (input.event) {
    case 'snapshot':
      return { ...picture, machines: input.data.machines, feed: input.data.feed }
    case 'change':
      return { ...picture, machines: withChanges(before.machines ?? [], input.data.machines) }
    case 'feed':
      return { ...picture, feed: input.data.feed }
    case 'beat':
      return picture
  }
}

export type Reception =
  | { readonly is: 'connecting' | 'live' }
  /** What is shown is how things were at `since`: `stream`, this screen hears nothing; `feed`, the coordinator itself does not. */
  | { readonly is: 'lost'; readonly by: 'stream' | 'feed'; readonly since: number }

/** Whether what is shown is true now. A picture that may be old is never called live. */
export const receptionOf = ({ machines, feed, heardAt, streamLost }: Picture): Reception => {
  if (feed?.connected === false) return { is: 'lost', by: 'feed', since: Date.parse(feed.since) }
  if (streamLost && heardAt !== undefined) return { is: 'lost', by: 'stream', since: heardAt }
  return { is: machines === undefined ? 'connecting' : 'live' }
}

/** Since when what the shops say is not being stored; undefined while it is, or while nothing is known of now anyway. */
export const notStoredSince = (picture: Picture): number | undefined => {
  const { feed } = picture
  if (feed === undefined || feed.ingest.connected || receptionOf(picture).is !== 'live') return undefined
  return Date.parse(feed.ingest.since)
}
