import type { FaultKind } from '../plan.ts'
import { newBroker } from './broker.ts'
import { clockAtStart, clockStep } from './clock.ts'
import { shuffle } from './delivery.ts'
import { diskFull } from './disk.ts'
import type { Injector } from './fault.ts'
import { flippedJournal, tornJournal } from './journal.ts'
import { blackHole, cut, halfOpen, slow } from './network.ts'
import { freeze, kill } from './processes.ts'
import { storeLocked } from './store.ts'

/** How each kind is done. A new kind is a file here, a line here, and its trait in the plan. */
export const INJECTORS: { readonly [kind in FaultKind]: Injector } = {
  ...{ kill, freeze, cut, slow, shuffle },
  'black-hole': blackHole,
  'half-open': halfOpen,
  'new-broker': newBroker,
  'disk-full': diskFull,
  'torn-journal': tornJournal,
  'flipped-journal': flippedJournal,
  'store-locked': storeLocked,
  'clock-at-start': clockAtStart,
  'clock-step': clockStep,
}
