import { LANES } from '@nakama/contract'
import type { Log } from '@nakama/service'
import type { Acked } from './acks-format.ts'
import { scanSegment } from './format.ts'
import { KEPT_SEGMENTS } from './lane.ts'
import { spanOfExtent } from './reader.ts'
import { type FoundFile, type FoundSection, isEmpty, type Recovered, recover } from './recovery.ts'
import { isSegmentName } from './room.ts'
import { readAgain, type Storage } from './storage.ts'
import { type Newest, newestReadings } from './times.ts'

/** Reads whatever is on the disk, in whatever condition: this always opens. A file that cannot be read counts as corrupt. */
export const readJournal = async (
  storage: Storage,
  acked: { readonly events: Acked; readonly samples: Acked },
  now: number,
  log: Log,
): Promise<Recovered & { readonly lastJournaled: Newest }> => {
  const files: FoundFile[] = []
  for (const name of (await storage.list()).filter(isSegmentName).sort()) {
    files.push(await readFound(storage, name, log))
  }
  const found = recover(files, acked, now)
  const newest = LANES.flatMap(lane =>
    found.segments[lane].filter(segment => !segment.sections.every(isEmpty)).slice(-KEPT_SEGMENTS),
  )
  const batches: string[] = []
  for (const { name } of newest) batches.push(...(await readBatches(storage, name)))
  return { ...found, lastJournaled: newestReadings(batches) }
}

const readFound = async (storage: Storage, name: string, log: Log): Promise<FoundFile> => {
  try {
    const bytes = await readAgain(storage, name)
    const scan = scanSegment(bytes)
    if (scan.type === 'corrupt') log.error({ code: 'JOURNAL_CORRUPT' }, `${name}: expected a segment header`)
    if (scan.type !== 'segment') return { name, type: scan.type }
    const sections = scan.sections.map(({ batches, ...section }): FoundSection => {
      const [first, last] = [batches[0], batches.at(-1)]
      return {
        ...section,
        count: batches.length,
        firstAt: first && spanOfExtent(bytes, first)?.from,
        lastAt: last && spanOfExtent(bytes, last)?.to,
      }
    })
    return { name, type: 'segment', crc: scan.crc, sections }
  } catch (error) {
    log.error({ err: error, code: 'JOURNAL_UNREADABLE' }, `${name}: cannot be read`)
    return { name, type: 'corrupt' }
  }
}

const readBatches = async (storage: Storage, name: string): Promise<string[]> => {
  const bytes = await storage.read(name).catch(() => Buffer.alloc(0))
  const scan = scanSegment(bytes)
  if (scan.type !== 'segment') return []
  return scan.sections.flatMap(({ batches }) =>
    batches.map(batch => bytes.toString('utf8', batch.offset, batch.offset + batch.bytes)),
  )
}
