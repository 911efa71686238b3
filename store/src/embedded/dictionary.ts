import type { MachineKind } from '@nakama/contract'
import type { MachineRef, Series } from '../store.ts'
import type { Database } from './database.ts'

const MACHINES_MAX = 1_000_000
const SIGNALS_MAX = 50_000
/** One byte of a packed rollup names the kind. */
const KINDS_MAX = 255

/** Numbers for what is said over and over: machines, kinds, names of signals. */
export interface Dictionary {
  /** Looks up, and adds what is new. Inside a transaction only. */
  machine(ref: MachineRef): number
  kind(code: MachineKind): number
  signal(name: string): number
  findMachine(ref: MachineRef): number | undefined
  /** Every machine by its number. */
  machines(): ReadonlyMap<number, MachineRef>
  series(ref: MachineRef, kind: number): Series
  kindCode(kind: number): MachineKind
  signalName(signal: number): string
  /** Forgets what it remembers: a transaction was rolled back, or somebody else wrote. */
  forget(): void
}

export const openDictionary = (db: Database): Dictionary => {
  const machines = openNames(db, 'machine', ['shop', 'machine'], MACHINES_MAX)
  const kinds = openNames(db, 'kind', ['code'], KINDS_MAX)
  const signals = openNames(db, 'signal', ['name'], SIGNALS_MAX)
  const selectMachines = db.prepare('SELECT id, shop, machine FROM machine')
  const kindCode = (kind: number): MachineKind => kinds.nameOf(kind) as MachineKind
  return {
    machine: ({ shop, machine }) => machines.add(shop, machine),
    kind: code => kinds.add(code),
    signal: name => signals.add(name),
    findMachine: ({ shop, machine }) => machines.find(shop, machine),
    machines: () =>
      new Map(selectMachines.all<[number, string, string]>().map(([id, shop, machine]) => [id, { shop, machine }])),
    series: ({ shop, machine }, kind) => ({ shop, machine, kind: kindCode(kind) }),
    kindCode,
    signalName: signals.nameOf,
    forget() {
      for (const names of [machines, kinds, signals]) names.forget()
    },
  }
}

interface Names {
  add(...parts: string[]): number
  find(...parts: string[]): number | undefined
  nameOf(id: number): string
  forget(): void
}

const openNames = (db: Database, table: string, columns: readonly string[], max: number): Names => {
  const where = columns.map(column => `${column} = ?`).join(' AND ')
  const select = db.prepare(`SELECT id FROM ${table} WHERE ${where}`)
  const selectName = db.prepare(`SELECT ${columns.at(-1)} FROM ${table} WHERE id = ?`)
  const selectCount = db.prepare(`SELECT count(*) FROM ${table}`)
  // Prepared when first needed: a read-only file refuses even to prepare some writes.
  const insertSql = `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')}) RETURNING id`
  let insert: ReturnType<Database['prepare']> | undefined
  const ids = new Map<string, number>()
  const names = new Map<number, string>()

  const find = (...parts: string[]): number | undefined => {
    const key = parts.join('/')
    const known = ids.get(key)
    if (known !== undefined) return known
    const id = select.get<[number]>(...parts)?.[0]
    if (id !== undefined) ids.set(key, id)
    return id
  }
  return {
    find,
    add(...parts) {
      const found = find(...parts)
      if (found !== undefined) return found
      const count = selectCount.get<[number]>()?.[0] ?? 0
      if (count >= max) throw new Error(`expected at most ${max} different ${table}s in one store, got one more`)
      insert ??= db.prepare(insertSql)
      const id = insert.get<[number]>(...parts)?.[0] as number
      ids.set(parts.join('/'), id)
      return id
    },
    nameOf(id) {
      const known = names.get(id)
      if (known !== undefined) return known
      const name = selectName.get<[string]>(id)?.[0]
      if (name === undefined) throw new Error(`${table} ${id}: expected a name, got nothing: the store is damaged`)
      names.set(id, name)
      return name
    },
    forget() {
      ids.clear()
      names.clear()
    },
  }
}
