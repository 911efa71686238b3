import type { StoreWrite, WriteResult } from '../store.ts'
import type { Outcome } from './core.ts'

export interface CommitQueueOptions {
  /** Makes one transaction of the writes. Must not reject. */
  readonly commit: (writes: readonly StoreWrite[]) => Promise<Outcome>
  /** Writes that come within this time share a transaction. */
  readonly delayMs: number
}

export interface CommitQueue {
  push(writes: readonly StoreWrite[]): Promise<WriteResult>
  /** Commits what is waiting at once; what comes later is to be retried. Resolves when nothing is under way. */
  close(): Promise<void>
}

/**
 * Weight of one transaction: a write counts one, samples one more per 32 values. It bounds how long other work waits for
 * both threads.
 */
const TRANSACTION_MAX_WEIGHT = 4_000
/** What may wait, about 100 MB: beyond it callers are told to retry. */
const WAITING_MAX_WEIGHT = 200_000

/**
 * Group commit. One transaction is under way at a time; what comes in the meantime waits and shares the next. Writes of one
 * call keep their order, and when one of its transactions fails, so does the rest of that call, unsent.
 */
export const createCommitQueue = ({ commit, delayMs }: CommitQueueOptions): CommitQueue => {
  const waiting: Piece[] = []
  let weight = 0
  let timer: NodeJS.Timeout | undefined
  let working: Promise<void> | undefined
  let closed = false

  const takeTransaction = (): Piece[] => {
    const taken: Piece[] = []
    for (let sum = 0; waiting.length > 0; ) {
      const next = waiting[0] as Piece
      if (taken.length > 0 && sum + next.weight > TRANSACTION_MAX_WEIGHT) break
      sum += next.weight
      weight -= next.weight
      taken.push(waiting.shift() as Piece)
    }
    return taken
  }
  const work = async (): Promise<void> => {
    while (waiting.length > 0) {
      const pieces = takeTransaction().filter(piece => !piece.call.giveUp(piece))
      if (pieces.length === 0) continue
      const outcome = await commit(pieces.flatMap(piece => piece.writes))
      settle(pieces, outcome)
    }
  }
  const start = (): void => {
    timer = undefined
    working = work().finally(() => {
      working = undefined
      if (waiting.length > 0) schedule()
    })
  }
  const schedule = (): void => {
    if (working === undefined && timer === undefined) timer = setTimeout(start, closed ? 0 : delayMs)
  }

  return {
    push(writes) {
      const total = writes.reduce((sum, write) => sum + weightOf(write), 0)
      if (closed || (weight > 0 && weight + total > WAITING_MAX_WEIGHT)) {
        return Promise.resolve({ accepted: 0, rejected: [], retry: writes })
      }
      if (writes.length === 0) return Promise.resolve({ accepted: 0, rejected: [], retry: [] })
      weight += total
      return new Promise(resolve => {
        waiting.push(...piecesOf(writes, resolve))
        schedule()
      })
    },
    async close() {
      closed = true
      if (timer !== undefined) {
        clearTimeout(timer)
        start()
      }
      while (working !== undefined) await working
    },
  }
}

/** A part of one call that fits a transaction. */
interface Piece {
  readonly writes: readonly StoreWrite[]
  readonly weight: number
  readonly call: Call
}

interface Call {
  /** Counts a piece as not sent when an earlier one of the same call failed: the order within a call must hold. */
  giveUp(piece: Piece): boolean
  done(piece: Piece, outcome: Outcome): void
}

const weightOf = (write: StoreWrite): number =>
  write.type === 'samples' ? 1 + (write.at.length * Object.keys(write.signals).length) / 32 : 1

const piecesOf = (writes: readonly StoreWrite[], resolve: (result: WriteResult) => void): Piece[] => {
  const rejected: WriteResult['rejected'][number][] = []
  const retry: StoreWrite[] = []
  let settled = 0
  let failed = false
  const settlePiece = (piece: Piece): void => {
    settled += piece.writes.length
    if (settled < writes.length) return
    resolve({ accepted: writes.length - rejected.length - retry.length, rejected, retry })
  }
  const call: Call = {
    giveUp(piece) {
      if (!failed) return false
      retry.push(...piece.writes)
      settlePiece(piece)
      return true
    },
    done(piece, outcome) {
      failed ||= outcome.failed !== undefined
      if (outcome.failed !== undefined) retry.push(...piece.writes)
      for (const [index, reason] of outcome.rejected)
        rejected.push({ write: piece.writes[index] as StoreWrite, reason })
      settlePiece(piece)
    },
  }
  const pieces: Piece[] = []
  for (let from = 0; from < writes.length; ) {
    let to = from
    let weight = 0
    do weight += weightOf(writes[to++] as StoreWrite)
    while (to < writes.length && weight < TRANSACTION_MAX_WEIGHT)
    pieces.push({ writes: writes.slice(from, to), weight, call })
    from = to
  }
  return pieces
}

const settle = (pieces: readonly Piece[], { rejected, failed }: Outcome): void => {
  let from = 0
  for (const piece of pieces) {
    const to = from + piece.writes.length
    const own = rejected.filter(([index]) => index >= from && index < to)
    const shifted = own.map(([index, reason]) => [index - from, reason] as const)
    piece.call.done(piece, failed === undefined ? { rejected: shifted } : { rejected: [], failed })
    from = to
  }
}
