import { join } from 'node:path'
import type { Clock } from './clock.ts'
import { logName, type MachineEntry, machinesOf, type SimulatorsConfig, serverName } from './config.ts'
import type { Action, MachineView, Outage } from './control-types.ts'
import { type Activity, interrupt, release } from './model/plan.ts'
import { shownBy } from './model/shows.ts'
import {
  advance,
  ownOutage,
  portOutage,
  startUnit,
  truthOf,
  type Unit,
  type UnitOptions,
  withPlan,
} from './model/unit.ts'
import { type Value, valuesAt } from './model/values.ts'
import { type NdjsonLog, openNdjsonLog } from './ndjson-log.ts'
import type { ServedLine, TruthLine } from './truth.ts'

/** What a machine would answer now. */
export interface Reading {
  readonly values: { readonly [signal: string]: Value }
  readonly tick: number
  /** See `ownOutage`. */
  readonly outage: 'unknown' | 'unavailable' | null
}

export interface Machine {
  readonly entry: MachineEntry
  /** Of the server behind which it stands. */
  readonly server: string
  read(): Reading
  /** A reader was given this tick. */
  served(tick: number): void
  do(action: Action, forMs?: number): void
  /** The whole port (`server`), or only this machine behind a shared one. */
  pull(which: 'server' | 'own', mode: Outage, forMs?: number): void
  plug(which: 'server' | 'own'): void
  /** Whether and how the port is gone. */
  portOutage(): Outage | null
  view(): MachineView
}

/** All machines of a process, and their logs. */
export interface Floor {
  readonly machines: readonly Machine[]
  /** Lets time pass up to now, and writes down what it brought. */
  advance(): void
  /** The last words of every log: from now on nobody answers. */
  close(): void
  flush(): Promise<void>
  /** Why a log could not be written, if so. */
  logFailure(): string | undefined
}

const LOG_MAX_BYTES = 64 * 1024 * 1024

export interface FloorOptions {
  readonly clock: Clock
  readonly units: UnitOptions
  /** Simulated time at which this process takes over: what happened before is nobody's truth. */
  readonly present: number
  /** Absolute paths. */
  readonly truthDir: string
  readonly servedDir: string | undefined
  readonly onServed: (entry: MachineEntry) => void
}

export const openFloor = (config: SimulatorsConfig, options: FloorOptions): Floor => {
  const { clock, units, present, truthDir, servedDir, onServed } = options
  const logs: NdjsonLog[] = []
  const openLog = (folder: string, entry: MachineEntry): NdjsonLog => {
    const log = openNdjsonLog(join(folder, logName(entry)), config.logMaxBytes ?? LOG_MAX_BYTES)
    logs.push(log)
    return log
  }
  const all = config.servers.flatMap(server =>
    machinesOf(server).map(entry => {
      const truthLog = openLog(truthDir, entry)
      const servedLog = servedDir === undefined ? undefined : openLog(servedDir, entry)
      const served = (tick: number): void => {
        servedLog?.append({ at: clock.now(), tick } satisfies ServedLine)
        onServed(entry)
      }
      const { unit } = advance(startUnit(entry, units), present)
      return openMachine({ entry, server: serverName(server), unit, clock, truthLog, served })
    }),
  )
  return {
    machines: all.map(({ machine }) => machine),
    advance() {
      for (const { pass } of all) pass()
    },
    close() {
      for (const { pass, end } of all) {
        pass()
        end()
      }
    },
    async flush() {
      await Promise.all(logs.map(log => log.flush()))
    },
    logFailure: () => logs.find(log => log.failure !== undefined)?.failure,
  }
}

interface MachineOptions {
  readonly entry: MachineEntry
  readonly server: string
  readonly unit: Unit
  readonly clock: Clock
  readonly truthLog: NdjsonLog
  readonly served: (tick: number) => void
}

interface RunningMachine {
  readonly machine: Machine
  readonly pass: () => void
  readonly end: () => void
}

const openMachine = (options: MachineOptions): RunningMachine => {
  const { entry, server, clock, truthLog, served } = options
  let unit = options.unit
  let said = truthOf(unit, clock.toWall)
  truthLog.append({ ...said, first: true })

  const note = (changed: Unit): void => {
    const line = truthOf(changed, clock.toWall)
    if (sameTruth(line, said)) return
    said = line
    truthLog.append(line)
  }
  const pass = (): void => {
    const { unit: later, changes } = advance(unit, clock.sim())
    unit = later
    for (const changed of changes) note(changed)
  }
  /** Something that happens now, from outside. */
  const happen = (change: (unit: Unit) => Unit): void => {
    pass()
    unit = change(unit)
    note(unit)
    pass()
  }
  const until = (forMs: number | undefined): number =>
    forMs === undefined ? Number.POSITIVE_INFINITY : unit.at + clock.toSimMs(forMs)

  const machine: Machine = {
    entry,
    server,
    read() {
      pass()
      const shown = shownBy(entry.model, unit.plan.segment.activity)
      return { values: valuesAt(entry.model, unit.plan, shown, unit.at), tick: clock.tick(), outage: ownOutage(unit) }
    },
    served,
    do(action, forMs) {
      happen(now => {
        if (action === 'auto') return withPlan(now, release(now.plan, now.at))
        return withPlan(now, interrupt(now.plan, ACTIVITY_OF[action], now.at, until(forMs) - now.at))
      })
    },
    pull(which, mode, forMs) {
      happen(now => ({ ...now, [PULLED[which]]: { mode, until: until(forMs) } }))
    },
    plug(which) {
      happen(now => ({ ...now, [PULLED[which]]: undefined }))
    },
    portOutage() {
      pass()
      return portOutage(unit)
    },
    view() {
      pass()
      const { state, activity, parts, reachable } = truthOf(unit, clock.toWall)
      return { ...entry, state, activity, parts, reachable, since: clock.toWall(unit.since) }
    },
  }
  const end = (): void => truthLog.append({ ...said, at: clock.now(), simAt: clock.sim(), reachable: false })
  return { machine, pass, end }
}

const PULLED = { server: 'serverPulled', own: 'ownPulled' } as const

const ACTIVITY_OF: { readonly [action in Exclude<Action, 'auto'>]: Activity } = {
  'start-cycle': 'cutting',
  finish: 'complete',
  'feed-hold': 'feed-hold',
  'optional-stop': 'optional-stop',
  setup: 'jogging',
  'warm-up': 'warm-up',
  warning: 'start-refused',
  idle: 'ready',
  alarm: 'alarm',
  'emergency-stop': 'emergency-stop',
  'power-off': 'off',
  'power-on': 'ready',
}

const sameTruth = (a: TruthLine, b: TruthLine): boolean =>
  a.state === b.state &&
  a.done === b.done &&
  a.reachable === b.reachable &&
  a.activity === b.activity &&
  a.doorOpen === b.doorOpen &&
  a.execution === b.execution &&
  a.lamp === b.lamp &&
  a.parts === b.parts
