import type { IngestStatus } from '@nakama/contract'

/**
 * One ingest is active per broker: it alone takes and acknowledges, or else some of the readings would be in one store and
 * some in another. Whoever said first that it is there stays; the other stays passive until that one is gone.
 */
export interface Activity {
  /** Since when this one says that it is there; undefined while it does not. */
  readonly activeSince: number | undefined
  /** Others that are there, by id, with the time since when. */
  readonly others: ReadonlyMap<string, number>
  /** Connected, and whoever is there has had the time to be heard. */
  readonly settled: boolean
}

export const NOT_ACTIVE: Activity = { activeSince: undefined, others: new Map(), settled: false }

export type ActivityInput =
  | { readonly type: 'presence'; readonly status: IngestStatus }
  | { readonly type: 'settled' }
  | { readonly type: 'down' }

const OTHERS_MAX = 16

/** @param id of this one. `turned` says whether it just became active or passive. */
export const stepActivity = (
  id: string,
  before: Activity,
  input: ActivityInput,
  now: number,
): { readonly state: Activity; readonly turned: 'active' | 'passive' | undefined } => {
  const state = judge(id, heard(id, before, input), now)
  const was = before.activeSince !== undefined
  const is = state.activeSince !== undefined
  return { state, turned: was === is ? undefined : is ? 'active' : 'passive' }
}

const heard = (id: string, before: Activity, input: ActivityInput): Activity => {
  if (input.type === 'down') return NOT_ACTIVE
  if (input.type === 'settled') return { ...before, settled: true }
  const { status } = input
  if (status.id === id) return before
  const others = new Map(before.others)
  if (!status.online) others.delete(status.id)
  else if (others.has(status.id) || others.size < OTHERS_MAX) others.set(status.id, status.at)
  return { ...before, others }
}

const judge = (id: string, state: Activity, now: number): Activity => {
  if (state.activeSince === undefined) {
    return state.settled && state.others.size === 0 ? { ...state, activeSince: now } : state
  }
  const mine = state.activeSince
  const isLater = [...state.others].some(([other, since]) => since < mine || (since === mine && other < id))
  return isLater ? { ...state, activeSince: undefined } : state
}
