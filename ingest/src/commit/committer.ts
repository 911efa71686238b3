import type { AgentId } from '@nakama/contract'
import type { Log } from '@nakama/service'
import type { MachineRef, Store, StoreWrite } from '@nakama/store'
import type { IngestMetrics } from '../metrics.ts'
import type { Claim } from '../timeline/intervals.ts'
import { type Machines, machineKey } from '../timeline/machines.ts'
import { type Lesson, type Plan, planLesson, rangeToRead } from '../timeline/plan.ts'
import type { DeadLetter, DeadLetters } from './dead-letters.ts'
import { type AheadBatch, assemble, type Group, streamKey, type TakenBatch } from './group.ts'
import { inPieces } from './pieces.ts'
import { createRetrier } from './retry.ts'

export interface CommitterOptions {
  readonly store: Store
  readonly machines: Machines
  readonly machinesOf: (from: AgentId) => readonly string[]
  readonly letters: DeadLetters
  /** Everything that comes within this time is written together. */
  readonly gatherMs: number
  /** Of batches, as on the wire, in one write. */
  readonly groupMaxBytes: number
  /** These are durable now, rollups and dead letters included: they may be acknowledged. */
  readonly onStored: (batches: readonly TakenBatch[]) => void
  /** These were let go, the first that is ahead of its time and all behind it: they come again. */
  readonly onAhead: (first: AheadBatch, batches: readonly TakenBatch[]) => void
  readonly now: () => number
  readonly random: () => number
  readonly log: Log
  readonly metrics: IngestMetrics
}

/** The one place that writes: whatever comes is gathered, stored in order, and only then reported as stored. */
export interface Committer {
  submit(batch: TakenBatch): void
  /** Draws the present on; the newest of each machine counts. */
  presume(ref: MachineRef, claim: Claim): void
  /** Of lines that no batch stands for. Dropped, and counted, when too many wait. */
  bury(letter: DeadLetter): void
  /** Waiting or being written. */
  readonly queuedBytes: number
  /** Since when the store or the dead-letter file has refused; undefined while all is well. */
  readonly refusedSince: number | undefined
  /** Newest time in anything stored by this process. */
  readonly newestAt: number | undefined
  /** Waits for the write in hand, for a bounded time; what waits behind it is not acknowledged and comes again. */
  stop(): Promise<void>
}

const STOP_MAX_MS = 3_000
const LETTERS_MAX = 1_000
const READS_AT_ONCE = 64

export const startCommitter = (options: CommitterOptions): Committer => {
  const { store, machines, letters, gatherMs, groupMaxBytes, now, random, log, metrics } = options
  let waiting: TakenBatch[] = []
  let buried: DeadLetter[] = []
  let presumed = new Map<string, { ref: MachineRef; claim: Claim }>()
  let queuedBytes = 0
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let newestAt: number | undefined
  let isStopped = false
  const retrier = createRetrier({ onRetry: () => metrics.retries.inc(), now, random, log })

  const wake = (): void => {
    if (timer !== undefined || running !== undefined || isStopped) return
    timer = setTimeout(() => {
      timer = undefined
      running = commit().finally(() => {
        running = undefined
        if (waiting.length > 0 || buried.length > 0 || presumed.size > 0) wake()
      })
    }, gatherMs)
  }

  const plan = async (lessons: readonly Lesson[]): Promise<Plan[]> => {
    const plans: Plan[] = []
    for (let first = 0; first < lessons.length; first += READS_AT_ONCE) {
      plans.push(
        ...(await Promise.all(
          lessons.slice(first, first + READS_AT_ONCE).map(async lesson => {
            const range = rangeToRead(lesson)
            if (range === undefined) return { writes: [], tail: undefined }
            const { shop, machine } = lesson.series
            const known = await store.timeline({ shop, machine, ...range })
            return planLesson(lesson, known, machines.tail(lesson.series))
          }),
        )),
      )
    }
    return plans
  }

  /** Resolves with what can never be stored. */
  const write = async (writes: readonly StoreWrite[]): Promise<DeadLetter[] | undefined> => {
    const refused: DeadLetter[] = []
    let left = writes
    const done = await retrier.untilDone('writing', async () => {
      if (left.length === 0) return true
      const end = metrics.storeSeconds.startTimer()
      const { rejected, retry } = await store.write(left)
      end()
      refused.push(...rejected.map(({ write: what, reason }) => rejectedLetter(what, reason)))
      left = retry
      if (left.length > 0) throw new Error(`the store wants ${left.length} of ${writes.length} writes again`)
      return true
    })
    return done === undefined ? undefined : refused
  }

  const letGo = (first: AheadBatch, due: readonly TakenBatch[]): void => {
    const key = streamKey(first.batch)
    const behind = [...due.slice(due.indexOf(first.batch)), ...waiting].filter(batch => streamKey(batch) === key)
    waiting = waiting.filter(batch => streamKey(batch) !== key)
    for (const { text } of behind) queuedBytes -= text.length
    options.onAhead(first, behind)
  }

  const commit = async (): Promise<void> => {
    const due = takeUpTo(waiting, groupMaxBytes)
    waiting = waiting.slice(due.length)
    const lines = buried
    buried = []
    const drawn = presumed
    presumed = new Map()

    const group = assemble(due, drawn, machines, options.machinesOf, now())
    for (const first of group.ahead) letGo(first, due)
    const refused: DeadLetter[] = []
    const tails: Plan['tail'][] = []
    let writes = group.writes
    // The pieces need not be stored together: none is acknowledged before all are, and what comes again is planned anew.
    for (const lessons of inPieces(group.lessons)) {
      const plans = await retrier.untilDone('reading', () => plan(lessons))
      if (plans === undefined) return
      const bad = await write([...writes, ...plans.flatMap(({ writes }) => writes)])
      if (bad === undefined) return
      refused.push(...bad)
      tails.push(...plans.map(({ tail }) => tail))
      writes = []
    }
    const dead = [...lines, ...group.bad.map(badLetter), ...refused]
    const isBuried = await retrier.untilDone('keeping dead letters', () => letters.append(dead, now()).then(() => true))
    if (isBuried === undefined) return

    group.lessons.forEach(({ series, presumed: claim }, i) => {
      machines.learnt(series, tails[i], claim)
    })
    for (const { text } of group.batches) queuedBytes -= text.length
    count(metrics, group, dead, now())
    for (const at of group.newestAt) newestAt = Math.max(newestAt ?? 0, at)
    options.onStored(group.batches)
  }

  return {
    submit(batch) {
      waiting.push(batch)
      queuedBytes += batch.text.length
      wake()
    },
    presume(ref, claim) {
      presumed.set(machineKey(ref), { ref, claim })
      wake()
    },
    bury(letter) {
      if (buried.length < LETTERS_MAX) buried.push(letter)
      else metrics.deadLettersDropped.inc()
      wake()
    },
    get queuedBytes() {
      return queuedBytes
    },
    get refusedSince() {
      return retrier.failingSince
    },
    get newestAt() {
      return newestAt
    },
    async stop() {
      isStopped = true
      clearTimeout(timer)
      const deadline = setTimeout(() => retrier.giveUp(), STOP_MAX_MS)
      await running
      clearTimeout(deadline)
    },
  }
}

const takeUpTo = (batches: readonly TakenBatch[], maxBytes: number): TakenBatch[] => {
  let bytes = 0
  const end = batches.findIndex((batch, i) => {
    bytes += batch.text.length
    return bytes > maxBytes && i > 0
  })
  return batches.slice(0, end === -1 ? batches.length : end)
}

const badLetter = ({ batch, record, reason, why }: Group['bad'][number]): DeadLetter => {
  const { from, lane, epoch, seq } = batch
  return { reason, why, ...from, lane, epoch, seq, what: record }
}

const rejectedLetter = (what: StoreWrite, why: string): DeadLetter => ({
  reason: 'rejected',
  why,
  shop: 'series' in what ? what.series.shop : what.shop,
  agent: 'agent' in what ? what.agent : '',
  what,
})

const count = (metrics: IngestMetrics, group: Group, dead: readonly DeadLetter[], now: number): void => {
  for (const [type, n] of group.records) metrics.records.inc({ type }, n)
  metrics.values.inc(group.values)
  for (const { reason } of dead) metrics.deadLetters.inc({ reason })
  for (const at of group.newestAt) metrics.lagSeconds.observe(Math.max(0, now - at) / 1_000)
}
