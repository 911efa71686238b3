/** Machine kinds as the trade in Ota ward names them; the code is what travels and what is a tag in the store. */
export const MACHINE_KINDS = {
  'nc-lathe': { ja: 'NC旋盤', en: 'NC lathe' },
  'mill-turn': { ja: '複合旋盤', en: 'Mill-turn' },
  'swiss-lathe': { ja: '自動旋盤', en: 'Swiss-type lathe' },
  'manual-lathe': { ja: '汎用旋盤', en: 'Manual lathe' },
  'vertical-mc': { ja: '立形MC', en: 'Vertical MC' },
  'horizontal-mc': { ja: '横形MC', en: 'Horizontal MC' },
  'five-axis-mc': { ja: '5軸MC', en: '5-axis MC' },
  'milling-machine': { ja: 'フライス盤', en: 'Milling machine' },
  'drilling-machine': { ja: 'ボール盤', en: 'Drilling machine' },
  'boring-machine': { ja: '中ぐり盤', en: 'Boring machine' },
  'surface-grinder': { ja: '平面研削', en: 'Surface grinder' },
  'cylindrical-grinder': { ja: '円筒研削', en: 'Cylindrical grinder' },
  'internal-grinder': { ja: '内面研削', en: 'Internal grinder' },
  'sinker-edm': { ja: '形彫放電', en: 'Sinker EDM' },
  'wire-edm': { ja: 'ワイヤーカット', en: 'Wire EDM' },
  'gear-cutter': { ja: '歯切盤', en: 'Gear cutter' },
  laser: { ja: 'レーザ', en: 'Laser' },
  'press-brake': { ja: '板金プレス', en: 'Sheet-metal press' },
  other: { ja: 'その他', en: 'Other' },
} as const

export type MachineKind = keyof typeof MACHINE_KINDS

export const KIND_CODES = Object.keys(MACHINE_KINDS) as MachineKind[]
