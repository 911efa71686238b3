import type { ReadFailure } from '../source.ts'
import { type Answer, exceptionText, type ReadRequest } from './protocol.ts'
import type { ReadResult } from './station.ts'
import type { Talk } from './talk.ts'

/** Octets to and from the other side. */
export interface Wire {
  write(octets: Uint8Array): void
  /** Throws away what is on its way and waits for silence. Absent: only a new connection is as good. */
  drain?(): Promise<void>
  /** Closes it; `closed` follows within a second. */
  destroy(): void
}

/** What a wire tells of itself. */
export interface WireEvents {
  octets(chunk: Uint8Array): void
  /** Once, at the end. */
  closed(message: string): void
}

export interface Connection {
  /** One at a time. Never rejects, and settles within `timeoutMs` (and the time of a drain). */
  ask(unit: number, request: ReadRequest, timeoutMs: number): Promise<ReadResult>
  drop(reason: ReadFailure): void
  /** Resolves when it is of no more use, with the reason; `hadAnswer`: it was of some use before. */
  readonly ended: Promise<{ readonly reason: ReadFailure; readonly hadAnswer: boolean }>
}

/** A peer that was stopped keeps its sockets open: that nobody behind it answers is all that shows it. */
const FAULTS_MAX = 3

/**
 * Asks and waits. What follows a disorder on the line is never believed: the line is drained, or the connection ends.
 *
 * @param unnumbered answers carry no number (RTU), so that after any failure a late one could be taken for the next.
 */
export const openConnection = (open: (events: WireEvents) => Wire, talk: Talk, unnumbered: boolean): Connection => {
  const ended = Promise.withResolvers<{ reason: ReadFailure; hadAnswer: boolean }>()
  let settle: ((heard: Answer | ReadFailure) => void) | undefined
  let hadAnswer = false
  let faults = 0
  let disordered = false
  let over: ReadFailure | undefined

  const drop = (reason: ReadFailure): void => {
    over ??= reason
    settle?.(reason)
    wire.destroy()
  }
  const wire = open({
    octets(chunk) {
      for (const heard of talk.hear(chunk)) {
        if (heard.type === 'answer') settle?.(heard.answer)
        else if (heard.type === 'disorder') {
          disordered = true
          const failure: ReadFailure = { kind: 'protocol', message: heard.why }
          if (wire.drain === undefined) drop(failure)
          else settle?.(failure)
        }
      }
    },
    closed(message) {
      over ??= { kind: 'connect', message }
      settle?.(over)
      ended.resolve({ reason: over, hadAnswer })
    },
  })

  const clear = async (): Promise<void> => {
    await wire.drain?.()
    talk.reset()
    disordered = false
  }

  const expired = (timeoutMs: number): ReadFailure => {
    if (talk.giveUp() === 'clean') return { kind: 'timeout', message: `no answer in ${Math.round(timeoutMs)} ms` }
    disordered = true
    return { kind: 'protocol', message: 'a frame was cut off' }
  }

  /** Ends with a line that can be believed, or with none. */
  const judge = async (failure: ReadFailure): Promise<void> => {
    faults++
    const frozen = faults >= FAULTS_MAX
    if (!frozen && !unnumbered && !disordered) return
    if (!frozen && wire.drain !== undefined) return clear()
    drop(frozen ? { ...failure, message: `${faults} failures in a row: ${failure.message}` } : failure)
    await ended.promise
  }

  return {
    drop,
    ended: ended.promise,
    async ask(unit, request, timeoutMs) {
      if (over !== undefined) {
        await ended.promise
        return { ok: false, failure: over, line: true }
      }
      if (disordered) await clear()
      const heard = await new Promise<Answer | ReadFailure>(resolve => {
        // When this process was busy, the answer may be here already and only not be taken up yet.
        const timer = setTimeout(() => setImmediate(() => settle === mine && mine(expired(timeoutMs))), timeoutMs)
        const mine = (result: Answer | ReadFailure): void => {
          settle = undefined
          clearTimeout(timer)
          resolve(result)
        }
        settle = mine
        wire.write(talk.ask(unit, request))
      })
      const result = toResult(request, heard)
      if (result.ok || result.exception !== undefined) {
        faults = 0
        hadAnswer ||= result.ok
      } else if (over === undefined) await judge(result.failure)
      return result
    },
  }
}

const toResult = ({ area, address, count }: ReadRequest, heard: Answer | ReadFailure): ReadResult => {
  const where = `${area} ${address}, ${count}`
  if ('kind' in heard) return { ok: false, failure: { ...heard, message: `${where}: ${heard.message}` } }
  if (heard.ok) return heard
  if ('problem' in heard) return { ok: false, failure: { kind: 'protocol', message: `${where}: ${heard.problem}` } }
  const { exception } = heard
  return { ok: false, exception, failure: { kind: 'exception', message: `${where}: ${exceptionText(exception)}` } }
}
