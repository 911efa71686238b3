import { STATE_CODES, type StateCode } from '@nakama/contract'
import type { MachineEvidence } from './evidence.ts'
import { MINUTE_MS, minutesOf } from './spans.ts'

/** Starts of the minutes whose rollup is not what the stored timeline adds up to. */
export const wrongRollups = ({ timeline, rollups }: Pick<MachineEvidence, 'timeline' | 'rollups'>): Set<number> => {
  const stored = new Map(rollups.map(({ at, stateMs }) => [at, stateMs]))
  const minutes = new Set([...minutesOf(timeline), ...stored.keys()])
  const spent = (minute: number, code: StateCode): number =>
    timeline
      .filter(interval => interval.code === code)
      .reduce((sum, { from, to }) => sum + Math.max(0, Math.min(to, minute + MINUTE_MS) - Math.max(from, minute)), 0)
  return new Set(
    [...minutes].filter(minute => STATE_CODES.some(code => spent(minute, code) !== (stored.get(minute)?.[code] ?? 0))),
  )
}
