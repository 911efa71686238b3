import { readFileSync } from 'node:fs'
import { until } from '../../until.ts'
import type { World } from '../world.ts'
import { type Injector, mustHaveHappened, pause } from './fault.ts'

/** The supervisor starts it again. */
export const kill: Injector = async ({ path, ledger }, { target }) => {
  await untilUp({ ledger }, target)
  const [pid, at] = [path.pid(target), Date.now()]
  ledger.killing(target)
  path.kill(target, 'SIGKILL')
  await ledger.untilReady(target, at)
  mustHaveHappened(pid !== 0 && path.pid(target) !== pid, `another process ${target} than ${pid}`)
}

/** Its connections stay open, and it does nothing. */
export const freeze: Injector = async ({ path, ledger }, { target, forMs }) => {
  await untilUp({ ledger }, target)
  const [pid, from] = [path.pid(target), Date.now()]
  process.kill(pid, 'SIGSTOP')
  try {
    await until(`${target} is stopped`, () => isStopped(pid), { withinMs: 2_000, everyMs: 20 })
    await pause(forMs)
    mustHaveHappened(isStopped(pid), `${target} to be stopped for ${forMs} ms`)
  } finally {
    process.kill(pid, 'SIGCONT')
    ledger.note('frozen', { process: target, from, to: Date.now() })
  }
}

/** A fault needs something to be done to. */
export const untilUp = ({ ledger }: Pick<World, 'ledger'>, process: string): Promise<true> =>
  until(`${process} runs`, () => ledger.isUp(process), { withinMs: 30_000 })

/** By what the system says of it: proc(5). */
const isStopped = (pid: number): boolean => /^\d+ \(.*\) T/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
