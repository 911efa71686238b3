import { type AgentId, type MachineStatus, NakamaError } from '@nakama/contract'
import type { Log, Metrics } from '@nakama/service'
import type { BatchQueue } from '../journal/batch-queue.ts'
import type { Journal } from '../journal/journal.ts'
import type { TakingKeeper } from './taking.ts'

export interface UplinkOptions extends AgentId {
  /** Of the software, for the status. */
  readonly version: string
  readonly broker: { readonly url: string; readonly username: string; readonly password: string }
  readonly journal: BatchQueue & Pick<Journal, 'append' | 'stats'>
  /** What is true now, by machine id; asked at every status. */
  readonly machines: () => { readonly [id: string]: MachineStatus }
  readonly taking: TakingKeeper
  readonly configRev: number
  /** Default: yes. */
  readonly clockSynchronised?: () => boolean
  /** The database was replaced by another: time to journal profiles and present states again. Default: nothing. */
  readonly onNewStore?: (store: string) => void
  readonly now: () => number
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

export interface Uplink {
  readonly connected: boolean
  /** When ingest last acknowledged something that was in the journal; null before the first time. */
  readonly lastAckAt: number | null
  /** A machine's state has changed: the status goes out soon, several changes at once in one message. */
  statusChanged(): void
  /** Says goodbye and disconnects. Idempotent. */
  stop(): Promise<void>
}

export const startUplink = (options: UplinkOptions): Uplink => {
  throw new NakamaError('UPLINK_UNUSABLE', `${options.broker.url}: expected an uplink, got none`)
}
