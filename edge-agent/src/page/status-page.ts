import { clockTime, endOfDay, endOfWeek, secondsText, sinceTime, type Taking } from '@nakama/contract'
import type { PageFacts } from './facts.ts'
import { type Html, html } from './html.ts'
import { machineCard } from './machine-card.ts'
import { SCRIPT, STYLE } from './style.ts'
import { both, SHARING_WORDS, type Words } from './words.ts'

/** For how long a change of 受ける / 休む is to hold. */
export const UNTIL = {
  open: { words: { ja: '期限なし', en: 'until further notice' }, at: () => null },
  day: { words: { ja: '本日中', en: 'until the end of today' }, at: endOfDay },
  week: { words: { ja: '今週日曜まで', en: 'until Sunday' }, at: endOfWeek },
} as const satisfies { readonly [name: string]: { readonly words: Words; readonly at: (now: number) => number | null } }

/** The Pi's own page: for the owner with a phone, and for whoever connects a machine. */
export const statusPage = (facts: PageFacts): string => {
  const title = `${facts.shop} の機械｜仲間まわし`
  return `<!doctype html>${
    html`<html lang="ja">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>${title}</title>
  <style>${{ html: STYLE }}</style>
  <noscript><meta http-equiv="refresh" content="10"></noscript>
</head>
<body>
  <h1>仲間まわし <small>${facts.shop}・${facts.agent}</small></h1>
  <p id="silent" role="alert" hidden>${both({ ja: 'この端末から応答がありません。表示は古いものです。', en: 'This device does not answer; what you see is old.' })}</p>
  <main id="live">${live(facts)}</main>
  ${takingForm()}
  <footer>Nakama ${facts.version}</footer>
  <script>${{ html: SCRIPT }}</script>
</body>
</html>`.html
  }`
}

/** What is shown anew every two seconds. */
export const live = (facts: PageFacts): Html => html`
  ${facts.isBoardMoved && html`<p class="stop"><a href="/board">${both({ ja: '別の基板のカードです。何も送信していません。確認してください。', en: 'This card is in another board and sends nothing: please confirm.' })}</a></p>`}
  ${takingNow(facts.taking, facts.at)}
  ${facts.machines.map(machine => machineCard(machine, facts.at))}
  ${lines(facts)}
  <p class="now">${both({ ja: `${clockTime(facts.at)}:${secondsText(facts.at)} 現在`, en: 'now' })}</p>`

const takingNow = ({ value, until }: Taking, now: number): Html => {
  const limit = until === null ? '' : `（${sinceTime(until, now)}まで）`
  const words: Words = value
    ? { ja: `仕事を受けています${limit}`, en: 'Taking work' }
    : { ja: `仕事を休んでいます${limit}`, en: 'Not taking work' }
  return html`<p class="taking" data-taking="${String(value)}">${both(words)}</p>`
}

const takingForm = (): Html => html`
  <form id="taking" method="post" action="/taking"><details>
    <summary>${both({ ja: '受ける／休むを変える', en: 'Change it' })}</summary>
    <label>${both({ ja: 'いつまで', en: 'Until when' })}
      <select name="until">${Object.entries(UNTIL).map(
        ([name, { words }]) => html`<option value="${name}">${words.ja} / ${words.en}</option>`,
      )}</select></label>
    <div>
      <button name="value" value="true">${both({ ja: '受ける', en: 'Take work' })}</button>
      <button name="value" value="false">${both({ ja: '休む', en: 'Rest' })}</button>
    </div>
    <p>${both({
      ja: '空き状況の画面にすぐ出ます。サーバーにつながっていないときは、つながり次第伝わります。',
      en: 'The board shows it at once, or as soon as the server is reached.',
    })}</p>
  </details></form>`

const lines = ({ broker, journal, clockSynchronised, sharing, at }: PageFacts): Html => {
  const waiting = journal.oldestAt === null ? 0 : at - journal.oldestAt
  const isBehind = waiting > BEHIND_MS
  return html`<dl>
    ${line(
      { ja: 'サーバー', en: 'Server' },
      broker.connected
        ? { ja: '接続中', en: 'connected' }
        : { ja: '切断中（記録は端末に残ります）', en: 'not reached; this device keeps the records' },
      broker.connected,
    )}
    ${line(
      { ja: '保存の確認', en: 'Last stored' },
      broker.lastAckAt === null
        ? { ja: 'まだありません', en: 'not yet' }
        : { ja: sinceTime(broker.lastAckAt, at), en: 'by the server' },
      broker.lastAckAt !== null && !isBehind,
    )}
    ${line(
      { ja: '未送信の記録', en: 'Waiting to be stored' },
      journal.oldestAt === null || !isBehind
        ? { ja: 'ありません', en: 'none' }
        : {
            ja: `${size(journal.bytes)}（${sinceTime(journal.oldestAt, at)}から）`,
            en: `of ${size(journal.maxBytes)}`,
          },
      !isBehind,
    )}
    ${line(
      { ja: '時計', en: 'Clock' },
      clockSynchronised
        ? { ja: '合っています', en: 'synchronised' }
        : { ja: 'まだ合っていません（記録は後で直します）', en: 'not yet; records are corrected later' },
      clockSynchronised,
    )}
    ${line({ ja: '公開', en: 'Sharing' }, SHARING_WORDS[sharing.level], true)}
    ${line(
      { ja: '個数・計測値', en: 'Counts and values' },
      sharing.telemetry
        ? { ja: '送る（自社だけが見ます）', en: 'sent, for this shop’s own eyes' }
        : { ja: '送らない', en: 'not sent' },
      true,
    )}
  </dl>`
}

/** What is younger is on its way. */
const BEHIND_MS = 15_000

const line = (name: Words, value: Words, isGood: boolean): Html =>
  html`<div data-good="${String(isGood)}"><dt>${both(name)}</dt><dd>${both(value)}</dd></div>`

const size = (bytes: number): string =>
  bytes < 1024 ** 2 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`
