import type { MachineView } from '../src/api/schemas.ts'

/** A machine as the stream of events tells it: free at a shop in Omori, unless told otherwise. */
export const aMachine = (changes: Partial<MachineView> = {}): MachineView => {
  const machine: MachineView = {
    shop: 'omori',
    shopName: '大森精密',
    shopNameEn: 'Omori Precision',
    town: '大森南三丁目',
    townEn: null,
    area: '大森',
    areaEn: 'Omori',
    phone: '03-5550-0101',
    machine: 'l1',
    machineName: 'NC旋盤 1号機',
    machineNameEn: null,
    kind: 'nc-lathe',
    state: 'IDLE',
    since: '2026-11-24T05:00:00.000Z',
    asOf: '2026-11-24T05:00:00.000Z',
    taking: true,
    takingUntil: null,
    takingRequest: null,
    free: false,
    observed: null,
    ...changes,
  }
  return { ...machine, free: machine.state === 'IDLE' && machine.taking === true }
}
