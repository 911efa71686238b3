import { Id, KIND_CODES, type Problem } from '@nakama/contract'
import { type Static, Type } from 'typebox'

const Name = Type.String({ minLength: 1, maxLength: 80 })

export const RegisteredMachine = Type.Object(
  {
    id: Id,
    kind: Type.Enum(KIND_CODES),
    name: Name,
    nameEn: Type.Optional(Name),
    /** Which of the shop's agents may speak for it; the shop's only one unless told. */
    agent: Type.Optional(Id),
  },
  { additionalProperties: false },
)

export const RegisteredShop = Type.Object(
  {
    id: Id,
    name: Name,
    nameEn: Type.Optional(Name),
    /** Where it stands, as an address says it: 大森南三丁目. */
    town: Name,
    townEn: Type.Optional(Name),
    /** The part of the ward by which people look for a neighbour: 大森, 蒲田, 羽田. */
    area: Name,
    areaEn: Type.Optional(Name),
    phone: Type.Optional(Type.String({ pattern: '^[0-9+() -]{3,24}$' })),
    agents: Type.Array(Id, { minItems: 1, maxItems: 16, uniqueItems: true }),
    machines: Type.Array(RegisteredMachine, { maxItems: 512 }),
  },
  { additionalProperties: false },
)

/** Every shop and machine that the board shows, in the order in which it shows them. */
export const Register = Type.Array(RegisteredShop, { maxItems: 4_096 })

export type RegisteredMachine = Static<typeof RegisteredMachine>
export type RegisteredShop = Static<typeof RegisteredShop>
export type Register = Static<typeof Register>

/**
 * What a schema cannot say: no shop, no machine of a shop, is there twice, and every machine is one agent's, so that a second
 * one that claims it is refused. `at` is the path of the register itself.
 */
export const registerSense = (register: Register, at = ''): Problem[] => {
  const problems: Problem[] = []
  const once = (seen: Set<string>, id: string, path: string, what: string): void => {
    if (seen.has(id)) problems.push({ path, expected: `${what} that is not there before`, got: JSON.stringify(id) })
    seen.add(id)
  }
  const shops = new Set<string>()
  register.forEach((shop, s) => {
    const prefix = at === '' ? `${s}` : `${at}.${s}`
    once(shops, shop.id, `${prefix}.id`, 'a shop')
    const machines = new Set<string>()
    shop.machines.forEach((machine, m) => {
      const path = `${prefix}.machines.${m}`
      once(machines, machine.id, `${path}.id`, 'a machine of this shop')
      const { agent = shop.agents.length === 1 ? shop.agents[0] : undefined } = machine
      if (agent !== undefined && shop.agents.includes(agent)) return
      const got = JSON.stringify(agent) ?? 'nothing'
      problems.push({ path: `${path}.agent`, expected: `one of ${shop.agents.join(', ')}`, got })
    })
  })
  return problems
}

export interface RegisterIndex {
  readonly shops: readonly RegisteredShop[]
  readonly areas: ReadonlySet<string>
  shop(id: string): RegisteredShop | undefined
  machine(shop: string, machine: string): RegisteredMachine | undefined
}

/** Look-ups by id; the register itself never changes while a process runs. */
export const indexRegister = (shops: Register): RegisterIndex => {
  const byId = new Map(shops.map(shop => [shop.id, shop]))
  const machines = new Map(
    shops.flatMap(shop => shop.machines.map(machine => [machineKey(shop.id, machine.id), machine] as const)),
  )
  return {
    shops,
    areas: new Set(shops.map(({ area }) => area)),
    shop: id => byId.get(id),
    machine: (shop, machine) => machines.get(machineKey(shop, machine)),
  }
}

/** One string for one machine, for look-ups; ids have no slash. */
export const machineKey = (shop: string, machine: string): string => `${shop}/${machine}`

/** The agent that may speak for a machine. */
export const agentOf = (shop: RegisteredShop, machine: RegisteredMachine): string =>
  machine.agent ?? (shop.agents[0] as string)
