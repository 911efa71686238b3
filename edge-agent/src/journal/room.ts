import { LANES, type Lane } from '@nakama/contract'
import { SEGMENT_BYTES } from './format.ts'
import type { Headroom } from './headroom.ts'
import { KEPT_SEGMENTS, type LaneBook, type ToldLoss } from './lane.ts'
import type { Segment } from './recovery.ts'
import type { Storage } from './storage.ts'

/** Segments made ready before they are needed: one for each lane. */
const SPARE_SEGMENTS = 2

/** With fewer the journal cannot work: it takes these even of what is left to others. */
const NEEDED_SEGMENTS = LANES.length * KEPT_SEGMENTS + SPARE_SEGMENTS

/** Files given back at once: readings must not wait for a long clearing up. */
const GIVE_BACK_MAX = 4

/** A disk that was full is not asked again at every commit. */
const GROW_AGAIN_MS = 10_000

export interface RoomOptions {
  readonly storage: Pick<Storage, 'list' | 'create' | 'remove'>
  readonly books: { readonly [lane in Lane]: LaneBook }
  readonly headroom: Headroom
  /** Bound on the files, at least `NEEDED_SEGMENTS`. */
  readonly maxSegments: number
  /** Files that may be overwritten. */
  readonly free: readonly string[]
  /** The journal is full and this segment goes: journals the gap. Undefined when nothing is lost with it. */
  readonly onGiveUp: (lane: Lane, segment: Segment) => Promise<ToldLoss | undefined>
  /** Writes down how far the lanes are done. Never rejects. */
  readonly saveAcks: () => Promise<void>
}

/** The files that hold nothing that is still needed, and where further ones come from. */
export interface Room {
  /** A file to be overwritten. */
  take(): string | undefined
  /** Nothing was kept in it after all. */
  giveBack(name: string): void
  /** These files may be overwritten once the events up to `afterSeq`, which tell what they held, are durable. */
  hold(names: readonly string[], afterSeq: number): void
  /** The same with files that are good for nothing: they are deleted, or else every opening would tell of them again. */
  condemn(names: readonly string[], afterSeq: number): void
  /** Lets go of what `hold` keeps, whose record has itself no room otherwise: better than to stand still. */
  releaseAll(): void
  /**
   * Sees to it that the next roll-over finds a file: recycled, new, or given up, in that order.
   * @throws what the system says; a disk that is full only after older segments have made room
   */
  make(): Promise<void>
}

interface HeldFile {
  readonly name: string
  readonly afterSeq: number
  readonly isCondemned: boolean
}

export const createRoom = (options: RoomOptions): Room => {
  const { storage, books, headroom, maxSegments, free: found, onGiveUp, saveAcks } = options
  const free = [...found]
  let held: HeldFile[] = []
  let refusal: unknown
  let isAtHeadroom = false
  let growAgainAt = 0

  /** What is needed no more and is told durably; the acks have to know it before it is overwritten. */
  const release = async (): Promise<void> => {
    const { durableSeq } = books.events
    const told = held.filter(file => file.afterSeq <= durableSeq)
    held = held.filter(file => file.afterSeq > durableSeq)
    for (const { name } of told.filter(file => file.isCondemned)) await removeOrReuse(name)
    const released = told.filter(file => !file.isCondemned).map(file => file.name)
    for (const lane of LANES) {
      for (let done = books[lane].releaseDone(); done !== undefined; done = books[lane].releaseDone()) {
        released.push(done.name)
      }
    }
    if (released.length > 0) await saveAcks()
    free.push(...released)
  }

  const removeOrReuse = async (name: string): Promise<void> => {
    try {
      await storage.remove(name)
    } catch {
      free.push(name)
    }
  }

  const hold: Room['hold'] = (names, afterSeq) => {
    held.push(...names.map(name => ({ name, afterSeq, isCondemned: false })))
  }

  const inUse = (): number => books.events.segments.length + books.samples.segments.length
  const spare = (): number => free.length + held.length

  const giveUpOldest = async (): Promise<boolean> => {
    const lane = books.samples.canGiveUp ? 'samples' : books.events.canGiveUp ? 'events' : undefined
    const segment = lane && books[lane].segments[0]
    if (lane === undefined || segment === undefined) return false
    const loss = await onGiveUp(lane, segment)
    books[lane].giveUp(segment, loss)
    hold([segment.name], loss?.seq ?? 0)
    return true
  }

  const grow = async (): Promise<void> => {
    if (performance.now() < growAgainAt) return
    refusal = undefined
    isAtHeadroom = false
    while (free.length < SPARE_SEGMENTS && inUse() + spare() < maxSegments) {
      if (inUse() + spare() >= NEEDED_SEGMENTS && !headroom.allows(SEGMENT_BYTES)) {
        isAtHeadroom = true
        return
      }
      const name = await unusedName(storage)
      try {
        await storage.create(name, Buffer.alloc(SEGMENT_BYTES))
      } catch (error) {
        if (!isDiskFull(error)) throw error
        refusal = error
        growAgainAt = performance.now() + GROW_AGAIN_MS
        return
      }
      headroom.take(SEGMENT_BYTES)
      free.push(name)
    }
  }

  const isTooMany = (): boolean => free.length > 0 && inUse() + spare() > maxSegments
  const isToBeGivenBack = (): boolean =>
    headroom.isShort && free.length > SPARE_SEGMENTS && inUse() + spare() > NEEDED_SEGMENTS

  /** Others need the disk more than files with nothing in them do; what is owed is never deleted for them. */
  const shrink = async (): Promise<void> => {
    for (let left = GIVE_BACK_MAX; isTooMany() || (left > 0 && isToBeGivenBack()); left--) {
      await storage.remove(free[0] as string)
      free.shift()
      headroom.take(-SEGMENT_BYTES)
    }
  }

  return {
    take: () => free.shift(),
    giveBack(name) {
      free.push(name)
    },
    hold,
    condemn(names, afterSeq) {
      held.push(...names.map(name => ({ name, afterSeq, isCondemned: true })))
    },
    releaseAll() {
      free.push(...held.map(file => file.name))
      held = []
    },
    async make() {
      await release()
      await headroom.look()
      await grow()
      const bound = refusal === undefined && !isAtHeadroom ? maxSegments : inUse() + spare()
      while (inUse() + SPARE_SEGMENTS > bound && (await giveUpOldest())) {}
      await shrink()
      if (refusal !== undefined) throw refusal
    },
  }
}

const isDiskFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes((error as { code?: string }).code ?? '')

export const isSegmentName = (name: string): boolean => /^\d{6}\.segment$/.test(name)

const unusedName = async (storage: Pick<Storage, 'list'>): Promise<string> => {
  const numbers = (await storage.list()).filter(isSegmentName).map(name => Number.parseInt(name, 10))
  return `${String(Math.max(0, ...numbers) + 1).padStart(6, '0')}.segment`
}
