import type { Feed, MachineView, ShopTakingView } from './api/schemas.ts'
import type { IngestPresence } from './ingest-presence.ts'
import type { Listening } from './listening.ts'
import type { MachinePresence } from './presence.ts'
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

export const feedView = ({ up, since }: Listening, ingest: IngestPresence): Feed => ({
  connected: up,
  since: time(since),
  ingest: { connected: ingest.connected, since: time(ingest.since) },
})

/** Whether a board must be told. When an agent was last heard, and what share was observed, moves all the time and is not. */
export const looksDifferent = (a: MachineView | undefined, b: MachineView): boolean =>
  a === undefined ||
  a.state !== b.state ||
  a.since !== b.since ||
  a.taking !== b.taking ||
  a.takingUntil !== b.takingUntil ||
  JSON.stringify(a.takingRequest) !== JSON.stringify(b.takingRequest)

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

const timeOrNull = (ms: number | null): string | null => (ms === null ? null : time(ms))

const time = (ms: number): string => new Date(ms).toISOString()
