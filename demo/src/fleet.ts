import { MODELS, type ModelName } from '@nakama/simulators'

export interface DemoMachine {
  readonly machine: string
  readonly model: ModelName
  readonly name: string
  readonly nameEn: string
}

/** A shop as the register has it, with the simulated machines that stand in it and the one agent that reads them. */
export interface DemoShop {
  readonly shop: string
  readonly agent: string
  readonly name: string
  readonly nameEn: string
  readonly town: string
  readonly townEn: string
  readonly area: string
  readonly areaEn: string
  readonly phone: string
  readonly machines: readonly DemoMachine[]
}

const machine = (id: string, model: ModelName, name: string, nameEn: string): DemoMachine => ({
  machine: id,
  ...{ model, name, nameEn },
})

/** Four shops of Ota ward that do not exist, with machines such as stand in those that do. */
export const FLEET: readonly DemoShop[] = [
  {
    ...{ shop: 'misaki', agent: 'pi-1', name: 'みさき精工', nameEn: 'Misaki Seiko', phone: '03-0000-0001' },
    ...{ town: '本羽田三丁目', townEn: 'Hon-Haneda 3', area: '羽田', areaEn: 'Haneda' },
    machines: [
      machine('lathe-1', 'nc-lathe', 'NC旋盤 1号機', 'NC lathe 1'),
      machine('lathe-2', 'nc-lathe', 'NC旋盤 2号機', 'NC lathe 2'),
      machine('lathe-3', 'nc-lathe', 'NC旋盤 3号機', 'NC lathe 3'),
      machine('manual-1', 'manual-lathe', '汎用旋盤 6尺', 'Manual lathe, 6 ft'),
    ],
  },
  {
    ...{ shop: 'tsubakuro', agent: 'pi-1', name: 'つばくろ製作所', nameEn: 'Tsubakuro Works', phone: '03-0000-0002' },
    ...{ town: '東蒲田二丁目', townEn: 'Higashi-Kamata 2', area: '蒲田', areaEn: 'Kamata' },
    machines: [
      machine('mc-1', 'vertical-mc', '立形MC 1号機', 'Vertical MC 1'),
      machine('mc-2', 'vertical-mc', '立形MC 2号機', 'Vertical MC 2'),
      machine('five-axis-1', 'five-axis-mc', '5軸MC', '5-axis MC'),
    ],
  },
  {
    ...{ shop: 'yunagi', agent: 'pi-1', name: '夕凪精機', nameEn: 'Yunagi Seiki', phone: '03-0000-0003' },
    ...{ town: '大森南四丁目', townEn: 'Omori-Minami 4', area: '大森', areaEn: 'Omori' },
    machines: [
      machine('lathe-1', 'nc-lathe', 'NC旋盤 大物', 'NC lathe, large'),
      machine('lathe-2', 'nc-lathe', 'NC旋盤 小物', 'NC lathe, small'),
      machine('mc-1', 'vertical-mc', '立形MC', 'Vertical MC'),
      machine('edm-1', 'wire-edm', 'ワイヤーカット', 'Wire EDM'),
    ],
  },
  {
    ...{ shop: 'kitahama', agent: 'pi-1', name: '北浜鉄工', nameEn: 'Kitahama Ironworks', phone: '03-0000-0004' },
    ...{ town: '西糀谷一丁目', townEn: 'Nishi-Kojiya 1', area: '糀谷', areaEn: 'Kojiya' },
    machines: [
      machine('lathe-1', 'nc-lathe', 'NC旋盤', 'NC lathe'),
      machine('mc-1', 'vertical-mc', '立形MC', 'Vertical MC'),
      machine('grinder-1', 'cylindrical-grinder', '円筒研削盤', 'Cylindrical grinder'),
    ],
  },
]

/** The fleet as the coordinator's register has it. */
export const registerOf = (fleet: readonly DemoShop[]) =>
  fleet.map(({ shop, agent, machines, ...names }) => ({
    id: shop,
    ...names,
    agents: [agent],
    machines: machines.map(({ machine: id, model, name, nameEn }) => ({ id, kind: MODELS[model].kind, name, nameEn })),
  }))
