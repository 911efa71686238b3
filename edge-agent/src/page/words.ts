import type { SharingLevel } from '../sharing.ts'
import type { RuleName } from '../state/rules.ts'
import { type Html, html } from './html.ts'

/** Japanese first, English beside it. */
export interface Words {
  readonly ja: string
  readonly en: string
}

export const both = ({ ja, en }: Words): Html => html`${ja} <small lang="en">${en}</small>`

export const SHARING_WORDS: { readonly [level in SharingLevel]: Words } = {
  private: { ja: '公開しない（この画面だけ）', en: 'Private: this page only' },
  aggregate: { ja: '集計にだけ含める', en: 'Only in totals' },
  availability: { ja: '社名を出さずに空きだけ公開', en: 'Availability without the name' },
  named: { ja: '社名つきで公開', en: 'With the shop’s name' },
}

export const RULE_WORDS: { readonly [name in RuleName]: Words } = {
  offline: { ja: '通信断', en: 'offline' },
  alarm: { ja: '異常', en: 'alarm' },
  off: { ja: '電源断', en: 'off' },
  warmUp: { ja: '暖機', en: 'warm-up' },
  running: { ja: '運転', en: 'running' },
  paused: { ja: '一時停止', en: 'paused' },
  setup: { ja: '段取', en: 'setup' },
  done: { ja: '加工完了', en: 'done' },
  idle: { ja: '待機', en: 'idle' },
}
