import type { Log } from '@nakama/service'
import { decodeLines, encodeLine } from './checked-line.ts'
import { inOneFlight } from './one-flight.ts'
import { readAgain, type Storage } from './storage.ts'

/** Whether the card is in the board whose readings it keeps. */
export interface Board {
  /** Serial number of the board that the process runs on; undefined where the system tells none, and nothing is compared. */
  readonly serial: string | undefined
  /** Of the board that the card belongs to; undefined on a card that never knew one. */
  readonly cardSerial: string | undefined
  /** The card is in another board: it was moved, or it is a copy whose original still runs. Nothing may be sent. */
  readonly isMoved: boolean
  /** Resolves once the card belongs to this board: at once, or when somebody has said so; perhaps never. */
  readonly settled: Promise<void>
  /** Somebody says that the card was moved. Kept durably first. @throws what the system says; then nothing has changed */
  confirm(): Promise<void>
}

const NAME = 'board'

/**
 * Compares the board with the one that the card knows. A card that knows none (new, of an agent that did not ask, or with a
 * damaged file) belongs to the board that it is in.
 */
export const openBoard = async (
  storage: Pick<Storage, 'list' | 'read' | 'create'>,
  serial: string | undefined,
  log: Log,
): Promise<Board> => {
  const { promise: settled, resolve: settle } = Promise.withResolvers<void>()
  let cardSerial = await readSerial(storage, log)

  const isMoved = (): boolean => serial !== undefined && cardSerial !== undefined && serial !== cardSerial
  const keep = async (next: string): Promise<void> => {
    await storage.create(NAME, Buffer.from(encodeLine({ serial: next })))
    cardSerial = next
    log.info({ boardSerial: next }, 'the card belongs to this board')
  }

  if (serial === undefined && cardSerial !== undefined) {
    log.warn(
      { cardSerial, code: 'BOARD_UNKNOWN' },
      'this system tells no serial number: not compared with that of the card',
    )
  }
  if (serial !== undefined && cardSerial === undefined) {
    // The next opening tries again.
    await keep(serial).catch(error => log.warn({ err: error, code: 'BOARD_NOT_KEPT' }, 'the board cannot be kept yet'))
  }
  if (!isMoved()) settle()

  return {
    serial,
    settled,
    get cardSerial() {
      return cardSerial
    },
    get isMoved() {
      return isMoved()
    },
    confirm: inOneFlight(async () => {
      if (serial === undefined || !isMoved()) return
      await keep(serial)
      settle()
    }),
  }
}

const readSerial = async (storage: Pick<Storage, 'list' | 'read'>, log: Log): Promise<string | undefined> => {
  if (!(await storage.list()).includes(NAME)) return undefined
  const text = await readAgain(storage, NAME).then(
    bytes => bytes.toString('utf8'),
    () => '',
  )
  const [line] = decodeLines(text) as { readonly serial: string }[]
  if (line === undefined)
    log.error({ code: 'BOARD_UNREADABLE' }, `${NAME}: damaged: the card is taken to belong to this board`)
  return line?.serial
}
