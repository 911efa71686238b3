import type { AgentId, Taking } from '@nakama/contract'
import type { MachineExplanation } from '../machines.ts'
import type { Sharing } from '../sharing.ts'

/** Everything that the Pi's own page shows. Times are milliseconds since 1970 UTC. */
export interface PageFacts extends AgentId {
  readonly version: string
  readonly at: number
  readonly broker: { readonly connected: boolean; readonly lastAckAt: number | null }
  readonly journal: { readonly bytes: number; readonly maxBytes: number; readonly oldestAt: number | null }
  /** Nothing is sent before somebody has confirmed on `/board` that the card was moved. */
  readonly isBoardMoved: boolean
  readonly clockSynchronised: boolean
  readonly sharing: Sharing
  readonly taking: Taking
  readonly machines: readonly MachineExplanation[]
}
