import {
  CONTRACT_VERSION,
  type MachineStatus,
  type StatusOffline,
  type StatusOnline,
  type Taking,
} from '@nakama/contract'
import type { JournalStats } from '../journal/stats.ts'

/** What is true of the agent now. */
export interface StatusFacts {
  readonly version: string
  readonly clockSynchronised: boolean
  readonly journal: JournalStats
  readonly configRev: number
  readonly taking: Taking
  readonly refused: { readonly rev: number; readonly why: string } | undefined
  readonly machines: { readonly [id: string]: MachineStatus }
}

/** @param conn names the connection over which it is said. */
export const onlineStatus = (conn: string, at: number, facts: StatusFacts): StatusOnline => ({
  v: CONTRACT_VERSION,
  online: true,
  conn,
  at,
  version: facts.version,
  clock: { synchronised: facts.clockSynchronised },
  journal: { bytes: facts.journal.bytes, maxBytes: facts.journal.maxBytes, oldestAt: facts.journal.oldestAt },
  config: { rev: facts.configRev },
  taking: { ...facts.taking, ...(facts.refused === undefined ? {} : { refused: facts.refused }) },
  machines: { ...facts.machines },
})

/** The will, and the last word of an agent that stops in good order. */
export const offlineStatus = (conn: string, at: number): StatusOffline => ({
  v: CONTRACT_VERSION,
  online: false,
  conn,
  at,
})
