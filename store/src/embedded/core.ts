import { messageOf } from '@nakama/contract'
import type { StoreWrite } from '../store.ts'
import { whyImpossible } from './check.ts'
import type { Database } from './database.ts'
import { openDictionary } from './dictionary.ts'
import { type ErrorParts, isWorthRetrying, partsOf, toStoreError } from './errors.ts'
import { openEventReader, openEventWriter } from './events.ts'
import { openRollupReader, openRollupWriter } from './rollups.ts'
import { openSampleReader, openSampleWriter } from './samples.ts'
import { openStateReader, openStateWriter } from './states.ts'
import { openStats } from './stats.ts'

/** What a transaction came to. With `failed` nothing of it was kept, and handing it in again may help. */
export interface Outcome {
  readonly rejected: readonly (readonly [index: number, reason: string])[]
  readonly failed?: ErrorParts
}

export interface WriterCore {
  write(writes: readonly StoreWrite[], now: number): Outcome
}

/** Takes writes into the tables, all in one durable transaction. Blocks; never throws. */
export const openWriterCore = (db: Database): WriterCore => {
  const dictionary = openDictionary(db)
  const states = openStateWriter(db, dictionary)
  const rollups = openRollupWriter(db, dictionary)
  const samples = openSampleWriter(db, dictionary)
  const events = openEventWriter(db, dictionary)
  let dataVersion: number | undefined

  const applyAsIs = (write: StoreWrite): undefined => {
    if (write.type === 'state') states.write(write)
    else if (write.type === 'rollup') rollups.write(write)
    else if (write.type === 'samples') samples.write(write)
    else events.write(write)
    return undefined
  }
  const forget = (): void => {
    dictionary.forget()
    states.forget()
  }
  /** Another process may write to the file too: what we remember of it is then worth nothing. */
  const noticeOthers = (): void => {
    const version = db.pragma('data_version')
    if (version !== dataVersion) forget()
    dataVersion = version
  }
  /** The value that made the whole fail is found by keeping each write apart: slower, and hardly ever needed. */
  const applyCarefully = (write: StoreWrite): string | undefined => {
    db.exec('SAVEPOINT one')
    try {
      applyAsIs(write)
      db.exec('RELEASE one')
      return undefined
    } catch (error) {
      if (isWorthRetrying(error)) throw error
      db.exec('ROLLBACK TO one; RELEASE one')
      forget()
      return messageOf(error)
    }
  }
  const applyAll = (writes: readonly StoreWrite[], rejected: Map<number, string>, careful: boolean): void =>
    db.transaction(() => {
      noticeOthers()
      writes.forEach((write, index) => {
        if (rejected.has(index)) return
        const reason = careful ? applyCarefully(write) : applyAsIs(write)
        if (reason !== undefined) rejected.set(index, reason)
      })
      samples.flush()
    })

  return {
    write(writes, now) {
      const rejected = new Map<number, string>()
      writes.forEach((write, index) => {
        const reason = whyImpossible(write, now)
        if (reason !== undefined) rejected.set(index, reason)
      })
      for (const careful of [false, true]) {
        try {
          if (rejected.size < writes.length) applyAll(writes, rejected, careful)
          return { rejected: [...rejected] }
        } catch (error) {
          forget()
          samples.forget()
          if (careful || isWorthRetrying(error)) return { rejected: [], failed: partsOf(toStoreError(db.file, error)) }
        }
      }
      return { rejected: [] }
    },
  }
}

export type ReaderCore = ReturnType<typeof openReaderCore>

/** Answers every query from one moment of the file. Blocks; throws what SQLite throws. */
export const openReaderCore = (db: Database) => {
  const dictionary = openDictionary(db)
  const states = openStateReader(db, dictionary)
  const rollups = openRollupReader(db, dictionary)
  const samples = openSampleReader(db, dictionary)
  const events = openEventReader(db, dictionary)
  const stats = openStats(db)
  const ofOneMoment =
    <Q, A>(question: (query: Q) => A) =>
    (query: Q): A =>
      db.snapshot(() => question(query))
  return {
    currentStates: ofOneMoment((_: undefined) => states.current()),
    timeline: ofOneMoment(states.timeline),
    rollups: ofOneMoment(rollups.rollups),
    samples: ofOneMoment(samples.samples),
    counts: ofOneMoment(events.counts),
    gaps: ofOneMoment(events.gaps),
    stats: ofOneMoment((_: undefined) => stats()),
  }
}
