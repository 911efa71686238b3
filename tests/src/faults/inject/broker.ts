import { type Injector, mustHaveHappened, pause } from './fault.ts'
import { untilUp } from './processes.ts'

/** The broker is gone for a while, and another one comes that knows nothing: it keeps nothing. */
export const newBroker: Injector = async ({ path, ledger }, { target, forMs }) => {
  await untilUp({ ledger }, target)
  const [pid, at] = [path.pid(target), Date.now()]
  ledger.killing(target)
  await path.unplug(target)
  mustHaveHappened(path.pid(target) === 0, 'no broker')
  await pause(forMs)
  await path.plugIn(target)
  await ledger.untilReady(target, at)
  mustHaveHappened(path.pid(target) !== pid, `another broker than process ${pid}`)
}
