import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { agentName } from '@nakama/demo'
import { until } from '../../until.ts'
import { STEP_MAX_MS } from '../judge/evidence.ts'
import { readingOf, SHOPS } from '../world.ts'
import { type Injector, mustHaveHappened, pause } from './fault.ts'
import { kill, untilUp } from './processes.ts'

const HOUR_MS = 3_600_000
/** What a Pi without a clock battery may believe when it is switched on; the last ones had a battery once. */
const WRONG_TIMES = [
  () => Date.UTC(1970, 0, 1) - Date.now(),
  () => Date.UTC(2000, 0, 1) - Date.now(),
  () => Date.UTC(2019, 5, 1) - Date.now(),
  (random: () => number) => -random() * 12 * HOUR_MS,
  (random: () => number) => random() * 12 * HOUR_MS,
]
/** For what is said over IPC to arrive before what is said by a file. */
const HEARD_MS = 1_000
/** The agent looks every second, and what it learnt must be on the card first. */
const KEPT_WITHIN_MS = 20_000

/**
 * The Pi is switched off and on: its clock is wrong, and says so. Sometimes the agent dies once more before anybody has set the
 * clock. Then it is set, and the system says so.
 */
export const clockAtStart: Injector = async (world, fault, random) => {
  const { path, ledger, pi, journalDir } = world
  const { target, forMs } = fault
  await untilUp({ ledger }, target)
  const from = Date.now()
  const leftMs = (): number => Math.max(0, from + forMs - Date.now())
  ledger.killing(target)
  await path.unplug(target)
  const boot = pi(target).restart()
  const isTimeKnown = (): boolean => knowsTimeOf(journalDir(target), boot)
  const wrongTime = WRONG_TIMES[Math.floor(random() * WRONG_TIMES.length)] as (typeof WRONG_TIMES)[number]
  path.setClock(target, Math.round(wrongTime(random)))
  try {
    await path.plugIn(target)
    await ledger.untilReady(target, from)
    if (random() < 0.5) {
      await pause(leftMs() / 2)
      await kill(world, fault, random)
    }
    await pause(leftMs())
    mustHaveHappened(!isTimeKnown(), `${target} not to know the time`)
  } finally {
    path.setClock(target, 0)
    await pause(HEARD_MS)
    pi(target).synchronise()
  }
  await until(`${target} knows the time`, isTimeKnown, { withinMs: KEPT_WITHIN_MS })
}

/** By the agent's own note of it: see FORMAT.md of the journal. */
const knowsTimeOf = (folder: string, boot: string): boolean =>
  readdirSync(folder)
    .filter(name => name.startsWith('clock.'))
    .some(name => readFileSync(join(folder, name), 'utf8').includes(`{"boot":"${boot}","shiftMs":`))

/** Less would not be seen among the times for which values wait at a machine that pushes. */
const STEP_MIN_MS = { each: 200, stream: 1_200 }

/**
 * A clock that is believed is set wrong, and right again; half of the times by whole seconds, so that set back it gives the
 * same times again to machines that are read every second. The agent says so itself, but of a short step; the judge sees it in the
 * times of all machines that are not away.
 */
export const clockStep: Injector = async ({ path, ledger, logFile }, { target, forMs }, random) => {
  await untilUp({ ledger }, target)
  const machines = SHOPS.filter(({ shop }) => agentName(shop) === target).flatMap(shop => shop.machines)
  const shortest = Math.max(...machines.map(machine => STEP_MIN_MS[readingOf(machine)]))
  const unit = random() < 0.5 ? 1 : 1_000
  const byMs = (random() < 0.5 ? -unit : unit) * Math.ceil((shortest * (STEP_MAX_MS / shortest) ** random()) / unit)
  const from = Date.now()
  path.setClock(target, byMs)
  try {
    await pause(forMs)
    if (Math.abs(byMs) >= TOLD_FROM_MS)
      mustHaveHappened(tellsOf(logFile(target), from, byMs), `${target} off by ${byMs} ms`)
  } finally {
    path.setClock(target, 0)
    ledger.note('stepped', { process: target, from, to: Date.now(), byMs })
  }
}

/** A smaller jump is one that a clock may make that is slewed. */
const TOLD_FROM_MS = 1_100
/** Between the two clocks that the agent compares. */
const TOLD_WITHIN_MS = 50

const tellsOf = (logFile: string, from: number, byMs: number): boolean =>
  readFileSync(logFile, 'utf8')
    .split('\n')
    .filter(line => line.includes('"CLOCK_STEPPED"') && line.endsWith('}'))
    .map(line => JSON.parse(line) as { readonly time: string; readonly byMs: number })
    .some(told => Date.parse(told.time) >= from && Math.abs(told.byMs - byMs) <= TOLD_WITHIN_MS)
