import { readFileSync } from 'node:fs'
import type { AgentId, NakamaRecord } from '@nakama/contract'
import type { MachineRef, MinutesByState, Rollup, StateInterval } from '@nakama/store'
import { expect, vi } from 'vitest'
import { sortRecord } from '../../src/intake/sort.ts'
import { learn } from '../../src/timeline/intervals.ts'
import { hoursOf, rollUp } from '../../src/timeline/rollup.ts'
import { HOUR, MORNING } from './history.ts'
import { type Journal, message } from './journal.ts'
import type { Workbench } from './workbench.ts'

export type Who = AgentId & MachineRef

export const EVERYTHING = { from: MORNING - 40 * 24 * HOUR, to: MORNING + 20 * 24 * HOUR }

export const takeAcks = (bench: Workbench, journal: Journal): void => {
  for (const ack of bench.acks.splice(0)) journal.ack(ack)
}

/** Sends until everything is acknowledged, as a patient agent does. */
export const deliver = async (bench: Workbench, who: Who, journal: Journal): Promise<void> => {
  await vi.waitFor(
    () => {
      takeAcks(bench, journal)
      if (!journal.done) bench.pipeline.records(who, message(journal.unacked()))
      expect(journal.done).toBe(true)
    },
    { timeout: 10_000, interval: 5 },
  )
}

/** The past as the store tells it, and its hourly and minute rollups. */
export const contents = async ({ store }: Workbench, { shop, machine }: Who) => ({
  timeline: await store.timeline({ shop, machine, ...EVERYTHING }),
  minutes: withTime(await store.rollups({ shop, machine, ...EVERYTHING, resolution: 'minute' })),
  hours: withTime(await store.rollups({ shop, machine, ...EVERYTHING, resolution: 'hour' })),
})
const withTime = (rollups: readonly Rollup[]) =>
  rollups
    .map(({ at, stateMs }) => ({ at, stateMs: Object.fromEntries(Object.entries(stateMs).filter(([, ms]) => ms > 0)) }))
    .filter(({ stateMs }) => Object.keys(stateMs).length > 0)

/** Rollups as they follow from a timeline alone. */
export const hoursFrom = (timeline: readonly StateInterval[]) =>
  [...new Set(timeline.flatMap(hoursOf))].sort((a, b) => a - b).map(at => ({ at, stateMs: sums(rollUp(timeline, at)) }))
const sums = (minutes: MinutesByState) =>
  Object.fromEntries(Object.entries(minutes).map(([code, column]) => [code, column.reduce((a, b) => a + b, 0)]))
export const timelineOf = (records: readonly NakamaRecord[]): StateInterval[] =>
  learn(
    [],
    records.flatMap(record => {
      const sorted = sortRecord({ shop: 's', agent: 'a' }, record, MORNING + 10 * 24 * HOUR)
      return sorted.ok && sorted.claim !== undefined ? [sorted.claim.claim] : []
    }),
  )

export const state = (at: number, code: 'RUNNING' | 'IDLE', since: number): NakamaRecord => ({
  type: 'state',
  machine: 'm1',
  kind: 'nc-lathe',
  at,
  code,
  since,
})

export const currentOf = async ({ store }: Workbench, { shop }: Who) =>
  (await store.currentStates()).find(({ series }) => series.shop === shop)

export const lettersOf = ({ lettersFile }: Workbench, { shop }: Who) =>
  readFileSync(lettersFile, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))
    .filter(letter => letter.shop === shop)
