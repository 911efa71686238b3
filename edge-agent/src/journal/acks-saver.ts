import { LANES, type Lane } from '@nakama/contract'
import type { Log } from '@nakama/service'
import type { AcksFile } from './acks-file.ts'
import type { Acked } from './acks-format.ts'
import { inOneFlight } from './one-flight.ts'

export interface AcksSaverOptions {
  readonly acks: Pick<AcksFile, 'save'>
  /** How far a lane is done, as far as it may be written down. */
  readonly ackedOf: (lane: Lane) => Acked
  readonly log: Log
}

export interface AcksSaver {
  /** Never rejects: what cannot be saved is repeated. */
  save(): Promise<void>
  /** In a while, together with what changes until then. */
  saveSoon(): void
  /** Nothing is saved later any more. */
  stop(): void
}

const SAVE_ACKS_MS = 10_000

/** Saves how far the lanes are done, one write at a time and seldom: a card wears. */
export const createAcksSaver = ({ acks, ackedOf, log }: AcksSaverOptions): AcksSaver => {
  let timer: NodeJS.Timeout | undefined
  const save = inOneFlight(() =>
    acks
      .save(Object.fromEntries(LANES.map(lane => [lane, ackedOf(lane)])) as { [lane in Lane]: Acked })
      .catch(error => log.warn({ err: error, code: 'JOURNAL_ACKS' }, 'acks cannot be saved: they will be repeated')),
  )
  return {
    save,
    saveSoon() {
      timer ??= setTimeout(() => {
        timer = undefined
        void save()
      }, SAVE_ACKS_MS)
    },
    stop: () => clearTimeout(timer),
  }
}
