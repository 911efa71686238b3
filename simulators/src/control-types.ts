import type { StateCode } from '@nakama/contract'
import { type Static, Type } from 'typebox'

/** What can be made to happen at a machine. `auto` gives it back to its own plan. */
export const ACTIONS = [
  'start-cycle',
  'finish',
  'feed-hold',
  'optional-stop',
  'setup',
  'warm-up',
  'warning',
  'idle',
  'alarm',
  'emergency-stop',
  'power-off',
  'power-on',
  'auto',
] as const
export type Action = (typeof ACTIONS)[number]

/** Body of `POST /machines/<shop>/<machine>/do`. Without `forMs` (real milliseconds) it lasts until the next one. */
export const DoBody = Type.Object(
  { action: Type.Enum([...ACTIONS]), forMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400_000 })) },
  { additionalProperties: false },
)
export type DoBody = Static<typeof DoBody>

/** How a network interface can be gone: it answers nothing, refuses connections, or breaks every one. */
export const OUTAGES = ['hang', 'refuse', 'reset'] as const
export type Outage = (typeof OUTAGES)[number]

/** Body (optional) of `POST /machines/<shop>/<machine>/unplug` and `POST /servers/<name>/unplug`; `…/plug` undoes it. */
export const UnplugBody = Type.Object(
  {
    mode: Type.Optional(Type.Enum([...OUTAGES])),
    forMs: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400_000 })),
  },
  { additionalProperties: false },
)
export type UnplugBody = Static<typeof UnplugBody>

/** One of `GET /machines`: the truth now. */
export interface MachineView {
  readonly shop: string
  readonly machine: string
  readonly model: string
  readonly state: Exclude<StateCode, 'OFFLINE'>
  readonly reachable: boolean
  readonly activity: string
  readonly parts: number
  /** Milliseconds since 1970 UTC since which `state` holds. */
  readonly since: number
}
