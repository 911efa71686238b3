import type { IngestStatus } from '@nakama/contract'

/** What each ingest has last said of itself in this connection, by its id. */
export type Presences = ReadonlyMap<string, IngestStatus>

export const NO_PRESENCES: Presences = new Map()

/** One is active at a time; more than these few are former names. */
const REMEMBERED_MAX = 16

export const hearPresence = (known: Presences, id: string, status: IngestStatus): Presences => {
  const next = new Map(known)
  next.delete(id)
  next.set(id, status)
  for (const oldest of next.keys()) if (next.size > REMEMBERED_MAX) next.delete(oldest)
  return next
}

/** The ingest that counts: the one there, else the last that was; by its own time, as retained messages come in any order. */
export const presentIngest = (known: Presences): IngestStatus | undefined =>
  [...known.values()].sort((a, b) => Number(b.online) - Number(a.online) || b.at - a.at)[0]
