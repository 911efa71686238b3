import { clockTime, MACHINE_KINDS, type MachineKind, STATES } from '@nakama/contract'
import type { StateChoice } from './model.ts'

export type Lang = 'ja' | 'en'

/** Everything that the board says. A language that lacks a word does not compile. */
export interface Words {
  readonly brand: string
  readonly tagline: string
  readonly title: (free: number) => string
  readonly otherLang: string
  readonly freeNow: string
  readonly freeShort: string
  readonly freeOnly: string
  readonly machineUnit: string
  readonly ofMachines: (total: number) => string
  readonly freeOfKind: (kind: string, free: number, total: number) => string
  readonly filters: string
  readonly kinds: string
  readonly areas: string
  readonly states: string
  readonly matching: (count: number) => string
  readonly clearFilters: string
  readonly clear: string
  readonly nothingFits: string
  readonly noMachines: string
  readonly connecting: string
  readonly receiving: string
  readonly lost: string
  readonly lostStream: (time: string, ago: string) => string
  readonly lostFeed: (time: string, ago: string) => string
  readonly storing: string
  readonly notStored: (time: string) => string
  readonly since: (time: string, length: string) => string
  readonly lastHeard: (time: string, ago: string) => string
  readonly neverHeard: string
  readonly taking: string
  readonly resting: string
  readonly takingUnknown: string
  readonly takingNow: (taking: string, until: string | undefined) => string
  readonly waiting: string
  readonly waitingShort: string
  readonly waitingFor: (value: boolean) => string
  readonly refused: (why: string) => string
  readonly idleResting: string
  readonly details: (shop: string, machine: string) => string
  readonly call: string
  readonly noPhone: string
  readonly close: string
  readonly last24h: string
  readonly observed: string
  readonly recent: string
  readonly nowWord: string
  readonly noHistory: string
  readonly loading: string
  readonly shopTaking: string
  readonly howLong: string
  readonly untilFurtherNotice: string
  readonly untilEndOfDay: string
  readonly untilEndOfWeek: string
  readonly send: string
  readonly sending: string
  readonly notSent: (why: string) => string
  readonly unreachable: string
  readonly sendNote: string
}

export const WORDS: { readonly [lang in Lang]: Words } = {
  ja: {
    brand: '仲間まわし',
    tagline: '機械の空き状況',
    title: free => `空き${free}台｜仲間まわし`,
    otherLang: 'English',
    freeNow: 'いま頼める機械',
    freeShort: 'いま頼める',
    freeOnly: 'いま頼める機械のみ表示',
    machineUnit: '台',
    ofMachines: total => `全${total}台`,
    freeOfKind: (kind, free, total) => `${kind}：いま頼める機械 ${free}台、全${total}台`,
    filters: '絞り込み',
    kinds: '機種',
    areas: '地域',
    states: '状態',
    matching: count => `該当${count}台`,
    clearFilters: '絞り込みを解除',
    clear: '解除',
    nothingFits: '条件に合う機械はありません。',
    noMachines: '登録された機械はまだありません。',
    connecting: '接続中',
    receiving: '受信中',
    lost: '受信停止',
    lostStream: (time, ago) => `この画面に情報が届いていません。表示は${time}（${ago}）のものです。`,
    lostFeed: (time, ago) => `各工場の情報を受信できていません。表示は${time}（${ago}）のものです。`,
    storing: '記録停止',
    notStored: time => `${time}から履歴を保存できていません。現在の状態は正しく、記録は各工場の端末に残っています。`,
    since: (time, length) => `${time}から ${length}`,
    lastHeard: (time, ago) => `最終受信 ${time}（${ago}）`,
    neverHeard: 'まだ一度も受信していません',
    taking: '受ける',
    resting: '休む',
    takingUnknown: '受付未確認',
    takingNow: (taking, until) => `現在：${taking}${until === undefined ? '' : `（${until}まで）`}`,
    waiting: '工場の応答待ち',
    waitingShort: '応答待ち',
    waitingFor: value => `「${value ? '受ける' : '休む'}」を送りました。工場の応答待ち`,
    refused: why => `工場側で反映できませんでした：${why}`,
    idleResting: '待機',
    details: (shop, machine) => `${shop} ${machine} の詳細`,
    call: '電話',
    noPhone: '電話番号の登録なし',
    close: '閉じる',
    last24h: '直近24時間',
    observed: '観測率',
    recent: '最近の動き',
    nowWord: '現在',
    noHistory: '履歴を読み出せません。現在の状態には影響ありません。',
    loading: '読み込み中',
    shopTaking: 'この工場の仕事の受付',
    howLong: 'いつまで',
    untilFurtherNotice: '期限なし',
    untilEndOfDay: '本日中',
    untilEndOfWeek: '今週日曜まで',
    send: '工場へ送る',
    sending: '送信中',
    notSent: why => `送れませんでした：${why}`,
    unreachable: 'サーバーにつながりません',
    sendNote: '工場の端末が応答すると反映されます。',
  },
  en: {
    brand: 'Nakama',
    tagline: 'Free machines',
    title: free => `${free} free | Nakama`,
    otherLang: '日本語',
    freeNow: 'Free to take work',
    freeShort: 'Free to take work',
    freeOnly: 'Free machines only',
    machineUnit: '',
    ofMachines: total => `of ${total}`,
    freeOfKind: (kind, free, total) => `${kind}: ${free} free to take work, of ${total}`,
    filters: 'Filters',
    kinds: 'Kind',
    areas: 'Area',
    states: 'State',
    matching: count => `${count} shown`,
    clearFilters: 'Clear filters',
    clear: 'Clear',
    nothingFits: 'No machine matches these filters.',
    noMachines: 'No machines are registered yet.',
    connecting: 'Connecting',
    receiving: 'Live',
    lost: 'No reception',
    lostStream: (time, ago) => `Nothing reaches this screen. It shows how things were at ${time}, ${ago}.`,
    lostFeed: (time, ago) => `Nothing is received from the shops. This is how things were at ${time}, ${ago}.`,
    storing: 'Not recording',
    notStored: time =>
      `The history is not being stored since ${time}. The present states are right, and the shops keep their records.`,
    since: (time, length) => `since ${time} · ${length}`,
    lastHeard: (time, ago) => `heard ${time} · ${ago}`,
    neverHeard: 'Never heard so far',
    taking: 'Takes work',
    resting: 'Not taking',
    takingUnknown: 'Not known',
    takingNow: (taking, until) => `Now: ${taking}${until === undefined ? '' : `, until ${until}`}`,
    waiting: 'Waiting for the shop',
    waitingShort: 'Waiting',
    waitingFor: value => `Sent “${value ? 'takes work' : 'not taking'}”. Waiting for the shop`,
    refused: why => `The shop could not apply it: ${why}`,
    idleResting: 'Idle',
    details: (shop, machine) => `Details of ${machine}, ${shop}`,
    call: 'Call',
    noPhone: 'No phone number registered',
    close: 'Close',
    last24h: 'Last 24 hours',
    observed: 'Observed',
    recent: 'Recent changes',
    nowWord: 'now',
    noHistory: 'The history cannot be read. The present state is not affected.',
    loading: 'Loading',
    shopTaking: 'Does this shop take work?',
    howLong: 'For how long',
    untilFurtherNotice: 'Until further notice',
    untilEndOfDay: 'Until the end of today',
    untilEndOfWeek: 'Until the end of this week',
    send: 'Send to shop',
    sending: 'Sending',
    notSent: why => `Could not be sent: ${why}`,
    unreachable: 'the server cannot be reached',
    sendNote: "It takes effect when the shop's computer answers.",
  },
}

/** 9時, 09:00 */
export const hourName = (ms: number, lang: Lang): string => {
  const time = clockTime(ms)
  return lang === 'ja' ? `${Number(time.slice(0, 2))}時` : time
}

export const kindName = (kind: MachineKind, lang: Lang): string => MACHINE_KINDS[kind][lang]

export const stateName = (state: StateChoice, lang: Lang): string =>
  state === 'FREE' ? WORDS[lang].freeShort : STATES[state][lang]

/** The name in the reader's language, if there is one. */
export const named = (ja: string, en: string | null, lang: Lang): string => (lang === 'en' ? (en ?? ja) : ja)
