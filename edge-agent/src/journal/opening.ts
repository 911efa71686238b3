import { isBootTime, LANES } from '@nakama/contract'
import type { Log } from '@nakama/service'
import type { Acked } from './acks-format.ts'
import { type Boots, openBoots } from './boots.ts'
import { scanSegment } from './format.ts'
import { KEPT_SEGMENTS } from './lane.ts'
import { spanOfExtent } from './reader.ts'
import { bootsIn, type FoundFile, type FoundSection, isEmpty, type Recovered, recover } from './recovery.ts'
import { isSegmentName } from './room.ts'
import { readAgain, type Storage } from './storage.ts'
import { type BootBatch, type Newest, newestReadings } from './times.ts'

/** Reads whatever is on the disk, in whatever condition: this always opens. A file that cannot be read counts as corrupt. */
export const readJournal = async (
  storage: Storage,
  acked: { readonly events: Acked; readonly samples: Acked },
  boot: string,
  now: number,
  log: Log,
): Promise<Recovered & { readonly lastJournaled: Newest; readonly boots: Boots }> => {
  const files: FoundFile[] = []
  for (const name of (await storage.list()).filter(isSegmentName).sort()) {
    files.push(await readFound(storage, name, log))
  }
  const boots = await openBoots(storage, boot, bootsIn(files))
  // Whose boot it was is not written there: as new as can be, so that no gap claims too much.
  const inTime = (of: Acked): Acked => ({
    ...of,
    owedSince: of.owedSince !== undefined && isBootTime(of.owedSince) ? now : of.owedSince,
  })
  const found = recover(files, { events: inTime(acked.events), samples: inTime(acked.samples) }, now, boots.tell)
  const newest = LANES.flatMap(lane =>
    found.segments[lane].filter(segment => !segment.sections.every(isEmpty)).slice(-KEPT_SEGMENTS),
  )
  const batches: BootBatch[] = []
  for (const { name } of newest) batches.push(...(await readBatches(storage, name)))
  return { ...found, lastJournaled: newestReadings(batches, boots.tell), boots }
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

const readBatches = async (storage: Storage, name: string): Promise<BootBatch[]> => {
  const bytes = await storage.read(name).catch(() => Buffer.alloc(0))
  const scan = scanSegment(bytes)
  if (scan.type !== 'segment') return []
  return scan.sections.flatMap(({ header, batches }) =>
    batches.map(({ offset, bytes: length }) => ({
      boot: header.boot,
      recordsJson: bytes.toString('utf8', offset, offset + length),
    })),
  )
}
