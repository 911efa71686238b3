/**
 * Asks until the answer is there, with a deadline; a check that throws counts as "not yet".
 *
 * @throws Error naming what did not happen, and the last reason why.
 */
export const until = async <T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  { withinMs = 20_000, everyMs = 100 }: { readonly withinMs?: number; readonly everyMs?: number } = {},
): Promise<T> => {
  const deadline = performance.now() + withinMs
  let reason = 'it never was'
  for (;;) {
    try {
      const answer = await ask()
      if (answer !== undefined && answer !== false) return answer
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error)
    }
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms (${reason})`)
    await new Promise(resolve => setTimeout(resolve, everyMs))
  }
}

/** Does something at a steady pace until `endAt` (milliseconds since 1970); work that takes longer is not made up for. */
export const pacedUntil = async (endAt: number, everyMs: number, work: () => Promise<void>): Promise<void> => {
  while (Date.now() < endAt) {
    const begun = Date.now()
    await work()
    await new Promise(resolve => setTimeout(resolve, Math.max(0, everyMs - (Date.now() - begun))))
  }
}
