import { newerTaking, type StatusOnline, type Taking } from '@nakama/contract'

/** What an agent's status says of 受ける / 休む: what it has, and what it last refused. */
export type ReportedTaking = StatusOnline['taking']

export interface TakingRequest extends Taking {
  /** `waiting`: the shop's Pi has not said yet that it applied this (工場の応答待ち). `refused`: it said that it will not. */
  readonly status: 'waiting' | 'refused'
  readonly why: string | null
}

export interface ShopTaking {
  /** Whether the shop takes work now; null when it never said. */
  readonly value: boolean | null
  readonly until: number | null
  /** What was asked of it here and is not in force; null when there is nothing to wait for. */
  readonly request: TakingRequest | null
}

/**
 * What a shop says, from the statuses of its agents (undefined: never heard), beside what was asked of it here.
 *
 * An answer with `until` holds up to then and lapses into its opposite: 休む until Monday is 受ける from Monday on.
 */
export const shopTaking = (
  reported: readonly (ReportedTaking | undefined)[],
  desired: Taking | undefined,
  now: number,
): ShopTaking => {
  const said = reported.filter(taking => taking !== undefined).reduce<Taking | null>(newer, null)
  const holds = said === null || said.until === null || now < said.until
  return {
    value: said === null ? null : holds ? said.value : !said.value,
    until: said === null || !holds ? null : said.until,
    request: outstanding(reported, desired, now),
  }
}

/** One more than anybody ever said, so that what is asked now wins. */
export const nextRev = (reported: readonly (ReportedTaking | undefined)[], desired: Taking | undefined): number => {
  const revs = reported.flatMap(taking => (taking === undefined ? [] : [taking.rev, taking.refused?.rev ?? 0]))
  return Math.max(0, desired?.rev ?? 0, ...revs) + 1
}

const newer = (a: Taking | null, b: Taking): Taking => (a === null ? b : newerTaking(a, b))

const outstanding = (
  reported: readonly (ReportedTaking | undefined)[],
  desired: Taking | undefined,
  now: number,
): TakingRequest | null => {
  if (desired === undefined || (desired.until !== null && desired.until <= now)) return null
  if (reported.some(taking => taking !== undefined && taking.rev > desired.rev)) return null
  const refusal = reported.find(taking => taking?.refused?.rev === desired.rev)?.refused
  if (refusal !== undefined) return { ...pick(desired), status: 'refused', why: refusal.why }
  return reported.every(taking => taking !== undefined && !wins(desired, taking))
    ? null
    : { ...pick(desired), status: 'waiting', why: null }
}

const wins = (desired: Taking, reported: Taking): boolean =>
  newerTaking(reported, desired) === desired &&
  (desired.rev !== reported.rev || desired.value !== reported.value || desired.until !== reported.until)

const pick = ({ value, until, rev }: Taking): Taking => ({ value, until, rev })
