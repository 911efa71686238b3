import { BOOT_TIME_ZERO, REAL_TIME_BEGIN } from '@nakama/contract'
import type { Log } from '@nakama/service'
import type { AskingClock } from './uplink/time-question.ts'

/** Whom the agent believes about the time. Once it believes somebody it never goes back to nobody. */
export type Trust =
  | { readonly by: 'nobody' }
  /** Ingest told the time: the boot's clock and this much. */
  | { readonly by: 'ingest'; readonly shiftMs: number }
  | { readonly by: 'system' }

/** What time it is; a boot time (see `isBootTime`) while nobody knows. */
export const timeBy = (trust: Trust, wallMs: number, sinceBootMs: number): number => {
  if (trust.by === 'system') return wallMs
  return Math.floor(BOOT_TIME_ZERO + sinceBootMs + (trust.by === 'ingest' ? trust.shiftMs : 0))
}

export interface AgentClockOptions {
  /** Since the start of the system, by a clock that nobody sets. */
  readonly sinceBootMs: () => number
  /** The system's clock, right or wrong. */
  readonly wall: () => number
  /** Same origin as nothing else; what `hear` is told in. */
  readonly monotonic: () => number
  /** Whether the system says that its clock is right. */
  readonly isSynchronised: () => Promise<boolean>
  /** Nobody synchronises the system's clock for this long: ingest is asked. */
  readonly askAfterMs: number
  readonly log: Log
}

export interface AgentClock extends AskingClock {
  /** Milliseconds since 1970 UTC; a boot time while nobody knows. */
  now(): number
  /** From now on what is learnt is kept by this before it is used. What was kept in an earlier life of this boot counts. */
  keepWith(journal: ShiftKeeper): Promise<void>
  /** Asks the system whether its clock is right by now; to be called every second or so. Never rejects. */
  look(): Promise<void>
}

export interface ShiftKeeper {
  readonly bootShiftMs: number | undefined
  keepBootShift(shiftMs: number): Promise<boolean>
}

/**
 * The agent's time. A Pi has no clock battery: until the system says that its clock is right, everything is stamped in boot
 * time. Then the shift to real time is kept, and only when it is durable does the time become real.
 */
export const openAgentClock = async (options: AgentClockOptions): Promise<AgentClock> => {
  const { wall, monotonic, sinceBootMs, log } = options
  const isRight = async (): Promise<boolean> => isReal(wall()) && (await options.isSynchronised().catch(() => false))
  const startedMs = monotonic()
  let trust: Trust = (await isRight()) ? { by: 'system' } : { by: 'nobody' }
  let keeper: ShiftKeeper | undefined
  let isKeeping = false

  const believe = async (next: Trust & { readonly by: 'ingest' | 'system' }): Promise<void> => {
    if (keeper === undefined || isKeeping) return
    isKeeping = true
    try {
      const shiftMs = next.by === 'ingest' ? next.shiftMs : wallShiftMs()
      if (keeper.bootShiftMs === undefined && !(await keepOnce(keeper, shiftMs))) return
      if (trust.by === 'system') return
      trust = next
      log.info({ by: trust.by }, 'the time is known')
    } finally {
      isKeeping = false
    }
  }

  /** Without the system's clock. */
  const ownTrust = (): Trust => {
    const shiftMs = keeper?.bootShiftMs
    return shiftMs === undefined ? { by: 'nobody' } : { by: 'ingest', shiftMs }
  }
  const wallShiftMs = (): number => Math.round(wall() - sinceBootMs() - BOOT_TIME_ZERO)
  /** What an earlier life of this boot journaled needs it, and boots before this one get their bounds with it. */
  const keepOnce = async (journal: ShiftKeeper, shiftMs = wallShiftMs()): Promise<boolean> =>
    isReal(timeBy({ by: 'ingest', shiftMs }, 0, sinceBootMs())) && (await journal.keepBootShift(shiftMs))

  return {
    now() {
      const wallMs = wall()
      return timeBy(trust.by === 'system' && !isReal(wallMs) ? ownTrust() : trust, wallMs, sinceBootMs())
    },
    get synchronised() {
      return trust.by !== 'nobody'
    },
    get isAsking() {
      return trust.by === 'nobody' && monotonic() - startedMs >= options.askAfterMs
    },
    hear(time, atMonotonicMs) {
      if (trust.by !== 'nobody') return
      const atBootMs = sinceBootMs() - (monotonic() - atMonotonicMs)
      void believe({ by: 'ingest', shiftMs: Math.round(time - BOOT_TIME_ZERO - atBootMs) })
    },
    async keepWith(next) {
      keeper = next
      if (trust.by === 'system') await keepOnce(next)
      else if (next.bootShiftMs !== undefined) trust = ownTrust()
      else log.warn({ code: 'CLOCK_UNKNOWN' }, 'the time is not known yet: readings wait in the journal')
    },
    async look() {
      if (trust.by === 'system') {
        if (keeper !== undefined && keeper.bootShiftMs === undefined) await keepOnce(keeper)
      } else if (await isRight()) await believe({ by: 'system' })
    },
  }
}

/** A clock that nobody has set shows some time before this, even where `always` vouches for it. */
const isReal = (time: number): boolean => time >= REAL_TIME_BEGIN
