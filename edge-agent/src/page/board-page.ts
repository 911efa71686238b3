import { createHash } from 'node:crypto'
import type { AgentId } from '@nakama/contract'
import { BOARD_STYLE } from './board-style.ts'
import { type Html, html } from './html.ts'
import { both, type Words } from './words.ts'

export interface BoardView extends AgentId {
  readonly isMoved: boolean
  readonly serial: string | undefined
  readonly cardSerial: string | undefined
  /** To be sent back with the confirmation. */
  readonly token: string
  /** Somebody has confirmed, and the card could not be written to. */
  readonly isNotKept: boolean
}

/** The page on which somebody says that the card was moved; Japanese first, English beside it. */
export const boardPage = (view: BoardView): string =>
  page(html`
  ${view.isNotKept && note(NOT_KEPT)}
  ${view.isMoved ? moved(view) : settled(view)}
  <p><a href="/">${both({ ja: `${view.shop}・${view.agent} の画面へ`, en: 'to the page of this device' })}</a></p>`)

/** Says nothing of the agent: whoever asked may be a stranger. */
export const refusedPage = (): string =>
  page(html`
  ${note(REFUSED)}
  <p><a href="/board">${both({ ja: '開き直す', en: 'Open it anew' })}</a></p>`)

const NOT_KEPT: Words = {
  ja: 'カードに書き込めませんでした。何も変わっていません。しばらくしてからもう一度押してください。',
  en: 'The card could not be written to. Nothing has changed. Try again in a while.',
}
const REFUSED: Words = {
  ja: '受け付けませんでした。この装置のアドレスでページを開き直し、そのボタンから送ってください。',
  en: 'Refused. Open the page anew by the address of this device, and use its button.',
}

const page = (main: Html): string =>
  `<!doctype html>${
    html`<html lang="ja">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>基板の確認｜仲間まわし</title>
  <style>${{ html: BOARD_STYLE }}</style>
</head>
<body>
<header>${both({ ja: '仲間まわし', en: 'Nakama' })}</header>
<main>${main}
</main>
</body>
</html>
`.html
  }`

const moved = ({ serial, cardSerial, token }: BoardView): Html => html`
<h1 class="stop">${both({ ja: '送信を止めています', en: 'Nothing is being sent' })}</h1>
${paragraph({
  ja: 'このカードは、別の基板で使われていたものです。機械の読み取りと記録は続けていますが、確認があるまで何も送信しません。',
  en: 'This card was in use in another board. The machines are still read and recorded, but nothing is sent until somebody confirms.',
})}
${serials(cardSerial, serial)}
<section>
<h2>${both({ ja: 'カードを移した場合', en: 'If the card was moved' })}</h2>
${paragraph({
  ja: '基板の交換などでカードを差し替えたときは、もとの基板が動いていないことを確かめてから押してください。たまっている記録はすぐに送信されます。',
  en: 'If the board was replaced, make sure that the former one no longer runs, then press. What has been recorded is sent at once.',
})}
<form method="post" action="/board">
<input type="hidden" name="token" value="${token}">
<button>${both({ ja: 'このカードはこの基板に移した', en: 'The card was moved to this board' })}</button>
</form>
</section>
<section>
<h2>${both({ ja: 'カードを複製した場合', en: 'If the card was copied' })}</h2>
${paragraph({
  ja: '押さないでください。もとのカードと同じ名前で送信することになります。この装置には新しいエージェント名（agent）と空のフォルダ（dataDir）を設定し、新しく登録してください。',
  en: 'Do not press: two agents would speak under one name. Enrol this one anew, with an agent id of its own (agent) and an empty folder (dataDir).',
})}
</section>`

const settled = ({ serial, cardSerial }: BoardView): Html =>
  serial === undefined
    ? html`
<h1>${both({ ja: '基板は確認していません', en: 'The board is not checked' })}</h1>
${paragraph({
  ja: 'このシステムは基板の番号を示しません。カードが移されたり複製されたりしても、気づくことはできません。',
  en: 'This system tells no serial number of its board: a card that was moved or copied would not be noticed.',
})}
${serials(cardSerial, serial)}`
    : html`
<h1 class="good">${both({ ja: '問題はありません', en: 'All is well' })}</h1>
${paragraph({
  ja: 'このカードは、この基板のものです。することはありません。',
  en: 'This card belongs to this board. There is nothing to do.',
})}
${serials(cardSerial, serial)}`

const serials = (cardSerial: string | undefined, serial: string | undefined): Html => html`<dl>
<div><dt>${both({ ja: 'カードが覚えている基板', en: 'Board that the card knows' })}</dt><dd>${number(cardSerial)}</dd></div>
<div><dt>${both({ ja: 'いま入っている基板', en: 'Board that it is in' })}</dt><dd>${number(serial)}</dd></div>
</dl>`

const number = (serial: string | undefined): Html => (serial === undefined ? html`–` : html`<code>${serial}</code>`)

const note = (words: Words): Html => html`<div class="note" role="alert">${paragraph(words)}</div>`

const paragraph = ({ ja, en }: Words): Html => html`<p>${ja}</p>
<p lang="en">${en}</p>`

const styleHash = createHash('sha256').update(BOARD_STYLE).digest('base64')

/** Nothing but this page's own style and its one form; in nobody's frame. */
export const BOARD_PAGE_POLICY = `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`
