import type { Feed, MachineView, ShopTakingView } from './api/schemas.ts'
import type { MachinePresence, PresenceState } from './presence.ts'
import type { RegisteredMachine, RegisteredShop } from './register.ts'
import type { ShopTaking } from './taking.ts'

/** A machine as the API and the board show it. `free` is defined here and nowhere else: idle, and its shop takes work. */
export const machineView = (
  shop: RegisteredShop,
  machine: RegisteredMachine,
  presence: MachinePresence,
  taking: ShopTaking,
  observed: number | null,
): MachineView => ({
  shop: shop.id,
  shopName: shop.name,
  shopNameEn: shop.nameEn ?? null,
  town: shop.town,
  townEn: shop.townEn ?? null,
  area: shop.area,
  areaEn: shop.areaEn ?? null,
  phone: shop.phone ?? null,
  machine: machine.id,
  machineName: machine.name,
  machineNameEn: machine.nameEn ?? null,
  kind: machine.kind,
  state: presence.state,
  since: timeOrNull(presence.since),
  asOf: timeOrNull(presence.asOf),
  taking: taking.value,
  takingUntil: timeOrNull(taking.until),
  takingRequest: requestView(taking),
  free: presence.state === 'IDLE' && taking.value === true,
  observed,
})

export const takingView = (shop: RegisteredShop, taking: ShopTaking): ShopTakingView => ({
  shop: shop.id,
  taking: taking.value,
  takingUntil: timeOrNull(taking.until),
  takingRequest: requestView(taking),
})

export const feedView = ({ feed }: PresenceState): Feed => ({
  connected: feed.up,
  since: new Date(feed.since).toISOString(),
})

const requestView = ({ request }: ShopTaking): MachineView['takingRequest'] =>
  request === null
    ? null
    : {
        value: request.value,
        until: timeOrNull(request.until),
        rev: request.rev,
        status: request.status,
        why: request.why,
      }

const timeOrNull = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())
