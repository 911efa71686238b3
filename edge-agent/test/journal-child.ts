import { setTimeout as wait } from 'node:timers/promises'
import { openTestJournal, recordOf, recordsOf, timeOf } from './journal-support.ts'

/*
 * A process to be killed: `node journal-child.ts DIR FIRST`. It appends numbered records without end and says on standard
 * output, one JSON value a line, up to which number they are durable, and which batches it has sent and forgotten.
 */
const [dir, first] = process.argv.slice(2) as [string, string]

/** Resolves when it is on its way, whatever happens to this process. */
const say = (what: unknown): Promise<void> =>
  new Promise(resolve => {
    process.stdout.write(`${JSON.stringify(what)}\n`, () => resolve())
  })

const journal = await openTestJournal({ dir, maxBytes: 16 * 1024 * 1024 })

/** As the uplink does, one batch at a time; what was said before the deletion counts as stored. */
const send = async (): Promise<void> => {
  for (const { lane, epoch, oldest, newest } of journal.streams()) {
    if (oldest > newest) continue
    for (const batch of await journal.read(lane, epoch, oldest, 100_000)) {
      await say({ lane, epoch, seq: batch.seq, numbers: recordsOf([batch]).map(timeOf) })
      if (journal.streams().find(stream => stream.lane === lane)?.epoch === epoch)
        journal.deleteUpTo(lane, epoch, batch.seq)
    }
  }
}

for (let number = Number(first); ; ) {
  for (let i = 0; i < 5; i++, number++) journal.append(recordOf(number % 2 ? 'samples' : 'events', number, 20_000))
  if (await journal.flush()) await say({ durable: number - 1 })
  if (number % 3 === 0) await send()
  // Timers and signals get their turn.
  await wait(1)
}
