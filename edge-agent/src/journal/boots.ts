import { type BatchClock, BOOT_TIME_ZERO, isBootTime, SHIFT_MIN_MS } from '@nakama/contract'
import { decodeLines, encodeLine } from './checked-line.ts'
import type { Storage } from './storage.ts'

/** Twelve hex digits of the system's boot id; of journals that knew no boots, and of sections without boot times. */
export const NO_BOOT = '000000000000'

/** What is known of a boot's time for ever: how far its times are to be moved, or that nobody will know. */
export type BootClock = { readonly boot: string } & (
  | { readonly shiftMs: number }
  | { readonly unsynchronised: { readonly from: number; readonly to: number } }
)

export interface Boots {
  /** Of the present boot; undefined until it was kept. */
  readonly shiftMs: number | undefined
  /** What batches of this boot say beside their boot times; undefined while it is not known yet, and they have to wait. */
  clockOf(boot: string): BatchClock | undefined
  /**
   * A time of this boot as a record of the present boot may tell it: real, or by the present boot's own clock. Undefined when
   * nobody knows.
   */
  tell(time: number, boot: string): number | undefined
  /**
   * Keeps the present boot's shift, once: what was kept before stays. Former boots in the journal that nobody ever
   * synchronised get their bounds with it: from `knownUntil`, or for as long as they ran, to the beginning of this boot.
   * @throws what the system says, or when the shift cannot be true; then nothing is changed
   */
  keep(shiftMs: number, knownUntil: number | undefined): Promise<void>
}

const NAME = /^clock\.([0-9]{1,9})$/
const MAX_BYTES = 64 * 1024
/** A file this long is written anew at the opening, with what the journal still needs. */
const COMPACT_BYTES = MAX_BYTES / 4

/** @param found boots of which the journal still has something, and the newest boot time of each. */
export const openBoots = async (
  storage: Pick<Storage, 'list' | 'read' | 'appendTo' | 'remove'>,
  present: string,
  found: ReadonlyMap<string, number>,
): Promise<Boots> => {
  const names = (await storage.list()).filter(name => NAME.test(name)).sort((a, b) => numberOf(a) - numberOf(b))
  const clocks = new Map<string, BootClock>()
  let bytes = 0
  for (const name of names) {
    const text = (await storage.read(name).catch(() => Buffer.alloc(0))).toString('utf8')
    bytes += text.length
    // The first word counts: it may have been used.
    for (const clock of decodeLines(text) as BootClock[]) {
      if (!clocks.has(clock.boot) && isPossible(clock)) clocks.set(clock.boot, clock)
    }
  }
  let file = names.at(-1) ?? 'clock.1'
  if (bytes > COMPACT_BYTES) {
    const next = `clock.${numberOf(file) + 1}`
    const needed = [...clocks.values()].filter(({ boot }) => boot === present || found.has(boot))
    const done = await storage.appendTo(next, needed.map(encodeLine).join(''), MAX_BYTES).catch(() => false)
    if (done) {
      file = next
      for (const name of names) await storage.remove(name).catch(() => {})
    }
  }

  const shiftOf = (boot: string): number | undefined => {
    const clock = clocks.get(boot)
    return clock !== undefined && 'shiftMs' in clock ? clock.shiftMs : undefined
  }

  return {
    get shiftMs() {
      return shiftOf(present)
    },
    clockOf(boot) {
      const clock = clocks.get(boot)
      if (clock === undefined) return undefined
      return 'shiftMs' in clock ? { shiftMs: clock.shiftMs } : { unsynchronised: clock.unsynchronised }
    },
    tell(time, boot) {
      if (!isBootTime(time) || boot === NO_BOOT) return time
      const shiftMs = shiftOf(boot)
      if (shiftMs !== undefined) return time + shiftMs
      return boot === present ? time : undefined
    },
    async keep(wanted, knownUntil) {
      const shiftMs = shiftOf(present) ?? wanted
      if (shiftMs < SHIFT_MIN_MS)
        throw new Error(`${file}: expected a shift of at least ${SHIFT_MIN_MS} ms, got ${shiftMs}`)
      const to = BOOT_TIME_ZERO + shiftMs
      const unknown = [...found].filter(([boot]) => boot !== present && boot !== NO_BOOT && !clocks.has(boot))
      const next: BootClock[] = unknown.map(([boot, newest]) => {
        const from = Math.min(to, knownUntil ?? to - (newest - BOOT_TIME_ZERO))
        return { boot, unsynchronised: { from, to } }
      })
      if (!clocks.has(present)) next.push({ boot: present, shiftMs })
      if (next.length === 0) return
      if (!(await storage.appendTo(file, next.map(encodeLine).join(''), MAX_BYTES))) throw new Error(`${file}: full`)
      for (const clock of next) clocks.set(clock.boot, clock)
    },
  }
}

/** An agent that believed a clock nobody had set wrote other ones. With those nobody could take a batch. */
const isPossible = (clock: BootClock): boolean => !('shiftMs' in clock) || clock.shiftMs >= SHIFT_MIN_MS

const numberOf = (name: string): number => Number(NAME.exec(name)?.[1] ?? 0)
