import type { Health } from '@nakama/service'
import type { Board } from './journal/board.ts'
import type { Machines } from './machines.ts'

export interface AgentFacts {
  readonly machines: ReturnType<Machines['facts']>
  readonly brokerConnected: boolean
  readonly lastAckAt: number | null
  readonly journal: { readonly bytes: number; readonly maxBytes: number; readonly oldestAt: number | null }
  readonly disk: { readonly freeBytes: number | null; readonly minFreeBytes: number | null }
  readonly board: Pick<Board, 'isMoved' | 'serial' | 'cardSerial'>
  /** Of the last tick of the agent's own clockwork. */
  readonly tickedAt: number
}

/** The clockwork beats every second; this late, the process is stuck or starved. */
const TICK_MAX_AGE_MS = 10_000

/** Whether it goes on asking its machines. Where it does not, only a new start can help. */
export const isWorking = (facts: Pick<AgentFacts, 'machines' | 'tickedAt'>, now: number): boolean =>
  isTicking(facts, now) && notAsked(facts, now).length === 0

const isTicking = ({ tickedAt }: Pick<AgentFacts, 'tickedAt'>, now: number): boolean =>
  now - tickedAt <= TICK_MAX_AGE_MS

const notAsked = ({ machines }: Pick<AgentFacts, 'machines'>, now: number) =>
  machines.filter(machine => now - machine.triedAt > machine.offlineAfterMs)

/**
 * Good is an agent that goes on asking its machines. A machine that does not answer is the machine's affair and shows as
 * OFFLINE (shops cut the breaker at night), and a broker that is away is what the journal is for; both are in the details,
 * with their ages. A card in another board waits for a person, so somebody must look.
 */
export const agentHealth = (facts: AgentFacts, now: number): Health => {
  const age = (at: number | null | undefined): number | null => (at === null || at === undefined ? null : now - at)
  const perMachine = facts.machines.flatMap(machine => [
    [`machine.${machine.id}.lastReadingAgeMs`, age(machine.readAt)] as const,
    [`machine.${machine.id}.state`, machine.code] as const,
  ])
  return {
    ok: isWorking(facts, now) && !facts.board.isMoved,
    ready: isTicking(facts, now),
    details: {
      brokerConnected: facts.brokerConnected,
      lastAckAgeMs: age(facts.lastAckAt),
      journalBytes: facts.journal.bytes,
      journalMaxBytes: facts.journal.maxBytes,
      journalFreeBytes: facts.disk.freeBytes,
      journalMinFreeBytes: facts.disk.minFreeBytes,
      journalOldestAgeMs: age(facts.journal.oldestAt),
      boardMoved: facts.board.isMoved,
      boardSerial: facts.board.serial ?? null,
      cardSerial: facts.board.cardSerial ?? null,
      machines: facts.machines.length,
      machinesHeard: facts.machines.filter(machine => machine.code !== 'OFFLINE').length,
      machinesNotAsked: notAsked(facts, now)
        .map(machine => machine.id)
        .join(' '),
      ...Object.fromEntries(perMachine),
    },
  }
}
