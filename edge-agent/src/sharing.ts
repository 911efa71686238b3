import type { MachineStatus, NakamaRecord } from '@nakama/contract'

export const SHARING_LEVELS = ['private', 'aggregate', 'availability', 'named'] as const
export type SharingLevel = (typeof SHARING_LEVELS)[number]

/** What the owner allows. Set on the Pi alone; nothing that comes over the network can change it. */
export interface Sharing {
  readonly level: SharingLevel
  /** Counts and samples too, for the shop's own eyes. */
  readonly telemetry: boolean
}

/**
 * Whether a record may leave the shop. It is asked before the journal, so that what may not leave is not even written
 * down. The three open levels differ only in who sees it, which is the coordinator's to hold.
 */
export const mayLeave = (sharing: Sharing, record: NakamaRecord): boolean => {
  if (record.type === 'count' || record.type === 'samples') return sharing.telemetry && sharing.level !== 'private'
  if (sharing.level !== 'private') return true
  // The agent's own health: that something of its journal is missing, but of no machine.
  return record.type === 'taking' || (record.type === 'gap' && record.machine === null)
}

/** The machines of the status message. */
export const statusMachines = (
  sharing: Sharing,
  machines: { readonly [id: string]: MachineStatus },
): { [id: string]: MachineStatus } => (sharing.level === 'private' ? {} : { ...machines })
