import type { ReadFailure, SourceContext, Value } from '../source.ts'
import type { OpcuaStation } from './opcua.ts'
import type { Heard } from './subscription.ts'

/** The latest values of one machine, and when they go out as a reading. */
export interface Outlet {
  readonly id: string
  /** So long the server may say nothing. */
  allow(quietMs: number): void
  /** The signal is now made of these nodes, of which nothing is known yet. */
  expect(signal: string, nodeIds: readonly string[]): void
  hear(signal: string, nodeId: string, heard: Heard): void
  /** The signal has no node: nothing is known of it, or, with `isAbsent`, that the machine has no such thing. */
  lose(signal: string, isAbsent: boolean): void
  /** Everything is as last heard. */
  confirm(): void
  /** The connection is gone, and with it everything that was known. */
  fail(failure: ReadFailure): void
  /** Reports a machine that has had no reading for longer than it should. */
  complain(failure: ReadFailure): void
}

/** The value of an optional signal that the machine does not have: no rule can take it for anything else. */
export const NOT_THERE = '(not there)'

export const openOutlet = (
  { id, source }: OpcuaStation,
  { sink, now, monotonic, metrics }: SourceContext,
  patienceMs: number,
): Outlet => {
  const heard = new Map<string, Map<string, Heard | undefined>>()
  const absent = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let nextDue = monotonic()
  let deliveredAt = monotonic()
  let quietMs = 0
  let isLossy = false
  let aheadMs: number | undefined
  let bad: string | undefined

  const values = (): { [signal: string]: Value } =>
    Object.fromEntries(
      source.signals.map(({ name }) => [
        name,
        absent.has(name) ? NOT_THERE : joined([...(heard.get(name)?.values() ?? [])]),
      ]),
    )
  const deliver = (): void => {
    timer = undefined
    const current = values()
    if (Object.values(current).every(value => value === null || value === NOT_THERE)) return
    deliveredAt = monotonic()
    metrics.reads.inc({ machine: id })
    sink.reading(id, {
      at: now(),
      values: current,
      quietMs,
      ...(isLossy ? { isLossy } : {}),
      ...(aheadMs === undefined ? {} : { aheadMs }),
    })
    isLossy = false
    aheadMs = undefined
  }
  /** At its next time, or now when that has passed; the values of one publish come one by one and go together. */
  const schedule = (): void => {
    if (timer !== undefined) return
    const due = Math.max(nextDue, monotonic())
    nextDue = due + source.pollMs
    timer = setTimeout(deliver, Math.max(0, due - monotonic()))
  }
  const report = (failure: ReadFailure): void => {
    metrics.failures.inc({ machine: id, kind: failure.kind })
    sink.failure(id, failure)
  }

  return {
    id,
    allow(ms) {
      quietMs = ms
    },
    expect(signal, nodeIds) {
      heard.set(signal, new Map(nodeIds.map(nodeId => [nodeId, undefined])))
      // One that was known not to exist stays so until it is found: only then is anything known of it.
      if (nodeIds.length > 0) absent.delete(signal)
    },
    hear(signal, nodeId, one) {
      heard.get(signal)?.set(nodeId, one)
      isLossy ||= one.isLossy
      bad = one.bad ?? bad
      if (one.sourceAt !== undefined) aheadMs = one.sourceAt - now()
      schedule()
    },
    lose(signal, isAbsent) {
      heard.delete(signal)
      if (isAbsent) absent.add(signal)
      schedule()
    },
    confirm: schedule,
    fail(failure) {
      clearTimeout(timer)
      timer = undefined
      heard.clear()
      bad = undefined
      report(failure)
    },
    complain(failure) {
      if (monotonic() - deliveredAt <= Math.max(3 * source.pollMs, 2 * quietMs, patienceMs)) return
      report(
        bad === undefined || failure.kind !== 'no-node'
          ? failure
          : { kind: 'exception', message: `server says ${bad}` },
      )
    },
  }
}

/** A signal of several nodes, such as the states of a machine's channels, is the lowest of them: the most active one. */
const joined = (parts: readonly (Heard | undefined)[]): Value => {
  if (parts.length === 1) return parts[0]?.value ?? null
  const numbers = parts.map(part => part?.value)
  return numbers.length > 0 && numbers.every(value => typeof value === 'number') ? Math.min(...numbers) : null
}
